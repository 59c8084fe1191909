// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/forwardauth"
)

// A site has protected resources.
type site struct {
	url string
	mux *http.ServeMux

	refused sync.Map // access tokens that it takes no more
}

func newSite(t *testing.T) *site {
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return &site{url: s.URL, mux: mux}
}

// A gate is a protected resource: all of it needs the scope read, and what is
// below write needs the scope write, too.
type gate struct {
	url     string
	forward *forwardauth.Handler
}

// add makes a gate. The verifier is that of the resource by default if there is
// none.
func (s *site) add(t *testing.T, path, issuer string, verifier resource.Verifier) *gate {
	t.Helper()
	res, err := resource.New(resource.Options{
		Resource: s.url + path, AuthorizationServers: []string{issuer}, Verifier: verifier,
		RequiredScopes: []string{"read"}, Rules: []resource.Rule{{Path: path + "/write", Scopes: []string{"write"}}},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	forward, err := forwardauth.New(forwardauth.Options{
		Routes:  []forwardauth.Route{{Resource: res}},
		Headers: map[string]forwardauth.Field{"X-Name": forwardauth.Username, "X-Client": forwardauth.ClientID},
	})
	if err != nil {
		t.Fatal(err)
	}
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := resource.FromContext(r.Context())
		_ = json.NewEncoder(w).Encode(p)
	})
	s.mux.Handle(path, s.unlessRefused(res.Middleware(who)))
	s.mux.Handle(path+"/", s.unlessRefused(res.Middleware(who)))
	s.mux.Handle(res.MetadataPath(), res.MetadataHandler())
	return &gate{url: s.url + path, forward: forward}
}

// addAny makes a resource that takes any token of a scheme: bound to a key, which
// our resource side takes none of, or opaque.
func (s *site) addAny(path, issuer, scheme string) string {
	s.mux.HandleFunc(oauthdyn.WellKnownResource+path, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(oauthdyn.ResourceMetadata{
			Resource: s.url + path, AuthorizationServers: []string{issuer}, ScopesSupported: []string{"read"},
		})
	})
	s.mux.Handle(path, s.unlessRefused(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), scheme+" ") || (scheme == "DPoP") != (r.Header.Get("DPoP") != "") {
			w.Header().Set("WWW-Authenticate", scheme+` realm="mcp"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})))
	return s.url + path
}

// unlessRefused answers as if some tokens had expired.
func (s *site) unlessRefused(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if _, refused := s.refused.Load(token); refused {
			w.Header().Set("WWW-Authenticate", scheme+` error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse makes the site take a token no more.
func (s *site) refuse(token string) { s.refused.Store(token, true) }

// An outcome is what a gate says of a token.
type outcome struct {
	Status int
	Code   string // of the challenge
}

// try sends a token through the middleware, and through a proxy's question. It
// returns what both say, and who the token speaks for if it passes.
func (g *gate) try(t *testing.T, path, token string) (outcome, *resource.Principal) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var p *resource.Principal
	if resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			t.Fatal(err)
		}
	}
	got := outcome{resp.StatusCode, challengeCode(t, resp.Header)}

	u, err := url.Parse(g.url + path)
	if err != nil {
		t.Fatal(err)
	}
	question := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/verify", nil)
	question.Header = http.Header{
		"Authorization": {"Bearer " + token}, "X-Forwarded-Method": {http.MethodGet}, "X-Forwarded-Host": {u.Host}, "X-Forwarded-Uri": {u.Path},
	}
	answer := httptest.NewRecorder()
	g.forward.ServeHTTP(answer, question)
	if behind := (outcome{answer.Code, challengeCode(t, answer.Header())}); behind != got {
		t.Errorf("the middleware says %v, and forward-auth says %v", got, behind)
	}
	if p != nil && (answer.Header().Get("X-Name") != p.Username || answer.Header().Get("X-Client") != p.ClientID) {
		t.Errorf("forward-auth speaks of %v: want %+v", answer.Header(), p)
	}
	return got, p
}

func challengeCode(t *testing.T, h http.Header) string {
	t.Helper()
	if h.Get("WWW-Authenticate") == "" {
		return ""
	}
	challenges := oauthdyn.ParseChallenges(h)
	if len(challenges) != 1 {
		t.Fatalf("challenge %q", h["Www-Authenticate"])
	}
	return challenges[0].Code()
}
