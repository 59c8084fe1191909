// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestC14toC19AuthorizationRequest(t *testing.T) {
	f := newFake(t)
	f.serverMetadata["authorization_endpoint"] = f.URL + "/authorize?tenant=a+b"
	c := f.client(func(c *Config) { c.Scopes = []string{"read", "write"} })
	token, err := c.Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	q, form := f.lastAsked(), f.lastForm()
	for name, want := range map[string]string{
		"response_type": "code", "code_challenge_method": "S256", "resource": f.resource(),
		"scope": "read write", "tenant": "a b",
	} {
		if got := q[name]; len(got) != 1 || got[0] != want {
			t.Errorf("authorize: %s %q, want %q", name, got, want)
		}
	}
	if len(q.Get("state")) < 22 || len(q.Get("code_challenge")) != 43 {
		t.Errorf("state %q, challenge %q", q.Get("state"), q.Get("code_challenge"))
	}
	if n := len(form.Get("code_verifier")); n < 43 || n > 128 {
		t.Errorf("verifier of %d characters", n)
	}
	for name, want := range map[string]string{
		"grant_type": "authorization_code", "resource": f.resource(), "redirect_uri": q.Get("redirect_uri"), "client_id": q.Get("client_id"),
	} {
		if form.Get(name) != want {
			t.Errorf("token: %s %q, want %q", name, form.Get(name), want)
		}
	}
	if !strings.HasPrefix(token.AccessToken, "access-") || !token.Valid() || token.Extra("scope") != "read write" {
		t.Errorf("token valid %v, scope %v", token.Valid(), token.Extra("scope"))
	}
}

