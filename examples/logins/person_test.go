// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// An app is a client whose callback is a page on this machine.
type app struct {
	config   *oauth2.Config
	callback string
}

// newApp registers a client.
func newApp(t *testing.T, s site, name string) app {
	t.Helper()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><link rel="icon" href="data:,"><title>App</title><h1>Back at the app</h1>`)
	}))
	t.Cleanup(page.Close)
	a := app{callback: page.URL + "/callback"}
	client := servetest.Register(t, s.issuer, oauthdyn.ClientMetadata{
		ClientName: name, RedirectURIs: []string{a.callback}, TokenEndpointAuthMethod: oauthdyn.AuthMethodNone,
	})
	a.config = &oauth2.Config{
		ClientID: client.ClientID, RedirectURL: a.callback,
		Endpoint: oauth2.Endpoint{AuthURL: s.issuer + "/authorize", TokenURL: s.issuer + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	return a
}

// An attempt is one login of an app.
type attempt struct{ page, verifier string }

const attemptState = "a state of the app"

func (a app) attempt(options ...oauth2.AuthCodeOption) attempt {
	verifier := oauth2.GenerateVerifier()
	return attempt{a.config.AuthCodeURL(attemptState, append(options, oauth2.S256ChallengeOption(verifier))...), verifier}
}

// finish takes what came back to the app and gets the token.
func (a app) finish(t *testing.T, at attempt, redirect string) *oauth2.Token {
	t.Helper()
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("state") != attemptState || q.Get("error") != "" {
		t.Fatalf("came back with %s", u.RawQuery)
	}
	token, err := a.config.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(at.verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const wrongPassword = "not the password"

// TestPerson goes through the pages as a person does, in each look: log in with
// a wrong password and the right one, allow, deny
// another app, take back what was allowed, and look at the administrators' page.
func TestPerson(t *testing.T) {
	browser := startChromium(t)
	s := newSite(t, "--admin", subject)
	for _, l := range []look{desktopLight, desktopDark, phoneLight, phoneDark, noScript} {
		t.Run(l.name, func(t *testing.T) {
			first, second := newApp(t, s, "Example App"), newApp(t, s, "Another App")
			v := browser.visit(t, l, s.issuer+"/", first.callback, second.callback)
			v.refused("403") // the wrong password

			login := first.attempt()
			v.open(login.page, http.StatusOK)
			v.at(s.question("Example App"), "consent")
			v.click("Allow and sign in")
			v.at("Sign in", "login")
			v.fill("Name", servetest.Username)
			v.fill("Password", wrongPassword)
			v.click("Sign in")
			v.do("wait", map[string]any{"text": "do not fit together"})
			v.at("Sign in", "login-wrong-password")
			v.fill("Password", servetest.Password)
			v.click("Sign in")
			token := first.finish(t, login, v.arrive(first.callback))
			wantCaller(t, first.config.Client(t.Context(), token), s)

			// Another app asks the person, who is signed in.
			v.open(second.attempt().page, http.StatusOK)
			v.at(s.question("Another App"), "consent-signed-in")
			if text := v.text(); !strings.Contains(text, servetest.Username) {
				t.Errorf("who is signed in, is not on the page: %s", text)
			}
			v.click("Deny")
			denied, err := url.Parse(v.arrive(second.callback))
			if err != nil {
				t.Fatal(err)
			}
			if q := denied.Query(); q.Get("error") != oauthdyn.CodeAccessDenied || q.Get("iss") != s.issuer || q.Has("code") {
				t.Errorf("denied: %s", denied.RawQuery)
			}

			// What was allowed can be seen, and taken back.
			v.open(s.issuer+"/apps", http.StatusOK)
			v.at("Connected apps", "apps")
			if text := v.text(); !strings.Contains(text, "Example App") || strings.Contains(text, "Another App") {
				t.Errorf("the connected apps: %s", text)
			}
			v.click("Revoke access of Example App")
			v.do("wait", map[string]any{"text": "No app has access"})
			v.at("Connected apps", "apps-none")
			if _, err := first.config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err == nil ||
				!strings.Contains(err.Error(), oauthdyn.CodeInvalidGrant) {
				t.Errorf("a refresh of what was taken back: %v", err)
			}
			v.open(s.issuer+"/admin", http.StatusOK)
			v.at("Clients", "admin-clients")
			v.click("Another App")
			v.at("Another App", "admin-client")
			v.open(s.issuer+"/apps", http.StatusOK)
			v.click("sign out")
			v.do("wait", map[string]any{"button": "Sign in"})
			v.at("Connected apps", "apps-signed-out")
		})
	}
}

// question is the heading of the consent page.
func (s site) question(app string) string {
	return "Allow “" + app + "” to use " + strings.TrimPrefix(s.url, "http://") + "?"
}

// TestKeyboard logs in with nothing but a keyboard.
func TestKeyboard(t *testing.T) {
	browser, s := startChromium(t), newSite(t)
	a := newApp(t, s, "Example App")
	v := browser.visit(t, desktopLight, s.issuer+"/", a.callback)
	login := a.attempt()
	v.open(login.page, http.StatusOK)
	v.tabTo("Allow and sign in")
	v.picture("keyboard-consent")
	v.press("Enter")
	v.do("wait", map[string]any{"heading": "Sign in"})
	v.tabTo("Name")
	v.picture("keyboard-login")
	v.do("type", map[string]any{"text": servetest.Username})
	v.tabTo("Password")
	v.do("type", map[string]any{"text": servetest.Password})
	v.press("Enter")
	token := a.finish(t, login, v.arrive(a.callback))
	wantCaller(t, a.config.Client(t.Context(), token), s)
}

// TestHardPages looks at pages with texts that are hard to lay out.
func TestHardPages(t *testing.T) {
	browser := startChromium(t)
	const long = "https://mcp.example.com/a/very/long/path/that/has/no/place/where/a/line/could/be/broken/without/being/asked/to/do/so/mcp"
	var scopes []string
	for i := range 24 {
		scopes = append(scopes, fmt.Sprintf("files:%d:read-and-write-everything", i))
	}
	s := newSite(t, "--resource", long+"="+strings.Join(scopes, ","))
	for _, l := range []look{desktopLight, phoneLight, phoneDark} {
		t.Run(l.name, func(t *testing.T) {
			right := newApp(t, s, "تطبيق المثال الرائع")
			v := browser.visit(t, l, s.issuer+"/")
			v.open(right.attempt().page, http.StatusOK)
			v.at("تطبيق المثال", "consent-right-to-left")

			wide := newApp(t, s, strings.Repeat("Unbreakable", 12))
			v.open(wide.attempt(oauth2.SetAuthURLParam("resource", long)).page, http.StatusOK)
			v.at("UnbreakableUnbreakable", "consent-long")
		})
	}
}

// TestErrorPages looks at what people see when an app does something wrong.
func TestErrorPages(t *testing.T) {
	browser, s := startChromium(t), newSite(t)
	for _, l := range []look{desktopDark, phoneLight} {
		t.Run(l.name, func(t *testing.T) {
			a := newApp(t, s, "Example App")
			v := browser.visit(t, l, s.issuer+"/")
			v.refused("400")
			v.open(a.attempt(oauth2.SetAuthURLParam("redirect_uri", "https://elsewhere.example/")).page, http.StatusBadRequest)
			v.at("", "error-redirect-uri")
			v.open(a.attempt(oauth2.SetAuthURLParam("client_id", "client_unknown")).page, http.StatusBadRequest)
			v.at("", "error-client")
		})
	}
}
