// SPDX-License-Identifier: Apache-2.0

package choose_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/choose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/internal/logintest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// away sends people to a site that sends them back at once.
type away struct {
	t       *testing.T
	name    string
	site    string
	problem error // of Recheck
}

func newAway(t *testing.T, name string) *away {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("back")+"?"+url.Values{"state": {q.Get("state")}}.Encode(), http.StatusFound)
	}))
	t.Cleanup(s.Close)
	return &away{t: t, name: name, site: s.URL}
}

func (l *away) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	own := strconv.Quote(l.name)
	if data := string(a.Data()); data != own && (data != "" || a.IsCallback()) {
		l.t.Errorf("%s finds what is not its own: %s", l.name, data)
	}
	if a.IsCallback() {
		return &authserver.User{Subject: l.name + ":1", Name: "somebody", Account: "kept"}, nil
	}
	if err := a.Save(r.Context(), []byte(own)); err != nil {
		return nil, err
	}
	a.Redirect(w, "Away", l.site+"/?"+url.Values{"state": {a.State()}, "back": {a.CallbackURL()}}.Encode())
	return nil, nil
}

func (l *away) Recheck(_ context.Context, u authserver.User) (string, error) {
	if u.Subject != l.name+":1" || u.Account != "kept" {
		return "", authserver.ErrNotAllowed
	}
	return u.Account, l.problem
}

func start(t *testing.T) (*logintest.Server, *away, *local.Users) {
	t.Helper()
	there, users := newAway(t, "away"), local.New()
	if err := users.Set("alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	s := logintest.New(t, func(string, *slog.Logger) authserver.Login {
		login, err := choose.New(
			choose.Way{Name: "away", Label: "Away & Co", Login: there},
			choose.Way{Name: "password", Label: "a password", Login: users},
			choose.Way{Name: "other", Label: "Other", Login: newAway(t, "other")},
		)
		if err != nil {
			t.Fatal(err)
		}
		return login
	})
	return s, there, users
}

func TestEachWay(t *testing.T) {
	s, _, _ := start(t)
	for with, want := range map[string]string{"Away & Co": "away:1", "a password": "local:alice"} {
		reply, err := s.SignIn(&oauthdyntest.Browser{With: with, Username: "alice", Password: "correct horse"})
		if err != nil {
			t.Fatal(err)
		}
		if subject, _ := reply.Subject(); subject != want {
			t.Errorf("with %s: subject %q, want %q", with, subject, want)
		}
		if reply = s.Refresh(reply.RefreshToken); reply.Status != http.StatusOK {
			t.Errorf("with %s: refresh: %d %s", with, reply.Status, reply.Error)
		}
	}
}

func TestPage(t *testing.T) {
	s, _, _ := start(t)
	p := s.Person()
	login := p.Consent()
	for _, query := range []string{"", "&with=", "&with=unknown", "&with=%3Cscript%3E"} {
		res, page := p.Get(login + query)
		if res.StatusCode != http.StatusOK || strings.Contains(page, "script") {
			t.Errorf("%s: %s", query, res.Status)
		}
		for _, text := range []string{"Sign in with Away &amp; Co</a>", "Sign in with a password</a>", "to continue to “<bdi>Test client</bdi>”"} {
			if !strings.Contains(page, text) {
				t.Errorf("%s: the page does not say %q", query, text)
			}
		}
	}
	_, page := p.Get(login)
	res, _ := p.Answer(page, "/login", "deny")
	if to, err := res.Location(); err != nil || to.Query().Get("error") != "access_denied" {
		t.Errorf("cancel: %s", res.Status)
	}
}

// The reply of one provider signs nobody in who has chosen another way since.
func TestS25RepliesReachTheirProviderOnly(t *testing.T) {
	s, _, _ := start(t)
	p := s.Person()
	login := p.Consent()
	res, _ := p.Get(p.Leave(login + "&with=away").String())
	back := res.Header.Get("Location")
	if _, page := p.Get(login + "&with=password"); !strings.Contains(page, `type="password"`) {
		t.Fatal("no password form")
	}
	res, page := p.Get(back)
	if res.Header.Get("Location") != "" || !strings.Contains(page, `type="password"`) {
		t.Errorf("signed in by the reply of a provider that was not chosen: %s", res.Status)
	}
	if res, page = p.Get(back + "&with=away"); res.Header.Get("Location") != "" || !strings.Contains(page, `type="password"`) {
		t.Errorf("the reply itself chose its provider: %s", res.Status)
	}
	// Another provider begins anew, and gets its own reply whatever that says.
	p.Leave(login + "&with=away")
	res, _ = s.Person().Get(p.Leave(login + "&with=other").String())
	if res, page = p.Get(res.Header.Get("Location") + "&with=password"); res.Header.Get("Location") == "" {
		t.Errorf("the reply of the chosen provider: %s %s", res.Status, page)
	}
	p = s.Person()
	login = p.Consent()
	// Back at the choice, the person can still go the first way.
	res, _ = p.Get(p.Leave(login + "&with=away").String())
	if res, _ = p.Get(res.Header.Get("Location")); res.Header.Get("Location") == "" {
		t.Errorf("the second try: %s", res.Status)
	}
	// Without a choice there is nobody whom a reply could be for.
	p = s.Person()
	at, err := url.Parse(p.Consent())
	if err != nil {
		t.Fatal(err)
	}
	if res, page := p.Get(s.Issuer + "/login/callback?state=" + at.Query().Get("tx")); !strings.Contains(page, "Sign in with") {
		t.Errorf("a reply without a choice: %s", res.Status)
	}
}

func TestS26Recheck(t *testing.T) {
	s, there, users := start(t)
	far, err := s.SignIn(&oauthdyntest.Browser{With: "Away & Co"})
	if err != nil {
		t.Fatal(err)
	}
	near, err := s.SignIn(&oauthdyntest.Browser{With: "a password", Username: "alice", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	there.problem = errors.New("down")
	if reply := s.Refresh(far.RefreshToken); reply.Status != http.StatusServiceUnavailable {
		t.Errorf("provider down: %d %s", reply.Status, reply.Error)
	}
	if near = s.Refresh(near.RefreshToken); near.Status != http.StatusOK {
		t.Errorf("the other provider is down: %d %s", near.Status, near.Error)
	}
	if err := users.Delete("alice"); err != nil {
		t.Fatal(err)
	}
	if reply := s.Refresh(near.RefreshToken); reply.Error != "invalid_grant" {
		t.Errorf("removed user: %d %s", reply.Status, reply.Error)
	}
	there.problem = nil
	if reply := s.Refresh(far.RefreshToken); reply.Status != http.StatusOK {
		t.Errorf("the other way: %d %s", reply.Status, reply.Error)
	}
}

func TestNew(t *testing.T) {
	users := local.New()
	way := choose.Way{Name: "password", Label: "a password", Login: users}
	if login, err := choose.New(way); err != nil || login != authserver.Rechecker(users) {
		t.Errorf("one way alone: %v, %v", login, err)
	}
	for _, ways := range [][]choose.Way{nil, {way, way}, {way, {Name: "x", Login: users}}, {way, {Label: "x", Login: users}}, {way, {Name: "x", Label: "x"}}} {
		if _, err := choose.New(ways...); err == nil {
			t.Errorf("accepted %d ways", len(ways))
		}
	}
}
