// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// bobsPassword is that of the second person.
const bobsPassword = "bob's battery staple"

// newPagesHarness has two people, alice and bob, and an administrator, carol.
func newPagesHarness(t *testing.T, adjust func(*authserver.Options)) *harness {
	h := newHarness(t, &oauthdyntest.Options{
		Scopes: []string{"mcp:read", "mcp:write"},
		Adjust: func(o *authserver.Options) {
			o.Admins = []string{"local:carol"}
			o.ScopeText = map[string]string{"mcp:read": "Read your notes"}
			if adjust != nil {
				adjust(o)
			}
		},
	})
	for _, name := range []string{"bob", "carol"} {
		if err := h.Users.Set(name, bobsPassword); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// A pageForm is a form as a browser would send it.
type pageForm struct {
	method, action string
	fields         url.Values
	buttons        []string // values of action
	text           string
}

// with answers the form by one of its buttons.
func (f pageForm) with(action string) url.Values {
	values := url.Values{}
	for name, v := range f.fields {
		values[name] = slices.Clone(v)
	}
	values.Set("action", action)
	return values
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// formsOf returns the forms of a page.
func formsOf(t *testing.T, body string) (forms []pageForm) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		f := pageForm{method: attribute(n, "method"), action: attribute(n, "action"), fields: url.Values{}}
		for c := range n.Descendants() {
			switch {
			case c.Type == html.TextNode:
				f.text += c.Data
			case c.Type == html.ElementNode && c.Data == "input":
				f.fields.Add(attribute(c, "name"), attribute(c, "value"))
			case c.Type == html.ElementNode && c.Data == "button":
				f.buttons = append(f.buttons, attribute(c, "value"))
			}
		}
		forms = append(forms, f)
	}
	return forms
}

// formsWith returns the forms of a page that have a button.
func formsWith(t *testing.T, body, button string) []pageForm {
	t.Helper()
	return slices.DeleteFunc(formsOf(t, body), func(f pageForm) bool { return !slices.Contains(f.buttons, button) })
}

// formWith returns the only form of a page that has a button.
func formWith(t *testing.T, body, button string) pageForm {
	t.Helper()
	forms := formsWith(t, body, button)
	if len(forms) != 1 {
		t.Fatalf("%d forms with the button %s in %s", len(forms), button, body)
	}
	return forms[0]
}

// enter signs a person in at a page of their own, and returns the page.
func (b *tab) enter(path, username, password string) string {
	b.t.Helper()
	res, body := b.get(b.Issuer + path)
	if res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %s", path, res.Status)
	}
	checkPage(b.t, res, body)
	res, _ = b.post(path, formWith(b.t, body, "sign-in").with("sign-in"), "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/login?tx=") {
		b.t.Fatalf("sign-in: %s to %q", res.Status, res.Header.Get("Location"))
	}
	_, body = b.get(b.Issuer + res.Header.Get("Location"))
	form := formWith(b.t, body, "submit").with("submit")
	form.Set("username", username)
	form.Set("password", password)
	res, body = b.post("/login", form, "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != path {
		b.t.Fatalf("signed in: %s to %q: %s", res.Status, res.Header.Get("Location"), body)
	}
	return b.open(path)
}

// open opens a page that must be there.
func (b *tab) open(path string) string {
	b.t.Helper()
	res, body := b.get(b.Issuer + path)
	if res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %s: %s", path, res.Status, body)
	}
	checkPage(b.t, res, body)
	return body
}

// submit sends a form, and opens the page that it leads to.
func (b *tab) submit(f pageForm, button string) string {
	b.t.Helper()
	res, body := b.post(f.action, f.with(button), "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("%s: %s: %s", button, res.Status, body)
	}
	return b.open(res.Header.Get("Location"))
}

// grantTo signs a person in with a new client of some name, at a browser of their
// own, and returns the client and its tokens.
func (h *harness) grantTo(name, username, password string) (clientID string, tokens tokenReply) {
	h.t.Helper()
	client := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","client_name":"` + name + `"}`)
	b := &oauthdyntest.Browser{Username: username, Password: password}
	return client.ClientID, h.grantAt(b, client.ClientID)
}

// grantAt signs a person in at a browser and redeems the code.
func (h *harness) grantAt(b *oauthdyntest.Browser, clientID string) tokenReply {
	h.t.Helper()
	at, err := b.Authorize(h.t.Context(), h.authorizeURL(clientID))
	if err != nil {
		h.t.Fatal(err)
	}
	reply := h.token(h.redeemForm(clientID, at.Query().Get("code")))
	if reply.Status != http.StatusOK {
		h.t.Fatalf("no tokens: %d %v", reply.Status, &reply.Error)
	}
	return reply
}

// alive reports whether a client can use its tokens, both of them.
func (h *harness) alive(clientID string, tokens tokenReply) bool {
	h.t.Helper()
	req := newRequest(h.t, "GET", h.ResourceURL, "")
	req.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	res := send(h.t, req, nil)
	reply := h.token(refreshForm(clientID, tokens.RefreshToken))
	access, refresh := res.StatusCode == http.StatusOK, reply.Status == http.StatusOK
	if access != refresh {
		h.t.Errorf("the access token: %s; the refresh token: %d", res.Status, reply.Status)
	}
	return access
}

