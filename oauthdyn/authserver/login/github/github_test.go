// SPDX-License-Identifier: Apache-2.0

package github_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/github"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/logintest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

var tokenKey = bytes.Repeat([]byte{7}, 32)

// start runs an authorization server with a GitHub login. The allow-list is the
// caller's, and can be changed as by a restart.
func start(t *testing.T, f *fake, o github.Options) (s *logintest.Server, restart func(github.Options)) {
	t.Helper()
	login := &changeable{}
	s = logintest.New(t, func(issuer string, log *slog.Logger) authserver.Login {
		f.callback = issuer + "/login/callback"
		restart = func(o github.Options) {
			o.ClientID, o.ClientSecret, o.URL, o.Logger = clientID, clientSecret, f.URL, log
			if o.CheckEvery == 0 {
				o.CheckEvery = -1
			}
			l, err := github.New(o)
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

// changeable is a login that a test exchanges between requests.
type changeable struct{ authserver.Rechecker }

func TestSignIn(t *testing.T) {
	f := newFake(t)
	s, _ := start(t, f, github.Options{Allow: allow.List{Users: []string{"octoCAT"}}})
	reply, err := s.SignIn(&oauthdyntest.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	if subject, name := reply.Subject(); subject != "github:583231" || name != "Octocat" {
		t.Errorf("subject %q, name %q", subject, name)
	}
	if f.calls["/api/v3/user/orgs"]+f.calls["/api/v3/user/emails"] > 0 {
		t.Error("asked for more than the allow-list needs")
	}
	if again := s.Refresh(reply.RefreshToken); again.Status != http.StatusOK {
		t.Errorf("refresh: %d %s", again.Status, again.Error)
	}
	if f.calls["/api/v3/user"] != 1 {
		t.Error("asked again about somebody who is let in by name")
	}
	for token := range f.tokens {
		if strings.Contains(s.Log.String(), token) {
			t.Error("a token is in the log")
		}
	}
	if strings.Contains(s.Log.String(), clientSecret) {
		t.Error("the client secret is in the log")
	}
}

func TestAllowed(t *testing.T) {
	member := account{ID: 1, Login: "mona",
		Orgs:   []org{{9919, "GitHub"}},
		Emails: []email{{"mona@example.com", true, true}, {"mona@other.example", false, false}}}
	crowd := member
	crowd.Orgs, crowd.Emails = nil, nil
	for i := range 250 {
		crowd.Orgs = append(crowd.Orgs, org{int64(i + 1), fmt.Sprint("org-", i)})
		crowd.Emails = append(crowd.Emails, email{fmt.Sprint("m", i, "@example.org"), false, true})
	}
	crowd.Orgs = append(crowd.Orgs, org{9919, "github"})
	tests := []struct {
		name string
		user account
		list allow.List
		want bool
	}{
		{"empty list", member, allow.List{}, false},
		{"anybody", member, allow.List{Users: []string{"*"}}, true},
		{"login", member, allow.List{Users: []string{"hubot", "Mona"}}, true},
		{"number", member, allow.List{Users: []string{"id:1"}}, true},
		{"S25 number is not a login", account{ID: 77, Login: "1"}, allow.List{Users: []string{"id:1"}}, false},
		{"S25 login is not a number", account{ID: 1, Login: "mona"}, allow.List{Users: []string{"1"}}, false},
		{"another login", member, allow.List{Users: []string{"mon"}}, false},
		{"organisation", member, allow.List{Groups: []string{"github"}}, true},
		{"organisation by number", member, allow.List{Groups: []string{"id:9919"}}, true},
		{"another organisation", member, allow.List{Groups: []string{"git"}}, false},
		{"organisation on the third page", crowd, allow.List{Groups: []string{"GITHUB"}}, true},
		{"verified domain", member, allow.List{Domains: []string{"Example.com"}}, true},
		{"S25 unverified domain", member, allow.List{Domains: []string{"other.example"}}, false},
		{"S25 unverified address", member, allow.List{Users: []string{"mona@other.example"}}, false},
		{"verified address", member, allow.List{Users: []string{"mona@example.com"}}, true},
		{"address on the third page", crowd, allow.List{Users: []string{"m249@example.org"}}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.user = test.user
			s, _ := start(t, f, github.Options{Allow: test.list})
			reply, err := s.SignIn(&oauthdyntest.Browser{})
			if (err == nil) != test.want {
				t.Fatalf("signed in: %v", err)
			}
			if test.want {
				return
			}
			for _, text := range []string{"403", test.user.Login, fmt.Sprint("number ", test.user.ID), "may not use this server"} {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the page does not say %q: %v", text, err)
				}
			}
			for _, entry := range slices.Concat(test.list.Users, test.list.Groups, test.list.Domains) {
				if len(entry) > 2 && !strings.Contains(test.user.Login, entry) && strings.Contains(err.Error(), entry) {
					t.Errorf("the page tells of the allow-list: %v", err)
				}
			}
			if !strings.Contains(s.Log.String(), fmt.Sprint("github:", test.user.ID)) {
				t.Error("the log does not say who was refused")
			}
			if reply.AccessToken != "" {
				t.Error("there is a token")
			}
		})
	}
}

func TestS26RemovalEndsAtTheNextRefresh(t *testing.T) {
	member := account{ID: 1, Login: "mona", Orgs: []org{{9919, "github"}}, Emails: []email{{"mona@example.com", true, true}}}
	org := allow.List{Groups: []string{"github"}}
	domain := allow.List{Domains: []string{"example.com"}}
	user := allow.List{Users: []string{"mona"}}
	tests := []struct {
		name   string
		o      github.Options
		remove func(*fake, func(github.Options))
	}{
		{"user from the list", github.Options{Allow: user}, func(_ *fake, restart func(github.Options)) { restart(github.Options{}) }},
		{"organisation from the list", github.Options{Allow: org}, func(_ *fake, restart func(github.Options)) {
			restart(github.Options{Allow: allow.List{Users: []string{"hubot"}}})
		}},
		{"person from the organisation", github.Options{Allow: org, TokenKey: tokenKey}, func(f *fake, _ func(github.Options)) { f.user.Orgs = nil }},
		{"address from the account", github.Options{Allow: domain, TokenKey: tokenKey}, func(f *fake, _ func(github.Options)) { f.user.Emails[0].Verified = false }},
		{"the app from the account", github.Options{Allow: org, TokenKey: tokenKey}, func(f *fake, _ func(github.Options)) { clear(f.tokens) }},
		{"account is another one", github.Options{Allow: org, TokenKey: tokenKey}, func(f *fake, _ func(github.Options)) {
			for token, g := range f.tokens {
				g.id = 2
				f.tokens[token] = g
			}
			f.user.ID = 2
		}},
		{"no token, after MaxAge", github.Options{Allow: org, MaxAge: 1}, func(*fake, func(github.Options)) {}},
		{"the key, after MaxAge", github.Options{Allow: org, TokenKey: tokenKey}, func(_ *fake, restart func(github.Options)) {
			restart(github.Options{Allow: org, TokenKey: bytes.Repeat([]byte{8}, 32), MaxAge: 1})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.user = member
			f.user.Emails = slices.Clone(member.Emails)
			s, restart := start(t, f, test.o)
			b := &oauthdyntest.Browser{}
			reply, err := s.SignIn(b)
			if err != nil {
				t.Fatal(err)
			}
			if test.o.MaxAge == 0 {
				if reply = s.Refresh(reply.RefreshToken); reply.Status != http.StatusOK {
					t.Fatalf("refresh before: %d %s", reply.Status, reply.Error)
				}
			}
			f.set(func() { test.remove(f, restart) })
			refused := s.Refresh(reply.RefreshToken)
			if refused.Status != http.StatusBadRequest || refused.Error != "invalid_grant" {
				t.Fatalf("refresh after: %d %q", refused.Status, refused.Error)
			}
			f.set(func() { f.user = member })
			restart(github.Options{Allow: allow.List{Users: []string{"*"}}})
			if late := s.Refresh(reply.RefreshToken); late.Error != "invalid_grant" {
				t.Errorf("the grant still lives: %d %s", late.Status, late.Error)
			}
		})
	}
}

func TestS26RemovedPersonHasNoSession(t *testing.T) {
	f := newFake(t)
	s, restart := start(t, f, github.Options{Allow: allow.List{Users: []string{"octocat"}}})
	b := &oauthdyntest.Browser{}
	if _, err := s.SignIn(b); err != nil {
		t.Fatal(err)
	}
	before := f.calls["/api/v3/user"]
	if _, err := s.SignIn(b); err != nil || f.calls["/api/v3/user"] != before {
		t.Fatalf("the session is not used: %v", err)
	}
	restart(github.Options{})
	if _, err := s.SignIn(b); err == nil || !strings.Contains(err.Error(), "may not use this server") {
		t.Errorf("signed in by an old session: %v", err)
	}
}

// While GitHub does not answer, its last word counts, but not for ever.
func TestGitHubIsDownAtRefresh(t *testing.T) {
	for _, fail := range []failure{
		{status: http.StatusInternalServerError},
		{status: http.StatusOK, body: "<html>"},
		{status: http.StatusForbidden, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}},
	} {
		f := newFake(t)
		f.user.Orgs = []org{{9919, "github"}}
		o := github.Options{Allow: allow.List{Groups: []string{"github"}}, TokenKey: tokenKey}
		s, restart := start(t, f, o)
		reply, err := s.SignIn(&oauthdyntest.Browser{})
		if err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.fail = fail })
		if reply = s.Refresh(reply.RefreshToken); reply.Status != http.StatusOK {
			t.Fatalf("refresh: %d %s", reply.Status, reply.Error)
		}
		o.MaxAge = 1
		restart(o)
		if late := s.Refresh(reply.RefreshToken); late.Status != http.StatusServiceUnavailable || late.Error != "temporarily_unavailable" {
			t.Errorf("refresh after MaxAge: %d %s", late.Status, late.Error)
		}
		f.set(func() { f.fail = failure{} })
		restart(o) // does not wait until it asks GitHub again
		if reply = s.Refresh(reply.RefreshToken); reply.Status != http.StatusOK {
			t.Errorf("the token is lost: %d %s", reply.Status, reply.Error)
		}
	}
}