func TestAuthorizeParams(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.AuthorizeParams = url.Values{"access_type": {"offline"}, "prompt": {"consent"}} })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q := f.lastAsked(); q.Get("access_type") != "offline" || q.Get("prompt") != "consent" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("authorization request: %v", q)
	}
	for _, name := range []string{"state", "redirect_uri", "scope", "resource", "response_mode", "code_challenge"} {
		_, err := New(Config{Resource: f.resource(), AuthorizeParams: url.Values{name: {"x"}}})
		if err == nil || !strings.Contains(err.Error(), strconv.Quote(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestC15EveryAttemptHasItsOwnSecrets(t *testing.T) {
	f := newFake(t)
	c := f.client()
	for range 3 {
		if _, err := c.Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"state", "code_challenge"} {
		seen := map[string]bool{}
		for _, q := range f.asked {
			seen[q.Get(name)] = true
		}
		// Three logins; two of them asked first whether the client is known.
		if len(seen) != 3 {
			t.Errorf("%d values of %s in 3 logins", len(seen), name)
		}
	}
}

func TestC16toC18Issuer(t *testing.T) {
	const hush = "do not show me"
	tests := []struct {
		name       string
		advertised bool
		iss        func(string) []string
		ok         bool
	}{
		{"advertised, right", true, func(u string) []string { return []string{u} }, true},
		{"advertised, absent", true, func(string) []string { return nil }, false},
		{"advertised, wrong", true, func(string) []string { return []string{"https://evil.example"} }, false},
		{"advertised, empty", true, func(string) []string { return []string{""} }, false},
		{"not advertised, right", false, func(u string) []string { return []string{u} }, true},
		{"not advertised, absent", false, func(string) []string { return nil }, true},
		{"not advertised, wrong", false, func(string) []string { return []string{"https://evil.example"} }, false},
		{"not advertised, empty", false, func(string) []string { return []string{""} }, false},
		{"slash at the end", true, func(u string) []string { return []string{u + "/"} }, false},
		{"upper case", true, func(u string) []string { return []string{strings.ToUpper(u)} }, false},
		{"escaped", true, func(u string) []string { return []string{strings.Replace(u, "127", "%3127", 1)} }, false},
		{"twice", true, func(u string) []string { return []string{u, u} }, false},
	}
	for _, tt := range tests {
		for _, asError := range []bool{false, true} {
			t.Run(tt.name+" error "+strconv.FormatBool(asError), func(t *testing.T) {
				f := newFake(t)
				f.serverMetadata["authorization_response_iss_parameter_supported"] = tt.advertised
				f.answer = func(a url.Values) {
					a["iss"] = tt.iss(f.URL)
					if asError {
						a.Del("code")
						a.Set("error", CodeAccessDenied)
						a.Set("error_description", hush)
						a.Set("error_uri", "https://evil.example/"+url.PathEscape(hush))
					}
				}
				_, err := f.client().Authenticate(t.Context())
				denied := errors.Is(err, &Error{Code: CodeAccessDenied})
				switch {
				case tt.ok && asError && !denied, tt.ok && !asError && err != nil:
					t.Errorf("got %v", err)
				case !tt.ok && (err == nil || denied || strings.Contains(err.Error(), hush)):
					t.Errorf("got %v", err)
				case !tt.ok && f.count("POST /token") != 0:
					t.Error("the code went to the token endpoint")
				}
			})
		}
	}
}

// The resource names a server of an attacker, which sends people to an honest
// one and waits for the code.
func TestS110MixUp(t *testing.T) {
	honest, evil, rs := newFake(t), newFake(t), newFake(t)
	rs.resourceMetadata["authorization_servers"] = []string{evil.URL}
	evil.serverMetadata["authorization_endpoint"] = honest.URL + "/authorize"
	evil.serverMetadata["registration_endpoint"] = honest.URL + "/register"
	evil.serverMetadata["authorization_response_iss_parameter_supported"] = false
	_, err := rs.client().Authenticate(t.Context())
	wantError(t, err, "another authorization server", "RFC 9207")
	if evil.count("POST /token") != 0 || honest.count("GET /authorize") != 1 {
		t.Errorf("evil %q, honest %q", evil.requests, honest.requests)
	}
	// Redirect URIs differ from one server to the next.
	paths := map[string]bool{}
	store := NewMemoryStore()
	for _, f := range []*fake{honest, newFake(t)} {
		if _, err := f.client(func(c *Config) { c.Store = store }).Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(f.lastAsked().Get("redirect_uri"))
		paths[u.Path] = true
	}
	if len(paths) != 2 {
		t.Errorf("redirect paths %v", paths)
	}
}

func TestS113Redirect(t *testing.T) {
	tests := []struct {
		name   string
		answer func(url.Values)
		want   string
	}{
		{"state absent", func(a url.Values) { a.Del("state") }, "wrong state"},
		{"state empty", func(a url.Values) { a.Set("state", "") }, "wrong state"},
		{"state wrong", func(a url.Values) { a.Set("state", a.Get("state")+"x") }, "wrong state"},
		{"state twice", func(a url.Values) { a.Add("state", a.Get("state")) }, "twice"},
		{"code twice", func(a url.Values) { a.Add("code", "other") }, "twice"},
		{"no code", func(a url.Values) { a.Del("code") }, "neither"},
		{"error with a wrong state", func(a url.Values) { a.Set("state", "x"); a.Set("error", "access_denied") }, "wrong state"},
		{"error with control characters", func(a url.Values) {
			a.Set("error", "access_denied")
			a.Set("error_description", "no\x1b[31m\r\nway "+strings.Repeat("x", 1000))
		}, "access_denied: no [31m  way"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = tt.answer
			_, err := f.client().Authenticate(t.Context())
			wantError(t, err, tt.want)
			if strings.ContainsAny(err.Error(), "\x1b\r\n") || len(err.Error()) > 700 {
				t.Errorf("error text %q", err)
			}
			if f.count("POST /token") != 0 {
				t.Error("the code went to the token endpoint")
			}
		})
	}
}

// The listener answers before OpenURL is called, and is gone afterwards.
func TestListenerIsOpenBeforeTheBrowser(t *testing.T) {
	f := newFake(t)
	var host string
	c := f.client(func(c *Config) {
		c.OpenURL = func(ctx context.Context, page string) error {
			u, _ := url.Parse(page)
			r, _ := url.Parse(u.Query().Get("redirect_uri"))
			host = r.Host
			conn, err := net.Dial("tcp", host)
			if err != nil {
				return err
			}
			_ = conn.Close()
			return f.browse(ctx, page)
		}
	})
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", host); err == nil {
		_ = conn.Close()
		t.Error("the listener is still open")
	}
}

func TestCallbackPort(t *testing.T) {
	var free net.Listener
	port, err := 0, error(nil)
	for range 100 { // below the ports that systems give to whoever asks for any, so that nobody gets it meanwhile
		port = 20_000 + rand.IntN(12_000)
		if free, err = net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	fixed := f.client(func(c *Config) { c.CallbackPort, c.CallbackPath = port, "/cb" })
	_, err = fixed.Authenticate(t.Context())
	wantError(t, err, "callback listener", strconv.Itoa(port), "in use")
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := fixed.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "http://127.0.0.1:" + strconv.Itoa(port) + "/cb"
	if got := f.lastForm().Get("redirect_uri"); got != want {
		t.Errorf("redirect URI %q, want %q", got, want)
	}
}

// A registered port that is taken gives way to another one, with which servers
// that follow RFC 8252 section 7.3 are content.
func TestCallbackPortChanges(t *testing.T) {
	f := newFake(t)
	c := f.client()
	redirect := func() *url.URL {
		t.Helper()
		if _, err := c.Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(f.lastForm().Get("redirect_uri"))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := redirect()
	if again := redirect(); again.String() != first.String() {
		t.Errorf("second redirect URI %s, first %s", again, first)
	}
	taken, err := net.Listen("tcp4", first.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	third := redirect()
	if third.Host == first.Host || third.Path != first.Path {
		t.Errorf("third redirect URI %s, first %s", third, first)
	}
	if n := f.count("POST /register"); n != 1 {
		t.Errorf("%d registrations", n)
	}
}

func TestC20S114AuthorizationEndpoint(t *testing.T) {
	for _, endpoint := range []string{
		"javascript:alert(1)//127.0.0.1", "file:///etc/passwd", "data:text/html,x", "vbscript:x",
		"http://as.example/authorize", "https://", "//as.example/authorize", "-https://as.example",
		"https://user@as.example/authorize", "ftp://as.example/", "https://as.example/\n-x",
	} {
		t.Run(endpoint, func(t *testing.T) {
			f := newFake(t)
			f.serverMetadata["authorization_endpoint"] = endpoint
			c := f.client(func(c *Config) {
				c.OpenURL = func(context.Context, string) error { t.Error("browser was started"); return nil }
			})
			if _, err := c.Authenticate(t.Context()); err == nil {
				t.Error("no error")
			}
		})
	}
	t.Run("shell text is escaped", func(t *testing.T) {
		f := newFake(t)
		f.serverMetadata["authorization_endpoint"] = f.URL + "/authorize$(touch x)`id`;|& '\""
		var page string
		c := f.client(func(c *Config) {
			c.OpenURL = func(_ context.Context, p string) error { page = p; return errors.New("seen") }
		})
		_, err := c.Authenticate(t.Context())
		wantError(t, err, "seen")
		if page == "" || strings.ContainsAny(page, " `\"|") {
			t.Errorf("page %q", page)
		}
	})
	t.Run("fragment", func(t *testing.T) {
		f := newFake(t)
		f.serverMetadata["authorization_endpoint"] = f.URL + "/authorize#x"
		_, err := f.client().Authenticate(t.Context())
		wantError(t, err, "fragment")
	})
}

func TestLoginEnds(t *testing.T) {
	waits := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	returns := func(context.Context, string) error { return nil }
	t.Run("nobody signs in", func(t *testing.T) {
		for _, open := range []func(context.Context, string) error{waits, returns} {
			c := newFake(t).client(func(c *Config) { c.OpenURL, c.LoginTimeout = open, 50*time.Millisecond })
			_, err := c.Authenticate(t.Context())
			wantError(t, err, "nobody signed in within 50ms")
		}
	})
	t.Run("the caller gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newFake(t).client(func(c *Config) {
			c.OpenURL = func(ctx context.Context, page string) error { cancel(); return waits(ctx, page) }
		})
		if _, err := c.Authenticate(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the opener fails", func(t *testing.T) {
		c := newFake(t).client(func(c *Config) {
			c.OpenURL = func(context.Context, string) error { return errors.New("no display") }
		})
		_, err := c.Authenticate(t.Context())
		wantError(t, err, "show the sign-in page", "no display")
	})
	t.Run("the opener fails after the redirect", func(t *testing.T) {
		f := newFake(t)
		c := f.client(func(c *Config) {
			c.OpenURL = func(ctx context.Context, page string) error {
				if err := f.browse(ctx, page); err != nil {
					return err
				}
				return errors.New("crashed on exit")
			}
		})
		if _, err := c.Authenticate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestS116TokenResponses(t *testing.T) {
	tests := []struct {
		name string
		set  func(map[string]any)
		want string // error; empty for none
	}{
		{"plain", func(map[string]any) {}, ""},
		{"type in lower case", func(a map[string]any) { a["token_type"] = "bearer" }, ""},
		{"no type", func(a map[string]any) { delete(a, "token_type") }, ""},
		{"no refresh token", func(a map[string]any) { a["refresh_token"] = nil }, ""},
		{"other type", func(a map[string]any) { a["token_type"] = "DPoP" }, `"DPoP"`},
		{"no token", func(a map[string]any) { delete(a, "access_token") }, "no access_token"},
		{"token is a number", func(a map[string]any) { a["access_token"] = 1 }, "no access_token"},
		{"token with a line break", func(a map[string]any) { a["access_token"] = "hush\r\nX: y" }, "cannot be sent"},
		{"error with status 200", func(a map[string]any) { clear(a); a["error"] = "invalid_grant" }, "invalid_grant"},
		{"scope as a list", func(a map[string]any) { a["scope"] = []string{"x", "y"} }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.token = tt.set
			_, err := f.client().Authenticate(t.Context())
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "hush") {
				t.Error("the error holds a secret")
			}
		})
	}
	bodies := map[string]struct {
		status     int
		body, want string
	}{
		"HTML":         {200, "<html>hush", "not a JSON object"},
		"empty":        {200, "", "not a JSON object"},
		"huge":         {200, `{"access_token":"hush","x":"` + strings.Repeat("x", maxBodyBytes) + `"}`, "larger than"},
		"cut off":      {200, `{"access_token":"hush`, "not a JSON object"},
		"500 in HTML":  {500, "<html>hush", "Internal Server Error"},
		"400 in JSON":  {400, `{"error":"invalid_target","error_description":"no"}`, "invalid_target: no"},
		"401 in HTML":  {401, "<html>", "invalid_client"},
		"redirect":     {307, "", "Temporary Redirect"},
		"created":      {201, `{"access_token":"hush"}`, "Created"},
		"503 and wait": {503, `{"error":"temporarily_unavailable"}`, "try again in 7s"},
	}
	for name, tt := range bodies {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.replace("/token", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", f.URL+"/token2")
				if tt.status == 503 {
					w.Header().Set("Retry-After", "7")
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})
			_, err := f.client().Authenticate(t.Context())
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "hush") {
				t.Error("the error holds a secret")
			}
			if f.count("POST /token2") != 0 {
				t.Error("a token request was redirected")
			}
		})
	}
}

