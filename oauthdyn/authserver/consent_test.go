// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// A tab is a browser that the test steers by hand.
type tab struct {
	*harness
	client *http.Client
}

func (h *harness) tab() *tab {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &tab{h, &http.Client{Jar: jar, CheckRedirect: noRedirects.CheckRedirect}}
}

func (b *tab) send(req *http.Request) (*http.Response, string) {
	b.t.Helper()
	return fetch(b.t, b.client, req)
}

// get opens an address.
func (b *tab) get(address string) (*http.Response, string) {
	b.t.Helper()
	return b.send(newRequest(b.t, "GET", address, ""))
}

// post sends a form to a path of the server.
func (b *tab) post(path string, form url.Values, headers ...string) (*http.Response, string) {
	b.t.Helper()
	req := newRequest(b.t, "POST", b.Issuer+path, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return b.send(req)
}

func answer(tx, csrf, action string) url.Values {
	return url.Values{"tx": {tx}, "csrf": {csrf}, "action": {action}}
}

func credentials(tx, csrf string) url.Values {
	form := answer(tx, csrf, "submit")
	form.Set("username", oauthdyntest.Username)
	form.Set("password", oauthdyntest.Password)
	return form
}

// consentPage opens the authorization URL of a fresh client.
func (b *tab) consentPage() (tx, csrf, body string) {
	b.t.Helper()
	res, body := b.get(b.authorizeURL(b.public().ClientID))
	if res.StatusCode != 200 {
		b.t.Fatalf("consent page: %s", res.Status)
	}
	tx, csrf = hidden(body)
	return tx, csrf, body
}

// loginPage approves and opens the page that follows.
func (b *tab) loginPage() (tx, csrf, body string) {
	b.t.Helper()
	tx, csrf, _ = b.consentPage()
	res, _ := b.post("/consent", answer(tx, csrf, "approve"))
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("approve: %s", res.Status)
	}
	_, body = b.get(b.Issuer + res.Header.Get("Location"))
	tx, csrf = hidden(body)
	return tx, csrf, body
}

func TestA10A13S16S22ConsentPage(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{
		Scopes: []string{"mcp:read", "mcp:write"},
		Adjust: func(o *authserver.Options) { o.ScopeText = map[string]string{"mcp:read": "Read your notes"} },
	})
	res, body := h.tab().get(h.authorizeURL(h.public().ClientID))
	checkPage(t, res, body)
	for _, want := range []string{"Test client", "client.example", "unverified", "Test server", h.ResourceURL, "Read your notes", "mcp:write", `value="deny"`, `lang="en"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://client.example;") {
		t.Errorf("CSP %q does not let the form end at the client", csp)
	}
	if strings.Contains(body, "this computer") {
		t.Error("a web client gets the warning of a local one")
	}
}

func TestA10S28ConsentPageWarnings(t *testing.T) {
	h := newHarness(t, nil)
	for uri, want := range map[string]string{
		"http://127.0.0.1:1234/cb":                     "this computer",
		"http://[::1]:1234/cb":                         "this computer",
		"cursor://anysphere.cursor-mcp/oauth/callback": "this device",
		"com.example.app:/cb":                          "this device",
	} {
		client := h.register(`{"redirect_uris":["` + uri + `"],"token_endpoint_auth_method":"none","client_name":"Claude"}`)
		res, body := h.tab().get(h.authorizeURL(client.ClientID, "redirect_uri", uri))
		checkPage(t, res, body)
		if !strings.Contains(body, want) || !strings.Contains(body, "unverified") {
			t.Errorf("%s: no warning about %s", uri, want)
		}
	}
}

func TestS27TextOfClientsIsCleaned(t *testing.T) {
	h := newHarness(t, nil)
	for name, want := range map[string]string{
		`<script>alert(1)</script>`:         "&lt;script&gt;alert(1)&lt;/script&gt;",
		`\u202eevil\u202c \u200bname\u0000`: "“<bdi>evil name</bdi>”",
		`a\r\nb\tc`:                         "“<bdi>a b c</bdi>”",
		strings.Repeat("x", 10_000):         "“<bdi>" + strings.Repeat("x", 80) + "…</bdi>”",
		`\u200b\u202e `:                     "An app without a name",
	} {
		client := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","client_name":"` + name + `","client_uri":"https://home.example/\"><script>"}`)
		res, body := h.tab().get(h.authorizeURL(client.ClientID))
		checkPage(t, res, body)
		if !strings.Contains(body, want) {
			t.Errorf("%.40s: the page lacks %.40s", name, want)
		}
		if !strings.Contains(body, `rel="noopener noreferrer"`) {
			t.Error("the link to the home page is not marked")
		}
	}
}

