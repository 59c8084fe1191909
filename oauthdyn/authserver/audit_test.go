// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// A witness is told of all events.
type witness struct {
	mu     sync.Mutex
	events []audit.Event
}

func (w *witness) record(_ context.Context, e audit.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// take returns the events since the last time, in words.
func (w *witness) take() (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		words := []string{string(e.Kind)}
		for _, word := range []string{string(e.By), e.GrantType, e.Subject, e.Error} {
			if word != "" {
				words = append(words, word)
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	w.events = nil
	return lines
}

// last returns the newest event.
func (w *witness) last() audit.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[len(w.events)-1]
}

func TestAudit(t *testing.T) {
	var w witness
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"mcp"}, Adjust: func(o *authserver.Options) {
		noGrace(o)
		o.Audit = w.record
	}})
	want := func(lines ...string) {
		t.Helper()
		if got := w.take(); !slices.Equal(got, lines) {
			t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
		}
	}
	client := h.public()
	if e := w.last(); e.ClientID != client.ClientID || e.Outcome != audit.Success || e.Address != "127.0.0.1" || e.Time.IsZero() {
		t.Errorf("%+v", e)
	}
	want("client.create")

	b := h.Browser()
	b.Deny = true
	if _, err := b.Authorize(t.Context(), h.authorizeURL(client.ClientID)); err != nil {
		t.Fatal(err)
	}
	if e := w.last(); e.Outcome != audit.Failure || e.ClientID != client.ClientID || e.Reason == "" {
		t.Errorf("%+v", e)
	}
	want("consent person access_denied")

	for _, wrong := range [][2]string{{"alice", "wrong horse"}, {"hunter2 as a name", "x"}, {"mallory", "x"}} {
		b = h.Browser()
		b.Username, b.Password = wrong[0], wrong[1]
		if _, err := b.Authorize(t.Context(), h.authorizeURL(client.ClientID)); err == nil {
			t.Fatal("signed in")
		}
	}
	// Of somebody who does not exist, what was typed is not kept.
	want("consent person", "sign_in person local:alice access_denied",
		"consent person", "sign_in person access_denied",
		"consent person", "sign_in person access_denied")

	code := h.code(client.ClientID)
	want("consent person", "sign_in person local:alice", "code local:alice")
	h.token(h.redeemForm(client.ClientID, code, "code_verifier", strings.Repeat("w", 43)))
	if e := w.last(); !strings.HasPrefix(e.Reason, "the request does not fit the code") {
		t.Errorf("%+v", e)
	}
	want("token authorization_code local:alice invalid_grant")

	first := h.token(h.redeemForm(client.ClientID, code))
	e := w.last()
	if e.ClientID != client.ClientID || len(e.Resources) != 1 || e.Resources[0] != h.ResourceURL ||
		strings.Join(e.Scopes, " ") != "mcp" || e.Grant != tokenClaims(t, first.AccessToken)["sid"] {
		t.Errorf("%+v", e)
	}
	want("token authorization_code local:alice")
	h.token(refreshForm(client.ClientID, first.RefreshToken))
	want("token refresh_token local:alice")
	h.token(refreshForm(client.ClientID, first.RefreshToken))
	want("replay client refresh_token local:alice invalid_grant", "token refresh_token local:alice invalid_grant")
	h.token(h.redeemForm(client.ClientID, code))
	want("replay client authorization_code local:alice invalid_grant", "token authorization_code local:alice invalid_grant")

	code = h.code(client.ClientID)
	second := h.token(h.redeemForm(client.ClientID, code))
	w.take()
	other := h.public()
	h.revoke(other.ClientID, second.AccessToken)
	want("client.create", "revoke client invalid_token")
	h.revoke(client.ClientID, "nonsense")
	want("revoke client")
	h.revoke(client.ClientID, second.AccessToken)
	want("revoke client local:alice")
	h.token(h.redeemForm(client.ClientID, code))
	want("replay client authorization_code local:alice invalid_grant", "token authorization_code local:alice invalid_grant")

	h.token(refreshForm("client_nobody", "x"))
	if e := w.last(); e.ClientID != "" || e.Reason != "unknown client" {
		t.Errorf("%+v", e)
	}
	h.token(refreshForm(client.ClientID, "x", "client_secret", "y"))
	if e := w.last(); e.ClientID != client.ClientID {
		t.Errorf("%+v", e)
	}
	want("token invalid_client", "token invalid_client")
	h.page(newRequest(t, "GET", h.Issuer+"/authorize?client_id=nobody", ""))
	h.page(newRequest(t, "GET", h.authorizeURL(client.ClientID, "code_challenge", ""), ""))
	want("authorize invalid_request", "authorize invalid_request")

	if _, err := h.AuthServer.RevokeGrants(t.Context(), store.Owner{Subject: "local:alice"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AuthServer.RevokeGrants(audit.As(t.Context(), audit.ByAdmin), store.Owner{ClientID: client.ClientID}); err != nil {
		t.Fatal(err)
	}
	want("revoke program local:alice", "revoke admin")

	third := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID)))
	if err := h.Users.Delete("alice"); err != nil {
		t.Fatal(err)
	}
	w.take()
	h.token(refreshForm(client.ClientID, third.RefreshToken))
	want("revoke server local:alice", "token refresh_token local:alice invalid_grant")
}

