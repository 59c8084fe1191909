// SPDX-License-Identifier: Apache-2.0

package oidc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/logintest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/oidc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

var (
	anybody  = allow.List{Users: []string{"*"}}
	staff    = allow.List{Groups: []string{"staff"}}
	tokenKey = bytes.Repeat([]byte{7}, 32)
)

// changeable is a login that a test exchanges between requests.
type changeable struct{ authserver.Rechecker }

// start runs an authorization server with a login at the fake, and returns what
// does the same as a restart with other options.
func start(t *testing.T, f *fake, o oidc.Options) (s *logintest.Server, restart func(oidc.Options)) {
	t.Helper()
	login := &changeable{}
	s = logintest.New(t, func(issuer string, log *slog.Logger) authserver.Login {
		f.callback = issuer + "/login/callback"
		restart = func(o oidc.Options) {
			o.Issuer, o.ClientID, o.ClientSecret, o.Name, o.Logger, o.CheckEvery = f.URL, clientID, clientSecret, "Example Corp", log, -1
			l, err := oidc.New(o)
			if err != nil {
				t.Fatal(err)
			}
			login.Rechecker = l
		}
		restart(o)
		return login
	})
	return s, restart
}

func TestSignIn(t *testing.T) {
	for _, methods := range [][]string{nil, {"client_secret_post"}, {"client_secret_post", "client_secret_basic"}} {
		f := newFake(t)
		if methods != nil {
			f.metadata["token_endpoint_auth_methods_supported"] = methods
		}
		s, _ := start(t, f, oidc.Options{Allow: staff, Scopes: []string{"groups"}, AuthParams: map[string]string{"hd": "example.com"}})
		reply, err := s.SignIn(&oauthdyntest.Browser{})
		if err != nil {
			t.Fatal(err)
		}
		subject, name := reply.Subject()
		if !strings.HasPrefix(subject, "oidc:") || !strings.HasSuffix(subject, ":u-1") || name != "alice" {
			t.Errorf("subject %q, name %q", subject, name)
		}
		q := f.requests[0]
		if q.Get("scope") != "openid profile email groups" || q.Get("hd") != "example.com" || q.Has("prompt") {
			t.Errorf("authorization request %v", q)
		}
		if len(f.forms) != 1 {
			t.Errorf("%d token requests: the code was tried twice", len(f.forms))
		}
		for _, secret := range []string{clientSecret, url.QueryEscape(clientSecret), f.forms[0].Get("code"), "access_token"} {
			if strings.Contains(s.Log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	}
}

func TestAllowed(t *testing.T) {
	claims := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	domain, address := allow.List{Domains: []string{"example.com"}}, allow.List{Users: []string{"alice@example.com"}}
	tests := []struct {
		name   string
		claims map[string]any // nil values remove
		list   allow.List
		want   bool
		called string // on the page, or in the token
	}{
		{"empty list", nil, allow.List{}, false, "You are alice (alice@example.com, id u-1) at Example Corp."},
		{"anybody", nil, anybody, true, "alice"},
		{"subject", nil, allow.List{Users: []string{"id:u-1"}}, true, "alice"},
		{"verified address", nil, address, true, "alice"},
		{"verified domain", nil, domain, true, "alice"},
		{"verified by a string", claims("email_verified", "true"), domain, true, "alice"},
		{"S25 unverified address", claims("email_verified", false), address, false, "alice (id u-1)"},
		{"S25 unverified domain", claims("email_verified", false), domain, false, "alice (id u-1)"},
		{"S25 unverified by a string", claims("email_verified", "false"), domain, false, "alice (id u-1)"},
		{"S25 nothing said of verification", claims("email_verified", nil), domain, false, "alice (id u-1)"},
		{"S25 name that is the address of another", claims("preferred_username", "alice@example.com", "email", "mallory@evil.example"), address, false, "alice@example.com (mallory@evil.example, id u-1)"},
		{"S25 subject that is the address of another", claims("sub", "alice@example.com", "email", nil), address, false, "alice (id alice@example.com)"},
		{"no name, verified address", claims("preferred_username", nil), anybody, true, "alice@example.com"},
		{"no name, unverified address", claims("preferred_username", nil, "email_verified", false), anybody, true, "u-1"},
		{"name with surprises", claims("preferred_username", "al\u202eice\n"), anybody, true, "alice"},
		{"group", nil, staff, true, "alice"},
		{"group as a string", claims("groups", "staff"), staff, true, "alice"},
		{"other groups", claims("groups", []any{"Staff", 1, nil, []string{"staff"}}), staff, false, "alice"},
		{"no groups", claims("groups", nil), staff, false, "alice"},
		{"groups are none", claims("groups", claims("staff", true)), staff, false, "alice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			for name, value := range test.claims {
				if f.claims[name] = value; value == nil {
					delete(f.claims, name)
				}
			}
			s, _ := start(t, f, oidc.Options{Allow: test.list})
			reply, err := s.SignIn(&oauthdyntest.Browser{})
			if (err == nil) != test.want {
				t.Fatalf("signed in: %v", err)
			}
			if _, name := reply.Subject(); test.want && name != test.called {
				t.Errorf("name %q, want %q", name, test.called)
			}
			if !test.want && (!strings.Contains(err.Error(), test.called) || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "may not use this server")) {
				t.Errorf("the page says %v, want %q", err, test.called)
			}
		})
	}
}