func TestA13S21ForgedConsent(t *testing.T) {
	h := newHarness(t, nil)
	for _, test := range []struct {
		name    string
		forge   func(b *tab, form url.Values) // the form is valid before
		headers []string
		status  int
	}{
		{"control", func(*tab, url.Values) {}, nil, 303},
		{"same origin", func(*tab, url.Values) {}, []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, 303},
		{"own origin", func(*tab, url.Values) {}, []string{"Origin", h.Issuer}, 303},
		{"no token", func(_ *tab, f url.Values) { f.Del("csrf") }, nil, 403},
		{"wrong token", func(_ *tab, f url.Values) { f.Set("csrf", strings.Repeat("A", 43)) }, nil, 403},
		{"unknown transaction", func(_ *tab, f url.Values) { f.Set("tx", "x") }, nil, 403},
		{"no transaction", func(_ *tab, f url.Values) { f.Del("tx") }, nil, 403},
		{"token of another browser", func(_ *tab, f url.Values) { _, csrf, _ := h.tab().consentPage(); f.Set("csrf", csrf) }, nil, 403},
		{"another browser's transaction", func(_ *tab, f url.Values) { tx, csrf, _ := h.tab().consentPage(); f.Set("tx", tx); f.Set("csrf", csrf) }, nil, 403},
		{"no cookie", func(b *tab, _ url.Values) { *b = *h.tab() }, nil, 403},
		{"cross-site", func(*tab, url.Values) {}, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same site", func(*tab, url.Values) {}, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"foreign origin", func(*tab, url.Values) {}, []string{"Origin", "https://evil.example"}, 403},
		{"null origin", func(*tab, url.Values) {}, []string{"Origin", "null"}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := h.tab()
			tx, csrf, _ := b.consentPage()
			form := answer(tx, csrf, "approve")
			test.forge(b, form)
			res, body := b.post("/consent", form, test.headers...)
			if res.StatusCode != test.status || test.status == 403 && res.Header.Get("Location") != "" {
				t.Errorf("%s, Location %q", res.Status, res.Header.Get("Location"))
			}
			if test.status == 403 {
				checkPage(t, res, body)
			}
		})
	}
}

func TestS21S24AnswersCountOnce(t *testing.T) {
	h := newHarness(t, nil)
	for _, first := range []string{"approve", "deny", "switch"} {
		b := h.tab()
		tx, csrf, _ := b.consentPage()
		if res, _ := b.post("/consent", answer(tx, csrf, first)); res.StatusCode >= 400 {
			t.Fatalf("%s: %s", first, res.Status)
		}
		if res, _ := b.post("/consent", answer(tx, csrf, "approve")); res.StatusCode != 403 {
			t.Errorf("approve after %s: %s", first, res.Status)
		}
	}
	b := h.tab()
	tx, csrf, _ := b.loginPage()
	res, _ := b.post("/login", credentials(tx, csrf))
	if q := redirected(t, res); !q.Has("code") {
		t.Fatalf("signed in: %v", q)
	}
	if res, _ := b.post("/login", credentials(tx, csrf)); res.StatusCode != 403 {
		t.Errorf("same sign-in again: %s", res.Status)
	}
}

