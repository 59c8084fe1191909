// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// dpopServer is a fake whose tokens are bound to keys (RFC 9449). It checks all
// of a proof but its signature.
type dpopServer struct {
	*fake
	asNonce, rsNonce string            // to ask for; empty for none
	jtis             map[string]bool   // fake.mu guards
	bound            map[string]string // fake.mu guards: key by access or refresh token
	refusals         int               // fake.mu guards: for want of a nonce
}

func newDPoPServer(t *testing.T) *dpopServer {
	s := &dpopServer{fake: newFake(t), jtis: map[string]bool{}, bound: map[string]string{}}
	s.challenge = `DPoP algs="ES256", resource_metadata="` + s.URL + WellKnownResource + `/mcp"`
	s.replace("/token", s.serveToken)
	s.replace("/mcp", s.serveResource)
	return s
}

// proof checks a proof and returns its key and nonce.
func (s *dpopServer) proof(r *http.Request, token string) (key, nonce string) {
	t := s.t
	raw := r.Header.Values("DPoP")
	if len(raw) != 1 {
		t.Errorf("%s %s carries %d proofs", r.Method, r.URL.Path, len(raw))
		return "", ""
	}
	head, claims := jwtPart(t, raw[0], 0), jwtPart(t, raw[0], 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	jti, _ := claims["jti"].(string)
	if s.jtis[jti] || jti == "" {
		t.Errorf("proof %q was used before", jti)
	}
	s.jtis[jti] = true
	if head["typ"] != "dpop+jwt" || claims["htm"] != r.Method || claims["htu"] != s.URL+r.URL.Path {
		t.Errorf("%s %s: header %v, claims %v", r.Method, r.URL.Path, head, claims)
	}
	var ath any
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		ath = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if claims["ath"] != ath {
		t.Errorf("ath %v, want %v", claims["ath"], ath)
	}
	nonce, _ = claims["nonce"].(string)
	jwk, _ := json.Marshal(head["jwk"])
	return string(jwk), nonce
}

func (s *dpopServer) refuse(w http.ResponseWriter, nonce string) {
	s.mu.Lock()
	s.refusals++
	s.mu.Unlock()
	w.Header().Set("DPoP-Nonce", nonce)
}

func (s *dpopServer) serveToken(w http.ResponseWriter, r *http.Request) {
	key, nonce := s.proof(r, "")
	if s.asNonce != "" && nonce != s.asNonce {
		s.refuse(w, s.asNonce)
		writeJSON(w, 400, &Error{Code: CodeUseDPoPNonce})
		return
	}
	_ = r.ParseForm()
	if old := r.PostForm.Get("refresh_token"); old != "" && s.bound[old] != key {
		s.t.Error("the refresh token came with another key")
	}
	s.fake.token = func(a map[string]any) {
		a["token_type"] = "DPoP"
		s.bound[a["access_token"].(string)], s.bound[a["refresh_token"].(string)] = key, key
	}
	s.fake.serveToken(w, r)
}

func (s *dpopServer) serveResource(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
	if !ok {
		if r.Header.Get("Authorization") != "" {
			s.t.Errorf("not the DPoP scheme")
		}
		w.Header().Set("WWW-Authenticate", s.challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	key, nonce := s.proof(r, token)
	if s.rsNonce != "" && nonce != s.rsNonce {
		s.refuse(w, s.rsNonce)
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	bound := s.bound[token]
	s.mu.Unlock()
	if bound != key {
		s.t.Error("the proof is by another key than the token's")
	}
	r.Header.Set("Authorization", "Bearer "+token)
	s.fake.serveResource(w, r)
}

func TestDPoP(t *testing.T) {
	for _, nonces := range []bool{false, true} {
		t.Run(fmt.Sprintf("nonces %v", nonces), func(t *testing.T) {
			s := newDPoPServer(t)
			if nonces {
				s.asNonce, s.rsNonce = "as-1", "rs-1"
			}
			path := filepath.Join(t.TempDir(), "credentials")
			with := func(c *Config) { c.Store = NewFileStore(path) }
			c := s.client(with)
			post := func(c *Client) {
				t.Helper()
				resp, err := c.HTTPClient().Post(s.resource()+"?secret=1", "text/plain", strings.NewReader("world"))
				if err != nil {
					t.Fatal(err)
				}
				defer drain(resp.Body)
				if body, _ := io.ReadAll(resp.Body); string(body) != "hello world" {
					t.Errorf("%s, %s", resp.Status, body)
				}
			}
			post(c)
			post(c)
			jkt := s.lastAsked().Get("dpop_jkt")
			if jkt == "" {
				t.Error("the code is not bound to the key")
			}
			if nonces && s.refusals != 2 {
				t.Errorf("%d refusals for want of a nonce, want one by each server", s.refusals)
			}
			// Another run of the program has the same key, and learns new nonces.
			if nonces {
				s.asNonce, s.rsNonce = "as-2", "rs-2"
			}
			c = s.client(with)
			outdate(t, c)
			post(c)
			if token, err := c.TokenSource(t.Context()).Token(); err != nil || token.TokenType != "DPoP" {
				t.Errorf("%v, %v", token, err)
			}
			if n := len(s.asked); n != 1 {
				t.Errorf("%d logins", n)
			}
			creds, err := c.store.Load(t.Context(), c.grantKey())
			if err != nil || len(creds.Grant.DPoPKey) == 0 {
				t.Fatal(err)
			}
			if text := fmt.Sprintf("%v %+v %#v", creds.Grant, *creds.Grant, creds); strings.Contains(text, "48 129") || strings.Contains(text, "0x30") {
				t.Errorf("prints the key: %s", text)
			}
		})
	}
}

func TestDPoPWhenConfiguredOrAnnounced(t *testing.T) {
	for name, set := range map[string]func(*dpopServer, *Config){
		"configured": func(_ *dpopServer, c *Config) { c.DPoP = true },
		"announced":  func(s *dpopServer, _ *Config) { s.resourceMetadata["dpop_bound_access_tokens_required"] = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newDPoPServer(t)
			s.challenge = strings.Replace(s.challenge, "DPoP", "Bearer", 1)
			c := s.client(func(c *Config) { set(s, c) })
			if token, err := c.Authenticate(t.Context()); err != nil || token.TokenType != "DPoP" {
				t.Errorf("%v, %v", token, err)
			}
		})
	}
}

func TestDPoPRefusesWeakerTokens(t *testing.T) {
	f := newFake(t) // its tokens are bearer tokens
	c := f.client(func(c *Config) { c.DPoP = true })
	_, err := c.Authenticate(t.Context())
	wantError(t, err, "Bearer", "want DPoP")
	f.serverMetadata["dpop_signing_alg_values_supported"] = []string{"RS256"}
	_, err = f.client(func(c *Config) { c.DPoP = true }).Authenticate(t.Context())
	wantError(t, err, "ES256")
	// And the other way round: a bound token is of no use without its key.
	s := newFake(t)
	s.token = func(a map[string]any) { a["token_type"] = "DPoP" }
	_, err = s.client().Authenticate(t.Context())
	wantError(t, err, "DPoP", "want Bearer")
}

// A server that is never content with a nonce ends neither the token nor the
// patience of the client.
func TestDPoPNonceLoopsEnd(t *testing.T) {
	s := newDPoPServer(t)
	c := s.client(func(c *Config) { c.DPoP = true })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	serial := 0
	s.replace("/mcp", func(w http.ResponseWriter, _ *http.Request) {
		serial++
		w.Header().Set("DPoP-Nonce", fmt.Sprint("n", serial))
		w.Header().Set("WWW-Authenticate", `Bearer realm="x", DPoP error="use_dpop_nonce"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	if status, _ := get(t, c.HTTPClient(), s.resource()); status != 401 || serial != 1+maxNoncesPerCall {
		t.Errorf("status %d after %d requests", status, serial)
	}
	s.replace("/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("DPoP-Nonce", "x")
		writeJSON(w, 400, &Error{Code: CodeUseDPoPNonce})
	})
	before := s.count("POST /token")
	_, err := c.Authenticate(t.Context())
	wantError(t, err, CodeUseDPoPNonce)
	if n := s.count("POST /token") - before; n != 2 {
		t.Errorf("%d token requests", n)
	}
}