// What UserInfo says is about the person of the ID token, and an address is not
// verified by a word about another one.
func TestS25UserInfo(t *testing.T) {
	f := newFake(t)
	s, _ := start(t, f, oidc.Options{Allow: allow.List{Domains: []string{"example.com"}}})
	signIn := func() error { _, err := s.SignIn(&oauthdyntest.Browser{}); return err }
	f.set(func() {
		f.info = f.claims
		f.claims = map[string]any{"iss": f.URL, "sub": "u-1", "aud": clientID, "exp": f.info["exp"], "iat": f.info["iat"]}
	})
	if err := signIn(); err != nil {
		t.Errorf("claims in UserInfo only: %v", err)
	}
	f.set(func() { f.info["sub"] = "u-2" })
	if err := signIn(); err == nil || !strings.Contains(s.Log.String(), "userinfo is about somebody else") {
		t.Errorf("another sub: %v", err)
	}
	f.set(func() {
		f.claims["email"], f.claims["email_verified"] = "bob@other.example", true
		f.info = map[string]any{"sub": "u-1", "email": "alice@example.com"}
	})
	if err := signIn(); err == nil {
		t.Error("an address was verified by a word about another one")
	}
	f.set(func() {
		f.claims["email"], f.claims["email_verified"] = "alice@example.com", false
		f.info = map[string]any{"sub": "u-1", "email_verified": true}
	})
	if err := signIn(); err == nil {
		t.Error("an address was verified by a word about none")
	}
}

// An ID token that is not for us, or not from the provider, signs nobody in.
func TestS25IDToken(t *testing.T) {
	claim := func(name string, value any) func(*fake) {
		return func(f *fake) { f.claims[name] = value }
	}
	for name, change := range map[string]func(*fake){
		"issuer":                   claim("iss", "https://evil.example"),
		"audience":                 claim("aud", "other"),
		"several, no azp":          claim("aud", []string{clientID, "other"}),
		"azp":                      claim("azp", "other"),
		"nonce":                    claim("nonce", "of another sign-in"),
		"empty nonce":              claim("nonce", ""),
		"expired":                  claim("exp", time.Now().Add(-time.Minute).Unix()),
		"not yet":                  claim("nbf", time.Now().Add(time.Hour).Unix()),
		"from the future":          claim("iat", time.Now().Add(time.Hour).Unix()),
		"at_hash":                  claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"no sub":                   claim("sub", ""),
		"long sub":                 claim("sub", strings.Repeat("x", 256)),
		"sub with a line break":    claim("sub", "a\nb"),
		"sub is a number":          claim("sub", 7),
		"alg none":                 func(f *fake) { f.header["alg"] = "none"; f.sign = func(string) []byte { return nil } },
		"HMAC with the public key": func(f *fake) { f.header["alg"] = "HS256"; f.sign = f.hmacWithPublicKey },
		"broken signature":         func(f *fake) { f.sign = func(string) []byte { return make([]byte, 256) } },
		"unknown key":              func(f *fake) { f.header["kid"] = "2" },
		"key in the header": func(f *fake) {
			f.header["kid"] = "2"
			f.header["jku"] = f.URL + "/jwks"
		},
		"no ID token": func(f *fake) { f.noIDToken = true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			change(f)
			s, _ := start(t, f, oidc.Options{Allow: anybody})
			_, err := s.SignIn(&oauthdyntest.Browser{})
			if err == nil || !strings.Contains(err.Error(), "Example Corp does not answer as it should") {
				t.Errorf("the page says %v", err)
			}
		})
	}
	f := newFake(t)
	f.claims["aud"], f.claims["azp"] = []string{clientID, "other"}, clientID
	s, _ := start(t, f, oidc.Options{Allow: anybody})
	if _, err := s.SignIn(&oauthdyntest.Browser{}); err != nil {
		t.Errorf("several audiences and azp: %v", err)
	}
}

