// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
)

// A User is a person who has signed in.
type User struct {
	// Subject identifies the person for ever and is never given to another one:
	// the sub claim. Put the kind of login in front, as in "local:alice".
	Subject string

	// Name is what people call the person: the preferred_username claim.
	Name string
}

// A Login asks the person at the browser who they are. It must be safe for
// concurrent use. Package local is one for passwords.
type Login interface {
	// ServeLogin handles one browser request of a sign-in: a GET that starts
	// it, a POST of the form that Attempt.ShowForm has shown, or a GET of
	// Attempt.CallbackURL. It returns the user once it knows, without touching
	// the response. While it does not know, it answers the request itself and
	// returns nil: with a form, or a redirect to an identity provider. An error
	// ends the sign-in with an error page that does not show it.
	//
	// The request belongs to the browser that consented, and a POST to a form
	// that was shown there; that has been checked.
	ServeLogin(w http.ResponseWriter, r *http.Request, a *Attempt) (*User, error)
}

// An Attempt is a sign-in in progress. It is valid for one request.
type Attempt struct {
	server *Server
	id     string
	csrf   string
	auth   *authorization
	client string
}

// State is an unguessable value for the state parameter of a request to an
// identity provider. The provider's reply must carry it to CallbackURL.
func (a *Attempt) State() string { return a.id }

// CallbackURL is where an identity provider sends the browser back to.
func (a *Attempt) CallbackURL() string { return a.server.url(pathLoginCallback) }

// Data returns what Save has kept: a nonce or a PKCE verifier, for example.
func (a *Attempt) Data() []byte { return a.auth.Login }

// Save keeps JSON data between the requests of this sign-in.
func (a *Attempt) Save(ctx context.Context, data json.RawMessage) error {
	if !json.Valid(data) {
		return errors.New("authserver: login data is not JSON")
	}
	a.auth.Login = data
	return a.server.putAuthorization(ctx, kindLogin, a.id, a.auth)
}

// A Form is what a Login asks the person for.
type Form struct {
	Fields  []Field
	Problem string // why the last attempt failed; empty at first
	Submit  string // label of the button; default "Sign in"
}

// A Field is an input of a Form.
type Field struct {
	Name         string // of the form value; "tx", "csrf" and "action" are taken
	Label        string
	Type         string // of the HTML input: "text", "password"
	Autocomplete string // token of the HTML standard: "username", "current-password"
	Value        string
}

// ShowForm answers the request with a page that asks for the fields. The form
// comes back to ServeLogin as a POST.
func (a *Attempt) ShowForm(w http.ResponseWriter, status int, f Form) {
	if f.Submit == "" {
		f.Submit = "Sign in"
	}
	page := pages.Login{
		Action:  a.server.path(pathLogin),
		Tx:      a.id,
		CSRF:    a.csrf,
		Client:  a.client,
		Problem: f.Problem,
		Submit:  f.Submit,
	}
	for _, field := range f.Fields {
		page.Fields = append(page.Fields, pages.Field(field))
	}
	pages.Render(w, status, page, a.auth.RedirectURI)
}