func TestS116ExpiresIn(t *testing.T) {
	hour := time.Hour
	tests := []struct {
		raw  string
		want time.Duration
	}{
		{``, 0}, {`null`, 0}, {`3600`, hour}, {`"3600"`, hour}, {`3600.0`, hour}, {`3.6e3`, hour}, {`0.5`, time.Second / 2},
		{`0`, 0}, {`-1`, 0}, {`"-1"`, 0}, {`"soon"`, 0}, {`{}`, 0}, {`[3600]`, 0}, {`true`, 0}, {`"NaN"`, 0}, {`"-Inf"`, 0},
		{`"Inf"`, maxLifetime}, {`1e300`, maxLifetime}, {`1e999`, maxLifetime}, {`99999999999999999999`, maxLifetime}, {`-1e999`, 0},
	}
	for _, tt := range tests {
		if got := parseLifetime([]byte(tt.raw)); got != tt.want {
			t.Errorf("expires_in %s: %v, want %v", tt.raw, got, tt.want)
		}
	}
}

func TestLogout(t *testing.T) {
	f := newFake(t)
	store := NewMemoryStore()
	c := f.client(func(c *Config) { c.Store = store })
	if err := c.Logout(t.Context()); err != nil {
		t.Errorf("without a login: %v", err)
	}
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.all) != 2 {
		t.Errorf("%d records, want a registration and a grant", len(store.all))
	}
	if err := f.client(func(c *Config) { c.Store = store }).Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.all) != 0 {
		t.Errorf("left behind: %v", store)
	}
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("got %v", err)
	}
}