// The keys of the provider may change at any time.
func TestKeysRotate(t *testing.T) {
	f := newFake(t)
	s, _ := start(t, f, oidc.Options{Allow: anybody})
	for i := range 3 {
		f.set(func() { f.keyID = fmt.Sprint(i); f.header["kid"] = f.keyID })
		if _, err := s.SignIn(&oauthdyntest.Browser{}); err != nil {
			t.Error(err)
		}
	}
}

// RFC 9207 section 2.4.
func TestS25MixUp(t *testing.T) {
	for _, test := range []struct {
		announced bool
		iss       []string
		want      bool
	}{
		{true, []string{"HONEST"}, true},
		{true, nil, false},
		{true, []string{"https://evil.example"}, false},
		{true, []string{"HONEST/"}, false},
		{true, []string{"HONEST", "HONEST"}, false},
		{false, nil, true},
		{false, []string{"HONEST"}, true},
		{false, []string{"https://evil.example"}, false},
	} {
		f := newFake(t)
		f.metadata["authorization_response_iss_parameter_supported"] = test.announced
		f.reply.Del("iss")
		for _, iss := range test.iss {
			f.reply.Add("iss", strings.Replace(iss, "HONEST", f.URL, 1))
		}
		s, _ := start(t, f, oidc.Options{Allow: anybody})
		_, err := s.SignIn(&oauthdyntest.Browser{})
		if (err == nil) != test.want {
			t.Errorf("announced %v, iss %q: %v", test.announced, test.iss, err)
		}
		if !test.want && len(f.forms) > 0 {
			t.Errorf("announced %v, iss %q: the code was sent on", test.announced, test.iss)
		}
		// An error that somebody else sent is not shown either.
		f.set(func() { f.reply.Set("error", "invalid_scope") })
		_, err = s.SignIn(&oauthdyntest.Browser{})
		if err == nil || strings.Contains(err.Error(), "invalid_scope") != test.want {
			t.Errorf("announced %v, iss %q, error: %v", test.announced, test.iss, err)
		}
	}
}