func TestDenied(t *testing.T) {
	h := newHarness(t, nil)
	b := h.tab()
	tx, csrf, _ := b.consentPage()
	res, _ := b.post("/consent", answer(tx, csrf, "deny"))
	if q := redirected(t, res); q.Get("error") != oauthdyn.CodeAccessDenied || q.Get("state") != "the state" || q.Get("iss") != h.Issuer {
		t.Errorf("denied: %v", q)
	}
	tx, csrf, _ = b.loginPage()
	res, _ = b.post("/login", answer(tx, csrf, "deny"))
	if q := redirected(t, res); q.Get("error") != oauthdyn.CodeAccessDenied {
		t.Errorf("cancelled sign-in: %v", q)
	}
	// What is not a clear yes is a no.
	tx, csrf, _ = b.consentPage()
	res, _ = b.post("/consent", answer(tx, csrf, ""))
	if q := redirected(t, res); q.Get("error") != oauthdyn.CodeAccessDenied {
		t.Errorf("no action: %v", q)
	}
}

func TestA15S23S24S31LoginBelongsToTheBrowserThatConsented(t *testing.T) {
	h := newHarness(t, nil)
	victim, attacker := h.tab(), h.tab()
	tx, csrf, body := attacker.loginPage()
	if !strings.Contains(body, `autocomplete="current-password"`) {
		t.Fatal("no sign-in page")
	}
	for name, try := range map[string]func() (*http.Response, string){
		"page":     func() (*http.Response, string) { return victim.get(h.Issuer + "/login?tx=" + tx) },
		"callback": func() (*http.Response, string) { return victim.get(h.Issuer + "/login/callback?state=" + tx) },
		"form":     func() (*http.Response, string) { return victim.post("/login", credentials(tx, csrf)) },
		"unknown": func() (*http.Response, string) {
			return attacker.get(h.Issuer + "/login?tx=x&next=https://evil.example/")
		},
		"no transaction": func() (*http.Response, string) { return attacker.get(h.Issuer + "/login") },
		"consent not given": func() (*http.Response, string) {
			tx, _, _ := attacker.consentPage()
			return attacker.get(h.Issuer + "/login?tx=" + tx)
		},
		"consent as login": func() (*http.Response, string) {
			tx, csrf, _ := attacker.consentPage()
			return attacker.post("/login", credentials(tx, csrf))
		},
		"login as consent": func() (*http.Response, string) { return attacker.post("/consent", answer(tx, csrf, "approve")) },
		"token of other form": func() (*http.Response, string) {
			_, csrf, _ := attacker.consentPage()
			return attacker.post("/login", credentials(tx, csrf))
		},
	} {
		res, body := try()
		if res.StatusCode != 403 || res.Header.Get("Location") != "" {
			t.Errorf("%s: %s, Location %q", name, res.Status, res.Header.Get("Location"))
		}
		checkPage(t, res, body)
	}
}