// Signing out of one resource leaves the grant for another one at the same
// server alive, although the two share a registration.
func TestLogoutOfOneOfTwoResources(t *testing.T) {
	for _, method := range []string{AuthMethodNone, AuthMethodClientSecretPost} {
		as, rs := newFake(t), newFake(t)
		as.serverMetadata["token_endpoint_auth_methods_supported"] = []string{method}
		rs.resourceMetadata["authorization_servers"] = []string{as.URL}
		store := NewMemoryStore()
		shared := func(c *Config) { c.Store = store }
		a, b := as.client(shared), rs.client(shared)
		for _, c := range []*Client{a, b} {
			if _, err := c.Authenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		outdate(t, b)
		for range 2 {
			if _, err := b.TokenSource(t.Context()).Token(); err != nil {
				t.Errorf("%s: %v", method, err)
			}
			outdate(t, b)
		}
		if n := as.count("POST /register"); n != 1 {
			t.Errorf("%d registrations", n)
		}
		if method == AuthMethodClientSecretPost && as.lastForm().Get("client_secret") == "" {
			t.Error("the secret is gone")
		}
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		cfg  Config
		want string
	}{
		{Config{}, "needs a Resource"},
		{Config{Resource: "mcp.example"}, "absolute http or https"},
		{Config{Resource: "http://mcp.example/"}, "loopback"},
		{Config{Resource: "https://mcp.example/#x"}, "fragment"},
		{Config{Resource: "https://hush:hush@mcp.example/"}, "user name"},
		{Config{AuthServer: "http://as.example"}, "loopback"},
		{Config{AuthServer: "https://as.example/?a=b"}, "query"},
		{Config{AuthServer: "as"}, "want an https URL"},
		{Config{AuthServer: "https://as.example", CallbackPort: 70000}, "out of range"},
		{Config{AuthServer: "https://as.example", CallbackPort: -1}, "out of range"},
		{Config{AuthServer: "https://as.example", CallbackPath: "cb"}, "slash"},
		{Config{AuthServer: "https://as.example", CallbackPath: "/a?b"}, "plain path"},
		{Config{AuthServer: "https://as.example", ClientSecret: "hush"}, "without a ClientID"},
		{Config{AuthServer: "https://as.example", LoginTimeout: -1}, "negative"},
	}
	for _, tt := range tests {
		_, err := New(tt.cfg)
		wantError(t, err, "oauthdyn: ", tt.want)
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("error %q holds a secret", err)
		}
	}
}

func TestCanonicalOrderOfScopeKeys(t *testing.T) {
	if a, b := scopeKey([]string{"b", "a", "b"}), scopeKey([]string{"a", "b"}); a != b {
		t.Errorf("%q is not %q", a, b)
	}
	if got := unionScopes([]string{"b", "a"}, []string{"a", "c"}); !slices.Equal(got, []string{"b", "a", "c"}) {
		t.Errorf("union %q", got)
	}
}

// TestLoginTimeoutIsThePersons counts the time of a person, not that of the
// servers before.
func TestLoginTimeoutIsThePersons(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.LoginTimeout = time.Nanosecond })
	_, err := c.Authenticate(t.Context())
	wantError(t, err, "nobody signed in within 1ns")
	if f.count("GET "+WellKnownServer) == 0 {
		t.Error("there was no discovery")
	}
}