// Registrations, and questions about tokens.
func TestAuditOfManagement(t *testing.T) {
	var w witness
	h := newHarness(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) { o.Audit = w.record }})
	client := h.public()
	send := func(method, address, token, contentType, body string) {
		t.Helper()
		req := newRequest(t, method, address, body)
		req.Header.Set("Content-Type", contentType)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		h.page(req)
	}
	const form = "application/x-www-form-urlencoded"
	uri, token := client.RegistrationClientURI, client.RegistrationAccessToken
	send("POST", h.Issuer+"/register", "", jsonType, `{}`)
	send("GET", uri, "wrong", jsonType, "")
	send("PUT", uri, token, jsonType, `{}`)
	send("PUT", uri, token, jsonType, `{"client_id":"`+client.ClientID+`","redirect_uris":["https://c.example/cb"]}`)
	send("DELETE", uri, token, jsonType, "")
	send("POST", h.Issuer+"/introspect", "", form, "client_id=x&client_secret=y&token=z")
	want := []string{
		"client.create", "client.create invalid_redirect_uri", "client.manage invalid_token",
		"client.update client invalid_client_metadata", "client.update client", "client.delete client",
		"introspect invalid_client",
	}
	if got := w.take(); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// S51: nothing that was issued or sent as a secret is in a log, at any level.
func TestS51NoSecretInLogs(t *testing.T) {
	var lines lockedBuffer
	record := func(_ context.Context, e audit.Event) {
		data, err := json.Marshal(e)
		if err != nil {
			t.Error(err)
		}
		_, _ = lines.Write(data)
	}
	secrets := map[string]string{"password": oauthdyntest.Password, "resource server": oauthdyntest.ResourceServerSecret, "verifier": verifier}
	h := newHarness(t, &oauthdyntest.Options{
		Logger: slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Adjust: func(o *authserver.Options) { o.Audit = record },
	})
	b := h.Browser()
	watched := &cookieWatcher{}
	b.Client = &http.Client{Transport: watched}
	client := h.register(`{"redirect_uris":["` + callback + `"],"client_name":"Test client"}`)
	secrets["client secret"], secrets["registration token"] = client.ClientSecret, client.RegistrationAccessToken
	at, err := b.Authorize(t.Context(), h.authorizeURL(client.ClientID, "state", "a-state-of-the-client"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["code"], secrets["state"] = at.Query().Get("code"), "a-state-of-the-client"
	auth := []string{"Authorization", basic(client.ClientID, client.ClientSecret)}
	secrets["authorization header"] = strings.TrimPrefix(auth[1], "Basic ")
	form := h.redeemForm(client.ClientID, secrets["code"])
	first := h.token(form, auth...)
	if first.Status != http.StatusOK {
		t.Fatal(first.Error)
	}
	second := h.token(refreshForm(client.ClientID, first.RefreshToken), auth...)
	secrets["access token"], secrets["refresh token"] = first.AccessToken, first.RefreshToken
	secrets["second access token"], secrets["second refresh token"] = second.AccessToken, second.RefreshToken
	secrets["refresh secret"] = first.RefreshToken[strings.IndexByte(first.RefreshToken, '.')+1:]
	secrets["grant's handle"] = first.RefreshToken[:strings.IndexByte(first.RefreshToken, '.')]
	h.token(form, auth...)                                         // replay
	h.token(refreshForm(client.ClientID, first.RefreshToken))      // without the secret
	h.token(refreshForm(client.ClientSecret, second.RefreshToken)) // secret and id confused
	h.revokeForm(map[string][]string{"token": {second.AccessToken}}, auth...)
	req := newRequest(t, "POST", h.Issuer+"/introspect", "token="+second.AccessToken)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(oauthdyntest.ResourceServerID, "another secret, which is wrong")
	secrets["wrong secret"] = "another secret, which is wrong"
	h.page(req)
	for method, body := range map[string]string{"GET": "", "PUT": `{"client_id":"` + client.ClientID + `","client_secret":"chosen-by-me","redirect_uris":[]}`, "DELETE": ""} {
		req := newRequest(t, method, client.RegistrationClientURI, body)
		req.Header.Set("Content-Type", jsonType)
		req.Header.Set("Authorization", "Bearer "+client.RegistrationAccessToken)
		h.page(req)
	}
	secrets["chosen secret"] = "chosen-by-me"
	typo := h.Browser()
	typo.Username, typo.Password = "my-password-in-the-wrong-field", "x-y-z-wrong"
	_, _ = typo.Authorize(t.Context(), h.authorizeURL(h.public().ClientID))
	secrets["typed as a name"], secrets["wrong password"] = typo.Username, typo.Password

	for _, cookie := range watched.seen() {
		secrets["cookie "+cookie.Name] = cookie.Value
	}
	if len(secrets) < 18 {
		t.Errorf("only %d secrets: %v", len(secrets), secrets)
	}
	text := lines.String()
	if strings.Count(text, `"event":"`) < 10 || !strings.Contains(text, client.ClientID) {
		t.Errorf("hardly anything was logged: %s", text)
	}
	for name, secret := range secrets {
		if secret == "" || strings.Contains(text, secret) {
			t.Errorf("%s %q is in the log, or empty", name, secret)
		}
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A cookieWatcher remembers the cookies that were set, and the hidden fields of
// pages.
type cookieWatcher struct {
	mu      sync.Mutex
	cookies []*http.Cookie
}

func (c *cookieWatcher) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cookie := range res.Cookies() {
		if cookie.Value != "" {
			c.cookies = append(c.cookies, cookie)
		}
	}
	if tx, csrf := hidden(string(body)); tx != "" {
		c.cookies = append(c.cookies, &http.Cookie{Name: "tx " + req.URL.Path, Value: tx}, &http.Cookie{Name: "csrf " + req.URL.Path, Value: csrf})
	}
	return res, nil
}

func (c *cookieWatcher) seen() []*http.Cookie {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cookies
}