func TestS24ConcurrentSignIn(t *testing.T) {
	h := newHarness(t, nil)
	b := h.tab()
	tx, csrf, _ := b.loginPage()
	cookies := b.client.Jar.Cookies(mustURL(t, h.Issuer))
	statuses := make(chan int, 8)
	for range cap(statuses) {
		req := newRequest(t, "POST", h.Issuer+"/login", credentials(tx, csrf).Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			req.AddCookie(c)
		}
		go func() {
			res, err := noRedirects.Do(req)
			if err != nil {
				t.Error(err)
				statuses <- 0
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	won := 0
	for range cap(statuses) {
		if <-statuses == http.StatusSeeOther {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d sign-ins won, want 1", won)
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestS30Sessions(t *testing.T) {
	h := newHarness(t, nil)
	b := h.tab()
	origin := mustURL(t, h.Issuer)
	// Somebody planted a session id: it is not taken over.
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "oauthdyn-session", Value: "planted"}})
	session := func() string {
		for _, c := range b.client.Jar.Cookies(origin) {
			if c.Name == "oauthdyn-session" {
				return c.Value
			}
		}
		return ""
	}
	tx, csrf, _ := b.loginPage()
	res, _ := b.post("/login", credentials(tx, csrf))
	redirected(t, res)
	first := session()
	if first == "planted" || len(first) < 40 {
		t.Errorf("session id %q after the sign-in", first)
	}
	cookie := res.Header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}

	// The person is known now, and can be somebody else.
	tx, csrf, body := b.consentPage()
	if !strings.Contains(body, "Signed in as") {
		t.Error("the page does not say who is signed in")
	}
	res, body = b.post("/consent", answer(tx, csrf, "switch"))
	if res.StatusCode != 200 || strings.Contains(body, "Signed in as") || session() != "" {
		t.Errorf("after the switch: %s, session %q", res.Status, session())
	}
	tx, csrf = hidden(body)
	res, _ = b.post("/consent", answer(tx, csrf, "approve"))
	if !strings.HasPrefix(res.Header.Get("Location"), "/login?tx=") {
		t.Errorf("approve without a session leads to %q", res.Header.Get("Location"))
	}
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "oauthdyn-session", Value: first}})
	if _, _, body := b.consentPage(); strings.Contains(body, "Signed in as") {
		t.Error("the session lives on after its end")
	}
}

func TestS30OneSessionPerBrowser(t *testing.T) {
	h := newHarness(t, nil)
	b := h.tab()
	origin := mustURL(t, h.Issuer)
	tx1, csrf1, _ := b.loginPage()
	tx2, csrf2, _ := b.loginPage()
	b.post("/login", credentials(tx1, csrf1))
	first := b.client.Jar.Cookies(origin)
	b.post("/login", credentials(tx2, csrf2))
	b.client.Jar.SetCookies(origin, first)
	if _, _, body := b.consentPage(); strings.Contains(body, "Signed in as") {
		t.Error("the session before the second sign-in is alive")
	}
}

func TestSessionThatEndsBeforeTheAnswer(t *testing.T) {
	h := newHarness(t, nil)
	b := h.tab()
	tx, csrf, _ := b.loginPage()
	res, _ := b.post("/login", credentials(tx, csrf))
	redirected(t, res)
	tx, csrf, _ = b.consentPage()
	b.client.Jar.SetCookies(mustURL(t, h.Issuer), []*http.Cookie{{Name: "oauthdyn-session", MaxAge: -1}})
	res, _ = b.post("/consent", answer(tx, csrf, "approve"))
	if !strings.HasPrefix(res.Header.Get("Location"), "/login?tx=") {
		t.Errorf("%s, Location %q, want the sign-in", res.Status, res.Header.Get("Location"))
	}
}

func TestA14S30CookiesOverHTTPS(t *testing.T) {
	s := mustServer(t, nil)
	rec := do(s, "POST", "/register", `{"redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none"}`, "Content-Type", jsonType)
	id := strings.Split(strings.TrimPrefix(rec.Body.String(), `{"client_id":"`), `"`)[0]
	rec = get(s, "/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {id}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}.Encode())
	if got := rec.Header().Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-oauthdyn-browser=") ||
		!strings.HasSuffix(got, "; Path=/; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("cookie %q", got)
	}
}

func TestS7LoopbackClientsAlwaysAsk(t *testing.T) { // RFC 8252 section 8.6
	h := newHarness(t, nil)
	const uri = "http://127.0.0.1:1234/cb"
	client := h.register(`{"redirect_uris":["` + uri + `"],"token_endpoint_auth_method":"none"}`)
	b := h.Browser()
	address := h.authorizeURL(client.ClientID, "redirect_uri", uri)
	if _, err := b.Authorize(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	b.Deny = true
	at, err := b.Authorize(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if at.Query().Get("error") != oauthdyn.CodeAccessDenied {
		t.Error("the second authorization was not asked for")
	}
}