// Nobody can send a person into a sign-in, or out of it to somewhere else.
func TestS31OwnPagesLeadNowhereElse(t *testing.T) {
	h := newPagesHarness(t, nil)
	b := h.tab()
	res, body := b.get(h.Issuer + "/apps?next=https://evil.example/&return_to=https://evil.example/&done=%3Cscript%3E")
	checkPage(t, res, body)
	if res.StatusCode != 200 || strings.Contains(body, "evil.example") {
		t.Errorf("%s %s", res.Status, body)
	}
	form := formWith(t, body, "sign-in").with("sign-in")
	form.Set("next", "https://evil.example/")
	res, _ = b.post("/apps", form)
	login := res.Header.Get("Location")
	if !strings.HasPrefix(login, "/login?tx=") {
		t.Fatalf("sign-in leads to %q", login)
	}
	// Another browser cannot go on with it.
	if res, _ := h.tab().get(h.Issuer + login); res.StatusCode != 403 {
		t.Errorf("another browser: %s", res.Status)
	}
	// It can be given up, and then is over.
	_, body = b.get(h.Issuer + login)
	if !strings.Contains(body, "Connected apps") {
		t.Error("the sign-in does not say what it is for")
	}
	deny := formWith(t, body, "deny")
	res, _ = b.post("/login", deny.with("deny"))
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/apps" {
		t.Errorf("given up: %s to %q", res.Status, res.Header.Get("Location"))
	}
	if res, _ := b.get(h.Issuer + login); res.StatusCode != 403 {
		t.Errorf("after that: %s", res.Status)
	}
}

// The session has a new id after the sign-in, and none after the end; forms from
// before change nothing.
func TestS30SignOut(t *testing.T) {
	h := newPagesHarness(t, nil)
	client, tokens := h.grantTo("App", oauthdyntest.Username, oauthdyntest.Password)
	b := h.tab()
	origin := mustURL(t, h.Issuer)
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "oauthdyn-session", Value: "planted"}})
	page := b.enter("/apps", oauthdyntest.Username, oauthdyntest.Password)
	cookies := b.client.Jar.Cookies(origin)
	if slices.ContainsFunc(cookies, func(c *http.Cookie) bool { return c.Value == "planted" }) {
		t.Error("a planted session id was taken over")
	}
	revoke := formWith(t, page, "revoke")
	body := b.submit(formWith(t, page, "sign-out"), "sign-out")
	formWith(t, body, "sign-in")
	if strings.Contains(body, "App") && strings.Contains(body, "mcp:read") {
		t.Error("the list is shown after the end")
	}
	if res, body := b.post("/apps", revoke.with("revoke")); res.StatusCode != 403 {
		t.Errorf("a form from before: %s %s", res.Status, body)
	}
	b.client.Jar.SetCookies(origin, cookies)
	formWith(t, b.open("/apps"), "sign-in") // the session does not live on
	if res, _ := b.post("/apps", revoke.with("revoke")); res.StatusCode != 403 {
		t.Errorf("a form and the cookie from before: %s", res.Status)
	}
	// The same person again: the form is still one of the former session.
	b.enter("/apps", oauthdyntest.Username, oauthdyntest.Password)
	if res, _ := b.post("/apps", revoke.with("revoke")); res.StatusCode != 403 {
		t.Errorf("a form of the former session: %s", res.Status)
	}
	if !h.alive(client, tokens) {
		t.Error("the grant has ended")
	}
}

// Whoever begins one sign-in after the other is stopped, and does not fill the
// store.
func TestSignInsForOwnPagesAreLimited(t *testing.T) {
	h := newPagesHarness(t, func(o *authserver.Options) { o.Store = &oneMinute{Store: memory.New(nil)} })
	b := h.tab()
	_, body := b.get(h.Issuer + "/apps")
	form := formWith(t, body, "sign-in")
	for n := range 102 {
		res, body := b.post("/apps", form.with("sign-in"))
		switch limited := res.StatusCode == http.StatusTooManyRequests; {
		case limited != (n >= 100):
			t.Fatalf("sign-in %d: %s", n+1, res.Status)
		case limited && res.Header.Get("Retry-After") == "":
			t.Error("no Retry-After")
		case limited:
			checkPage(t, res, body)
		}
	}
}

// oneMinute is a store for which it is always the same minute.
type oneMinute struct {
	store.Store
	mu     sync.Mutex
	counts map[store.Kind]int // mu guards
}

// Count implements store.Counts, for one id of each kind.
func (s *oneMinute) Count(_ context.Context, kind store.Kind, _ store.Hash, window time.Duration) (int, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[store.Kind]int{}
	}
	s.counts[kind]++
	return s.counts[kind], time.Now().Add(window), nil
}

func TestOwnPagesTakeGETAndPOSTOnly(t *testing.T) {
	h := newPagesHarness(t, nil)
	for _, path := range []string{"/apps", "/admin"} {
		for _, method := range []string{"PUT", "DELETE", "OPTIONS", "PATCH"} {
			res, _ := h.page(newRequest(t, method, h.Issuer+path, ""))
			if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %s", method, path, res.Status)
			}
		}
		res, _ := h.page(newRequest(t, "POST", h.Issuer+path, strings.Repeat("x", 1<<17)))
		if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
			t.Errorf("long form for %s: %s", path, res.Status)
		}
	}
}

// agingStore is a store whose sessions began earlier than they did.
type agingStore struct {
	store.Store
	by atomic.Int64 // a time.Duration
}

// Transaction implements store.Transactions.
func (s *agingStore) Transaction(ctx context.Context, kind store.Kind, id store.Hash) ([]byte, error) {
	data, err := s.Store.Transaction(ctx, kind, id)
	if err != nil || kind != "session" {
		return data, err
	}
	var session map[string]any
	if err := json.Unmarshal(data, &session); err != nil {
		return nil, err
	}
	since, err := time.Parse(time.RFC3339Nano, fmt.Sprint(session["since"]))
	if err != nil {
		return nil, err
	}
	session["since"] = since.Add(-time.Duration(s.by.Load()))
	return json.Marshal(session)
}