func TestTokensAreEncrypted(t *testing.T) {
	f := newFake(t)
	f.user.Orgs = []org{{9919, "github"}}
	for _, key := range [][]byte{tokenKey, nil} {
		f.tokens = map[string]grant{}
		s, _ := start(t, f, github.Options{Allow: allow.List{Groups: []string{"github"}}, TokenKey: key})
		if _, err := s.SignIn(&oauthdyntest.Browser{}); err != nil {
			t.Fatal(err)
		}
		data, err := s.Store.Transaction(t.Context(), "account", store.HashOf("github:583231"))
		if err != nil {
			t.Fatal(err)
		}
		var record struct{ Data string }
		var kept struct{ Token []byte }
		if json.Unmarshal(data, &record) != nil || json.Unmarshal([]byte(record.Data), &kept) != nil {
			t.Fatalf("record %s", data)
		}
		for token := range f.tokens {
			if bytes.Contains(kept.Token, []byte(token)) || bytes.Contains(data, []byte(token)) {
				t.Error("a token is in the store as it is")
			}
		}
		if (len(kept.Token) > 0) != (key != nil) {
			t.Errorf("with key %v: token of %d bytes", key != nil, len(kept.Token))
		}
	}
}

func TestCheckEvery(t *testing.T) {
	f := newFake(t)
	f.user.Orgs = []org{{9919, "github"}}
	s, _ := start(t, f, github.Options{Allow: allow.List{Groups: []string{"github"}}, TokenKey: tokenKey, CheckEvery: time.Hour})
	reply, err := s.SignIn(&oauthdyntest.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		reply = s.Refresh(reply.RefreshToken)
	}
	if reply.Status != http.StatusOK || f.calls["/api/v3/user"] != 1 {
		t.Errorf("refresh %d, GitHub was asked %d times", reply.Status, f.calls["/api/v3/user"])
	}
}