func TestProviderRefuses(t *testing.T) {
	for code, want := range map[string]string{
		"access_denied":             "403 Forbidden: Sign in: You did not sign in at Example Corp",
		"temporarily_unavailable":   "Example Corp cannot sign anybody in at the moment",
		"unauthorized_client":       "the answer was: unauthorized_client",
		"<script>alert(1)</script>": "an error that is none",
	} {
		f := newFake(t)
		f.reply.Set("error", code)
		f.reply.Set("error_description", "reflected")
		s, _ := start(t, f, oidc.Options{Allow: anybody})
		_, err := s.SignIn(&oauthdyntest.Browser{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "reflected") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// A server starts while the provider is down, and the next sign-in finds it when
// it is there.
func TestProviderIsDown(t *testing.T) {
	f := newFake(t)
	down := func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, strings.Repeat("down ", 10_000), http.StatusServiceUnavailable)
	}
	f.handlers["/.well-known/openid-configuration"] = down
	s, restart := start(t, f, oidc.Options{Allow: anybody})
	if _, err := s.SignIn(&oauthdyntest.Browser{}); err == nil || !strings.Contains(err.Error(), "502 Bad Gateway: Sign in: Example Corp does not answer") {
		t.Errorf("the page says %v", err)
	}
	if log := s.Log.String(); !strings.Contains(log, "503") || strings.Count(log, "down") > 100 {
		t.Errorf("the log says %s", log)
	}
	f.set(func() { delete(f.handlers, "/.well-known/openid-configuration") })
	restart(oidc.Options{Allow: anybody}) // does not wait until it asks again
	if _, err := s.SignIn(&oauthdyntest.Browser{}); err != nil {
		t.Error(err)
	}
	// Keys and UserInfo can be down, too.
	for _, path := range []string{"/token", "/userinfo"} {
		f.set(func() { f.handlers[path] = down })
		if _, err := s.SignIn(&oauthdyntest.Browser{}); err == nil || !strings.Contains(err.Error(), "does not answer as it should") {
			t.Errorf("%s: %v", path, err)
		}
		f.set(func() { delete(f.handlers, path) })
	}
}

func TestMetadataThatIsNoGood(t *testing.T) {
	for name, change := range map[string]func(*fake){
		"issuer":        func(f *fake) { f.metadata["issuer"] = f.URL + "/" },
		"no jwks":       func(f *fake) { delete(f.metadata, "jwks_uri") },
		"token by http": func(f *fake) { f.metadata["token_endpoint"] = "http://login.example/token" },
		"javascript":    func(f *fake) { f.metadata["authorization_endpoint"] = "javascript:alert(1)" },
		"userinfo":      func(f *fake) { f.metadata["userinfo_endpoint"] = "ftp://login.example" },
		"elsewhere": func(f *fake) {
			f.handlers["/.well-known/openid-configuration"] = http.RedirectHandler("https://evil.example/", http.StatusFound).ServeHTTP
		},
		"endless": func(f *fake) {
			f.handlers["/.well-known/openid-configuration"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(map[string]string{"issuer": f.URL, "x": strings.Repeat("x", 2<<20)})
			}
		},
		"token redirects": func(f *fake) {
			f.handlers["/token"] = http.RedirectHandler("/token2", http.StatusTemporaryRedirect).ServeHTTP
			f.handlers["/token2"] = func(http.ResponseWriter, *http.Request) { f.t.Error("the secret was sent on") }
		},
	} {
		f := newFake(t)
		change(f)
		s, _ := start(t, f, oidc.Options{Allow: anybody})
		if _, err := s.SignIn(&oauthdyntest.Browser{}); err == nil || !strings.Contains(err.Error(), "Example Corp does not answer as it should") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestS26RemovalEndsAtTheNextRefresh(t *testing.T) {
	for name, test := range map[string]struct {
		o      oidc.Options
		remove func(*fake, func(oidc.Options))
	}{
		"from the list": {oidc.Options{Allow: staff}, func(_ *fake, restart func(oidc.Options)) {
			restart(oidc.Options{Allow: allow.List{Groups: []string{"x"}}})
		}},
		"no token, after MaxAge": {oidc.Options{Allow: anybody}, func(_ *fake, restart func(oidc.Options)) { restart(oidc.Options{Allow: anybody, MaxAge: 1}) }},
		"from the group":         {oidc.Options{Allow: staff, TokenKey: tokenKey}, func(f *fake, _ func(oidc.Options)) { f.claims["groups"] = []string{} }},
		"account is disabled":    {oidc.Options{Allow: anybody, TokenKey: tokenKey}, func(f *fake, _ func(oidc.Options)) { f.refresh = "other" }},
		"account is another one": {oidc.Options{Allow: anybody, TokenKey: tokenKey}, func(f *fake, _ func(oidc.Options)) { f.claims["sub"] = "u-2" }},
		"address is unverified":  {oidc.Options{Allow: allow.List{Domains: []string{"example.com"}}, TokenKey: tokenKey}, func(f *fake, _ func(oidc.Options)) { f.claims["email_verified"] = false }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.refresh = "first"
			s, restart := start(t, f, test.o)
			reply, err := s.SignIn(&oauthdyntest.Browser{})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 { // the provider's token is rotated each time
				if reply = s.Refresh(reply.RefreshToken); reply.Status != http.StatusOK {
					t.Fatalf("refresh before: %d %s; %s", reply.Status, reply.Error, s.Log)
				}
			}
			if scope := f.requests[0].Get("scope"); strings.Contains(scope, "offline_access") != (test.o.TokenKey != nil) {
				t.Errorf("scope %q", scope)
			}
			f.set(func() { test.remove(f, restart) })
			if refused := s.Refresh(reply.RefreshToken); refused.Status != http.StatusBadRequest || refused.Error != "invalid_grant" {
				t.Fatalf("refresh after: %d %q", refused.Status, refused.Error)
			}
			subject, _ := reply.Subject()
			if _, err := s.Store.Transaction(t.Context(), "account", store.HashOf(subject)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("what was kept of the person: %v", err)
			}
			for _, form := range f.forms {
				if token := form.Get("refresh_token"); token != "" && strings.Contains(s.Log.String(), token) {
					t.Error("a token is in the log")
				}
			}
		})
	}
}

// A provider that gives an ID token at sign-in only, as it may.
func TestRefreshWithoutIDToken(t *testing.T) {
	f := newFake(t)
	f.refresh = "first"
	s, _ := start(t, f, oidc.Options{Allow: staff, TokenKey: tokenKey})
	reply, err := s.SignIn(&oauthdyntest.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.noIDToken = true })
	if reply = s.Refresh(reply.RefreshToken); reply.Status != http.StatusOK {
		t.Errorf("refresh: %d %s", reply.Status, reply.Error)
	}
	f.set(func() { f.claims["groups"] = nil })
	if reply = s.Refresh(reply.RefreshToken); reply.Error != "invalid_grant" {
		t.Errorf("refresh after the removal: %d %s", reply.Status, reply.Error)
	}
}

func TestTryAgain(t *testing.T) {
	for _, test := range []struct {
		prompts   []string
		params    map[string]string
		wantAgain string
	}{
		{nil, nil, "login"},
		{[]string{"select_account"}, nil, "select_account"},
		{nil, map[string]string{"prompt": "consent"}, "consent login"},
	} {
		f := newFake(t)
		f.metadata["prompt_values_supported"] = test.prompts
		s, _ := start(t, f, oidc.Options{AuthParams: test.params})
		p := s.Person()
		res, _ := p.Get(p.Leave(p.Consent()).String())
		_, page := p.Get(res.Header.Get("Location"))
		res, _ = p.Answer(page, "/login", "submit")
		_, to, _ := strings.Cut(res.Header.Get("Refresh"), "url=")
		again, err := url.Parse(to)
		if err != nil || again.Query().Get("prompt") != test.wantAgain || again.Query().Get("nonce") == f.requests[0].Get("nonce") {
			t.Errorf("tried again at %q", to)
		}
	}
}

// Two issuers that know the same sub know two people.
func TestSubjectsOfIssuers(t *testing.T) {
	subjects := []string{}
	for range 2 {
		f := newFake(t)
		s, _ := start(t, f, oidc.Options{Allow: anybody})
		reply, err := s.SignIn(&oauthdyntest.Browser{})
		if err != nil {
			t.Fatal(err)
		}
		subject, _ := reply.Subject()
		subjects = append(subjects, subject)
	}
	if subjects[0] == subjects[1] || len(subjects[0]) != len("oidc:0123456789abcdef:u-1") {
		t.Errorf("subjects %q", subjects)
	}
}

func TestNewRefuses(t *testing.T) {
	good := oidc.Options{Issuer: "https://login.example/realms/staff/", ClientID: "id"}
	for want, change := range map[string]func(*oidc.Options){
		"not an absolute URL":            func(o *oidc.Options) { o.Issuer = "" },
		"must use https":                 func(o *oidc.Options) { o.Issuer = "http://login.example" },
		"register this server":           func(o *oidc.Options) { o.ClientID = "" },
		"or id: and the sub claim":       func(o *oidc.Options) { o.Allow.Users = []string{"alice"} },
		"is not for you to set":          func(o *oidc.Options) { o.AuthParams = map[string]string{"state": "x"} },
		"32 random ones are needed":      func(o *oidc.Options) { o.TokenKey = []byte{1} },
		"is not the domain of an e-mail": func(o *oidc.Options) { o.Allow.Domains = []string{"a@b"} },
	} {
		o := good
		change(&o)
		if _, err := oidc.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := oidc.New(good); err != nil {
		t.Error(err)
	}
}
