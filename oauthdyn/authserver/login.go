// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
)

// A User is a person who has signed in.
type User struct {
	// Subject identifies the person for ever and is never given to another one:
	// the sub claim. Put the kind of login in front, as in "local:alice".
	Subject string

	// Name is what people call the person: the preferred_username claim.
	Name string

	// Account is what a Rechecker needs to know later, at most MaxAccount
	// bytes. It is kept in the store as it is: encrypt what is secret.
	Account string `json:"-"`
}

// MaxAccount bounds User.Account, in bytes.
const MaxAccount = 32 << 10

// A Login asks the person at the browser who they are. It must be safe for
// concurrent use. Package local is one for passwords.
type Login interface {
	// ServeLogin handles one browser request of a sign-in: a GET that starts
	// it, a POST of the form that Attempt.ShowForm has shown, or a GET of
	// Attempt.CallbackURL, see Attempt.IsCallback. It returns the user once it
	// knows, without touching the response. While it does not know, it answers
	// the request itself and returns nil: with a form, or Attempt.Redirect. An
	// error ends the sign-in with an error page that does not show it.
	//
	// The request belongs to the browser that consented, and a POST to a form
	// that was shown there; that has been checked.
	ServeLogin(w http.ResponseWriter, r *http.Request, a *Attempt) (*User, error)
}

// A Rechecker is a Login that can say later whether a person may still come in.
// The server asks before it exchanges a refresh token, and before it lets
// somebody in who is signed in at the browser.
type Rechecker interface {
	Login

	// Recheck returns what is to be kept as User.Account from now on.
	// ErrNotAllowed ends all grants of the person; it is also the answer to a
	// person of another Login. With any other error nothing changes: the client
	// is told to try again later.
	//
	// u.Account is what the last sign-in of the person, or the last Recheck,
	// returned; it is empty if neither left anything. ctx ends after 45 seconds
	// at most, and not with the request.
	Recheck(ctx context.Context, u User) (account string, err error)
}

// ErrNotAllowed is what Rechecker.Recheck and Admitter.Admit return for a person
// who may not, or not any more, use the server.
var ErrNotAllowed = errors.New("the person is not allowed to sign in")

// An Attempt is a sign-in in progress. It is valid for one request.
type Attempt struct {
	server   *Server
	id       string
	csrf     string
	auth     *authorization
	client   string
	callback bool
}

// Failed records in the audit log why this attempt has failed, for a Login that
// lets the person try again. subject is that of a User, or empty if nobody of
// that name exists: what was typed could be a password. An error of ServeLogin
// is recorded without it.
func (a *Attempt) Failed(ctx context.Context, subject, reason string) {
	e := *note(ctx)
	e.Kind, e.By, e.Subject = audit.SignIn, audit.ByPerson, subject
	e.Error, e.Reason = oauthdyn.CodeAccessDenied, reason
	a.server.record(ctx, e)
}

// State is an unguessable value for the state parameter of a request to an
// identity provider. The provider's reply must carry it to CallbackURL.
func (a *Attempt) State() string { return a.id }

// CallbackURL is where an identity provider sends the browser back to.
func (a *Attempt) CallbackURL() string { return a.server.url(pathLoginCallback) }

// IsCallback reports whether the request is one of CallbackURL.
func (a *Attempt) IsCallback() bool { return a.callback }

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

// Choice is what Choose has kept.
func (a *Attempt) Choice() string { return a.auth.Choice }

// Choose keeps which of several ways to sign in was chosen, and forgets what
// another one has saved.
func (a *Attempt) Choose(ctx context.Context, name string) error {
	a.auth.Choice, a.auth.Login = name, nil
	return a.server.putAuthorization(ctx, kindLogin, a.id, a.auth)
}

// A Choice is one of several ways to sign in.
type Choice struct {
	Name  string // value of the query parameter "with"
	Label string // as in "Sign in with …"
}

// ShowChoices answers the request with a page that lets the person choose. The
// choice comes to ServeLogin as a GET with the query parameter "with".
func (a *Attempt) ShowChoices(w http.ResponseWriter, choices []Choice) {
	page := pages.Choose{Action: a.server.path(pathLogin), Tx: a.id, CSRF: a.csrf, Client: a.client}
	for _, c := range choices {
		query := url.Values{"tx": {a.id}, "with": {c.Name}}
		page.Choices = append(page.Choices, pages.Choice{Label: c.Label, URL: a.server.path(pathLogin) + "?" + query.Encode()})
	}
	pages.Render(w, http.StatusOK, page, a.auth.RedirectURI)
}

// Redirect sends the browser to the identity provider that people know as name.
//
// It does so by a page that moves on at once. A redirect would belong to the
// consent form, which browsers let lead to hosts that its page has named only
// (form-action of CSP), and nobody knows all hosts that a provider passes
// through.
func (a *Attempt) Redirect(w http.ResponseWriter, name, address string) {
	pages.Render(w, http.StatusOK, pages.Leave{Name: name, URL: address}, "")
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