func TestProblems(t *testing.T) {
	rateLimit := map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(9*time.Minute + 30*time.Second).Unix())}
	tests := []struct {
		name   string
		change func(*fake)
		want   string // on the page
		log    string
	}{
		{"person clicks Cancel", func(f *fake) { f.deny = true }, "403 Forbidden: Sign in: You did not sign in at GitHub", ""},
		{"person withholds a scope", func(f *fake) { f.withheld = "read:org" }, "403 Forbidden: Sign in: You did not let this server see what it has to know at GitHub: read:org", ""},
		{"app may not see the account", func(f *fake) { f.fail = failure{path: "/user", status: 403} }, "403 Forbidden: Sign in: GitHub does not let this server see your account", "GET /api/v3/user: 403"},
		{"rate limit", func(f *fake) { f.fail = failure{path: "/user", status: 403, header: rateLimit} }, "503 Service Unavailable: Sign in: GitHub has answered too many questions. Try again in 10 minutes.", "rate limit"},
		{"secondary rate limit", func(f *fake) {
			f.fail = failure{path: "/user/orgs", status: 429, header: map[string]string{"Retry-After": "61"}}
		}, "Try again in 2 minutes.", "rate limit"},
		{"rate limit without end", func(f *fake) {
			f.fail = failure{path: "/user", status: 429, header: map[string]string{"Retry-After": "99999999999999999999"}}
		}, "Try again in 2 minutes.", "rate limit"},
		{"server error", func(f *fake) { f.fail = failure{path: "/user", status: 502} }, "502 Bad Gateway: Sign in: GitHub does not answer as it should", "GET /api/v3/user: 502"},
		{"token is revoked at once", func(f *fake) { f.fail = failure{path: "/user", status: 401} }, "GitHub does not let this server see your account any more", "401"},
		{"no JSON", func(f *fake) { f.fail = failure{path: "/user", status: 200, body: "<html>"} }, "GitHub does not answer as it should", "invalid character"},
		{"no account", func(f *fake) { f.fail = failure{path: "/user", status: 200, body: `{}`} }, "GitHub does not answer as it should", "no id or login"},
		{"endless reply", func(f *fake) {
			f.fail = failure{path: "/user", status: 200, body: `{"id":1,"login":"` + strings.Repeat("x", 2<<20) + `"}`}
		}, "GitHub does not answer as it should", "longer than 1 MiB"},
		{"redirected elsewhere", func(f *fake) {
			f.fail = failure{path: "/user", status: 302, header: map[string]string{"Location": "https://evil.example/"}, body: "x"}
		}, "GitHub does not answer as it should", "another host"},
		{"next page elsewhere", func(f *fake) {
			f.fail = failure{path: "/user/orgs", status: 200, header: map[string]string{"Link": `<https://evil.example/>; rel="next"`}, body: "[]"}
		}, "GitHub does not answer as it should", "not its API's"},
		{"pages without end", func(f *fake) {
			f.fail = failure{path: "/user/orgs", status: 200, header: map[string]string{"Link": "<" + f.URL + `/api/v3/user/orgs>; rel="next"`}, body: "[]"}
		}, "GitHub does not answer as it should", "more than 20 pages"},
		{"single sign-on", func(f *fake) { f.user.SSO, f.user.Orgs = true, nil }, "If an organisation of yours asks for single sign-on, sign in there first.", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.user.Orgs = []org{{9919, "github"}}
			s, _ := start(t, f, github.Options{Allow: allow.List{Groups: []string{"github"}}})
			test.change(f)
			_, err := s.SignIn(&oauthdyntest.Browser{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the page says %v", err)
			}
			if log := s.Log.String(); !strings.Contains(log, "sign-in refused") || !strings.Contains(log, test.log) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

// A wrong secret is for the operator, not for the person.
func TestWrongSecret(t *testing.T) {
	f := newFake(t)
	var login authserver.Login
	s := logintest.New(t, func(issuer string, _ *slog.Logger) authserver.Login {
		f.callback = issuer + "/login/callback"
		l, err := github.New(github.Options{ClientID: clientID, ClientSecret: "wrong-secret", URL: f.URL, Allow: allow.List{Users: []string{"*"}}})
		if err != nil {
			t.Fatal(err)
		}
		login = l
		return login
	})
	_, err := s.SignIn(&oauthdyntest.Browser{})
	if err == nil || !strings.Contains(err.Error(), "You could not be signed in") {
		t.Errorf("the page says %v", err)
	}
	if log := s.Log.String(); !strings.Contains(log, "incorrect_client_credentials") || strings.Contains(log, "wrong-secret") {
		t.Errorf("the log says %s", log)
	}
}

// The person may try again after a problem, with another account.
func TestTryAgain(t *testing.T) {
	f := newFake(t)
	s, _ := start(t, f, github.Options{Allow: allow.List{Users: []string{"hubot"}}})
	p := s.Person()
	at := p.Leave(p.Consent())
	res, _ := p.Get(at.String())
	_, page := p.Get(res.Header.Get("Location"))
	f.set(func() { f.user = account{ID: 2, Login: "hubot"} })
	res, _ = p.Answer(page, "/login", "submit")
	_, next, _ := strings.Cut(res.Header.Get("Refresh"), "url=")
	again, err := url.Parse(next)
	if err != nil || again.Query().Get("prompt") != "select_account" || at.Query().Has("prompt") {
		t.Fatalf("tried again at %q", next)
	}
	if again.Query().Get("code_challenge") == at.Query().Get("code_challenge") {
		t.Error("the same PKCE verifier is used twice")
	}
	res, _ = p.Get(next)
	res, page = p.Get(res.Header.Get("Location"))
	if to, err := res.Location(); err != nil || to.Query().Get("code") == "" {
		t.Errorf("no code: %s %s", res.Status, page)
	}
	if res, _ := p.Answer(page, "/login", "deny"); res.StatusCode == http.StatusOK {
		t.Error("a finished sign-in goes on")
	}
}

func TestCancel(t *testing.T) {
	f := newFake(t)
	f.deny = true
	s, _ := start(t, f, github.Options{Allow: allow.List{Users: []string{"*"}}})
	p := s.Person()
	res, _ := p.Get(p.Leave(p.Consent()).String())
	_, page := p.Get(res.Header.Get("Location"))
	res, _ = p.Answer(page, "/login", "deny")
	to, err := res.Location()
	if err != nil || to.Query().Get("error") != "access_denied" || to.Query().Get("state") != "the state" {
		t.Errorf("%s %v", res.Status, to)
	}
}

// What an attacker can do with the address of the callback.
func TestS23S24S25Callback(t *testing.T) {
	f := newFake(t)
	s, _ := start(t, f, github.Options{Allow: allow.List{Users: []string{"*"}}})
	callback := func(state, code string, more ...string) string {
		q := url.Values{"state": {state}, "code": {code}}
		for i := 0; i+1 < len(more); i += 2 {
			q.Add(more[i], more[i+1])
		}
		return s.Issuer + "/login/callback?" + q.Encode()
	}
	// reply is where GitHub sends the browser of a person who left us.
	reply := func(p *logintest.Person) (at *url.URL, state, code string) {
		res, _ := p.Get(p.Leave(p.Consent()).String())
		at, err := res.Location()
		if err != nil {
			t.Fatal(err)
		}
		return at, at.Query().Get("state"), at.Query().Get("code")
	}
	refused := func(t *testing.T, p *logintest.Person, address string) {
		t.Helper()
		res, page := p.Get(address)
		if res.StatusCode < 400 || res.Header.Get("Location") != "" {
			t.Errorf("%s %s", res.Status, page)
		}
	}
	victim := s.Person()

	t.Run("S24 unknown state", func(t *testing.T) {
		_, _, code := reply(victim)
		refused(t, victim, callback("unknown", code))
		refused(t, victim, callback("", code))
		refused(t, victim, s.Issuer+"/login/callback?code="+code)
	})
	t.Run("S23 another browser, login CSRF", func(t *testing.T) {
		at, _, _ := reply(s.Person())
		refused(t, victim, at.String())
	})
	t.Run("S23 code of another person", func(t *testing.T) {
		_, _, attackersCode := reply(s.Person())
		_, state, _ := reply(victim)
		refused(t, victim, callback(state, attackersCode)) // PKCE
	})
	t.Run("S24 consent was not given", func(t *testing.T) {
		p := s.Person()
		_, page := p.Get(s.AuthorizeURL())
		_, tx, _ := strings.Cut(page, `name="tx" value="`)
		tx, _, _ = strings.Cut(tx, `"`)
		_, _, code := reply(s.Person())
		refused(t, p, callback(tx, code))
		refused(t, p, s.Issuer+"/login?tx="+tx)
	})
	t.Run("S24 reply without a request", func(t *testing.T) {
		p := s.Person()
		login, err := url.Parse(p.Consent())
		if err != nil {
			t.Fatal(err)
		}
		_, _, code := reply(s.Person())
		if _, page := p.Get(callback(login.Query().Get("tx"), code)); !strings.Contains(page, "has been answered before") {
			t.Errorf("the page says %s", page)
		}
	})
	t.Run("S24 one reply to a request", func(t *testing.T) {
		p := s.Person()
		at, state, _ := reply(p)
		refused(t, p, callback(state, "wrong"))
		refused(t, p, at.String())
	})
	t.Run("S24 of two replies one wins", func(t *testing.T) {
		p := s.Person()
		at, _, _ := reply(p)
		if res, page := p.Get(at.String()); res.Header.Get("Location") == "" {
			t.Fatalf("%s %s", res.Status, page)
		}
		refused(t, p, at.String())
	})
	t.Run("S25 mix-up", func(t *testing.T) {
		for _, iss := range []string{"https://evil.example", f.URL + "/", f.URL + ".evil.example/login/oauth"} {
			p := s.Person()
			_, state, code := reply(p)
			refused(t, p, callback(state, code, "iss", iss))
		}
		p := s.Person()
		_, state, code := reply(p)
		if res, page := p.Get(callback(state, code, "iss", f.URL+"/login/oauth")); res.Header.Get("Location") == "" {
			t.Errorf("its own issuer: %s %s", res.Status, page)
		}
	})
	t.Run("repeated parameters", func(t *testing.T) {
		p := s.Person()
		_, state, code := reply(p)
		refused(t, p, callback(state, code, "code", code))
	})
	t.Run("S29 nothing is reflected", func(t *testing.T) {
		p := s.Person()
		_, state, _ := reply(p)
		res, page := p.Get(s.Issuer + "/login/callback?" + url.Values{"state": {state}, "error": {"<script>x"}, "error_description": {"<b>evil words"}}.Encode())
		if res.StatusCode < 400 || strings.Contains(page, "evil words") || strings.Contains(page, "script") {
			t.Errorf("%s %s", res.Status, page)
		}
	})
	t.Run("S30 session fixation", func(t *testing.T) {
		p := s.Person()
		at, _, _ := reply(p)
		res, _ := p.Get(at.String())
		session := func(res *http.Response) string {
			for _, c := range res.Cookies() {
				if c.Name == "oauthdyn-session" && c.HttpOnly && c.SameSite == http.SameSiteLaxMode {
					return c.Value
				}
			}
			return ""
		}
		first := session(res)
		at, _, _ = func() (*url.URL, string, string) {
			_, page := p.Get(s.AuthorizeURL() + "&scope=offline_access")
			res, _ := p.Answer(page, "/consent", "switch")
			if res.StatusCode != http.StatusOK {
				t.Fatalf("switch: %s", res.Status)
			}
			return reply(p)
		}()
		res, _ = p.Get(at.String())
		if second := session(res); first == "" || second == "" || first == second {
			t.Errorf("sessions %q and %q", first, second)
		}
	})
	if strings.Contains(s.Log.String(), "panic") {
		t.Error(s.Log.String())
	}
}

// The account is what counts, not the name that it has today.
func TestS25RenamedAccounts(t *testing.T) {
	f := newFake(t)
	s, _ := start(t, f, github.Options{Allow: allow.List{Users: []string{"*"}}})
	subjects := []string{}
	for _, user := range []account{{ID: 1, Login: "mona"}, {ID: 1, Login: "lisa"}, {ID: 2, Login: "mona"}} {
		f.set(func() { f.user = user })
		reply, err := s.SignIn(&oauthdyntest.Browser{})
		if err != nil {
			t.Fatal(err)
		}
		subject, _ := reply.Subject()
		subjects = append(subjects, subject)
	}
	if want := []string{"github:1", "github:1", "github:2"}; !slices.Equal(subjects, want) {
		t.Errorf("subjects %q, want %q", subjects, want)
	}
}

func TestNewRefuses(t *testing.T) {
	good := github.Options{ClientID: "id", ClientSecret: "secret"}
	for want, change := range map[string]func(*github.Options){
		"an OAuth app":              func(o *github.Options) { o.ClientSecret = "" },
		"must use https":            func(o *github.Options) { o.URL = "http://github.example" },
		"not an absolute URL":       func(o *github.Options) { o.APIURL = "api.github.com" },
		"32 random ones are needed": func(o *github.Options) { o.TokenKey = []byte("short") },
		"* is for users only":       func(o *github.Options) { o.Allow.Groups = []string{"*"} },
		"say so with *":             func(o *github.Options) { o.Allow.Domains = []string{"users.noreply.GitHub.com"} },
		"has a query or fragment":   func(o *github.Options) { o.URL = "https://github.example?x" },
	} {
		o := good
		change(&o)
		if _, err := github.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := github.New(good); err != nil {
		t.Error(err)
	}
}
