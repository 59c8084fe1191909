// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// staff is a login by the number on a badge.
type staff map[string]string

// ServeLogin shows a form until it brings a number that somebody has.
func (s staff) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	form := authserver.Form{Fields: []authserver.Field{{Name: "badge", Label: "Badge", Type: "password"}}}
	if r.Method == http.MethodPost {
		badge := r.PostFormValue("badge")
		if name, ok := s[badge]; ok {
			return &authserver.User{Subject: "staff:" + badge, Name: name}, nil
		}
		form.Problem = "Nobody has this badge."
		a.Failed(r.Context(), "", "unknown badge")
	}
	a.ShowForm(w, http.StatusOK, form)
	return nil, nil
}

// Recheck lets in whoever still has the badge.
func (s staff) Recheck(_ context.Context, u authserver.User) (string, error) {
	for badge := range s {
		if u.Subject == "staff:"+badge {
			return "", nil
		}
	}
	return "", authserver.ErrNotAllowed
}

// Admit lets in whom the company's identity provider vouches for.
func (s staff) Admit(_ context.Context, issuer string, claims json.RawMessage) (*authserver.User, error) {
	if issuer != "https://login.example.com" {
		return nil, nil
	}
	var person struct {
		Badge string `json:"badge"`
	}
	if err := json.Unmarshal(claims, &person); err != nil {
		return nil, err
	}
	name, ok := s[person.Badge]
	if !ok {
		return nil, authserver.ErrNotAllowed
	}
	return &authserver.User{Subject: "staff:" + person.Badge, Name: name}, nil
}

// A login of one's own. As a Rechecker it is asked at each refresh, as an
// Admitter about the identity assertions of Options.IdentityProviders.
func ExampleLogin() {
	login := staff{"4711": "Alice"}
	var _ authserver.Rechecker = login
	var _ authserver.Admitter = login

	issuer, stop := serve(authserver.Options{Login: login})
	defer stop()
	for _, badge := range []string{"4711", "1234"} {
		person := &browser.Browser{Password: badge}
		client, err := oauthdyn.New(oauthdyn.Config{AuthServer: issuer, OpenURL: person.Open})
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = client.Authenticate(context.Background())
		fmt.Println(badge, "is in:", err == nil)
	}
	// Output:
	// 4711 is in: true
	// 1234 is in: false
}

// several lets the person choose; package choose does that for any logins.
type several map[string]authserver.Login

func (s several) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	if name := r.URL.Query().Get("with"); s[name] != nil {
		if err := a.Choose(r.Context(), name); err != nil {
			return nil, err
		}
	}
	login := s[a.Choice()]
	if login == nil {
		a.ShowChoices(w, []authserver.Choice{{Name: "badge", Label: "your badge"}, {Name: "password", Label: "a password"}})
		return nil, nil
	}
	return login.ServeLogin(w, r, a)
}

func ExampleChoice() {
	issuer, stop := serve(authserver.Options{
		Login: several{"badge": staff{"4711": "Alice"}, "password": local.New()},
	})
	defer stop()
	person := &browser.Browser{With: "your badge", Password: "4711"}
	client, err := oauthdyn.New(oauthdyn.Config{AuthServer: issuer, OpenURL: person.Open})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := client.Authenticate(context.Background())
	fmt.Println(token.Valid(), err)
	// Output: true <nil>
}

// serve starts an authorization server on the loopback address.
func serve(o authserver.Options) (issuer string, stop func()) {
	ts := httptest.NewUnstartedServer(nil)
	o.Issuer = "http://" + ts.Listener.Addr().String()
	o.Store = memory.New(nil)
	if o.Resources == nil {
		o.Resources = []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}}
	}
	srv, err := authserver.New(context.Background(), o)
	if err != nil {
		panic(err)
	}
	ts.Config.Handler = srv
	ts.Start()
	return o.Issuer, func() { ts.Close(); srv.Close() }
}
