// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counted counts the pages that a configuration shows.
func counted(f *fake, n *atomic.Int64) func(*Config) {
	return func(c *Config) {
		c.OpenURL = func(ctx context.Context, page string) error {
			n.Add(1)
			return f.browse(ctx, page)
		}
	}
}

func TestC2C24SignsInAt401(t *testing.T) {
	f := newFake(t)
	var shown atomic.Int64
	h := f.client(counted(f, &shown)).HTTPClient()
	for range 3 {
		resp, err := h.Post(f.resource(), "text/plain", strings.NewReader("world"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		drain(resp.Body)
		if resp.StatusCode != 200 || string(body) != "hello world" {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	}
	if n := shown.Load(); n != 1 {
		t.Errorf("%d logins for 3 requests", n)
	}
	// C24: every request after the login carries the token, and none asks for
	// the challenge again.
	if got := f.seen("/mcp"); !slices.Equal(got[:1], []string{"POST /mcp"}) || f.count("POST /mcp") != 4 || f.count("GET /mcp") != 0 {
		t.Errorf("requests %q", got)
	}
}

func TestBodiesAreSentAgain(t *testing.T) {
	tests := []struct {
		name string
		body func() io.Reader
		want string
		ok   bool
	}{
		{"none", func() io.Reader { return nil }, "hello ", true},
		{"empty", func() io.Reader { return http.NoBody }, "hello ", true},
		{"with GetBody", func() io.Reader { return strings.NewReader("a") }, "hello a", true},
		{"stream", func() io.Reader { return io.MultiReader(strings.NewReader("a"), strings.NewReader("b")) }, "hello ab", true},
		{"stream of the limit", func() io.Reader { return io.LimitReader(zeros{}, maxReplayBytes) }, "", true},
		{"stream beyond the limit", func() io.Reader { return io.LimitReader(zeros{}, maxReplayBytes+1) }, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			h := f.client().HTTPClient()
			send := func() int {
				body := &closeNotifier{Reader: tt.body(), closed: make(chan struct{})}
				var r io.Reader = body
				if body.Reader == nil || body.Reader == http.NoBody || tt.name == "with GetBody" {
					r = body.Reader
				}
				req, err := http.NewRequestWithContext(t.Context(), "POST", f.resource(), r)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := h.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer drain(resp.Body)
				got, _ := io.ReadAll(resp.Body)
				if tt.want != "" && string(got) != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if r == body {
					<-body.closed // net/http may do so after the answer
				}
				return resp.StatusCode
			}
			if status := send(); (status == 200) != tt.ok {
				t.Errorf("first request: %d", status)
			}
			if status := send(); status != 200 {
				t.Errorf("second request: %d", status)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// closeNotifier tells when it is closed.
type closeNotifier struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func (c *closeNotifier) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestBodyThatFails(t *testing.T) {
	f := newFake(t)
	broken := io.MultiReader(strings.NewReader("a"), errReader{})
	_, err := f.client().HTTPClient().Post(f.resource(), "text/plain", broken)
	wantError(t, err, "disk on fire")
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestC25S119TokenStaysAtItsOrigin(t *testing.T) {
	f := newFake(t)
	var elsewhere atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere.Store(r.Header.Get("Authorization") + r.URL.RawQuery)
	}))
	defer other.Close()
	c := f.client()
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := c.HTTPClient()
	f.replace("/away", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			t.Error("no token at the origin")
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	for _, u := range []string{other.URL, f.URL + "/away", strings.Replace(f.resource(), "127.0.0.1", "localhost", 1)} {
		elsewhere.Store("")
		get(t, h, u)
		if got := elsewhere.Load(); got != "" {
			t.Errorf("%s: %q went elsewhere", u, got)
		}
	}
	// A resource elsewhere that answers 401 is none of our business.
	f2 := newFake(t)
	if status, _ := get(t, h, f2.resource()); status != 401 || f2.count("GET /authorize") != 0 {
		t.Errorf("status %d, %q", status, f2.requests)
	}
}

func TestOwnAuthorizationIsLeftAlone(t *testing.T) {
	f := newFake(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", f.resource(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer mine")
	resp, err := f.client().HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	drain(resp.Body)
	if resp.StatusCode != 401 || f.count("GET /authorize") != 0 || req.Header.Get("Authorization") != "Bearer mine" {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestOtherSchemesAreLeftAlone(t *testing.T) {
	f := newFake(t)
	f.challenge = `Basic realm="router"`
	if status, _ := get(t, f.client().HTTPClient(), f.resource()); status != 401 || f.count("GET /authorize") != 0 {
		t.Errorf("status %d, %q", status, f.requests)
	}
}

func TestRefusedTokenIsRefreshedFirst(t *testing.T) {
	f := newFake(t)
	var shown atomic.Int64
	h := f.client(counted(f, &shown)).HTTPClient()
	get(t, h, f.resource())
	f.expire()
	if status, _ := get(t, h, f.resource()); status != 200 {
		t.Errorf("status %d", status)
	}
	if n := shown.Load(); n != 1 {
		t.Errorf("%d logins; the second token should come of a refresh", n)
	}
	f.revoke()
	if status, _ := get(t, h, f.resource()); status != 200 {
		t.Errorf("status %d", status)
	}
	if n := shown.Load(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
}

// A refresh that does not help is followed by one login.
func TestRefreshedTokenIsRefused(t *testing.T) {
	f := newFake(t)
	var shown atomic.Int64
	h := f.client(counted(f, &shown)).HTTPClient()
	get(t, h, f.resource())
	f.expire()
	f.replace("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		f.serveToken(w, r)
		if r.PostForm.Get("grant_type") == GrantRefreshToken {
			f.expire()
		}
	})
	if status, _ := get(t, h, f.resource()); status != 200 {
		t.Errorf("status %d", status)
	}
	if n := shown.Load(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
}

func TestS117LoopsEnd(t *testing.T) {
	t.Run("401", func(t *testing.T) {
		f := newFake(t)
		var shown atomic.Int64
		h := f.client(counted(f, &shown)).HTTPClient()
		f.replace("/mcp", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", f.challenge)
			w.WriteHeader(401)
		})
		for range 5 {
			if status, _ := get(t, h, f.resource()); status != 401 {
				t.Errorf("status %d", status)
			}
		}
		// A token straight from a login is refused: another login is no remedy.
		if n := shown.Load(); n != 1 {
			t.Errorf("%d logins in 5 requests", n)
		}
		if n := f.count("GET /mcp"); n != 6 {
			t.Errorf("%d requests, want 6", n)
		}
	})
	t.Run("C23 403 for a scope that is granted", func(t *testing.T) {
		f := newFake(t)
		var shown atomic.Int64
		h := f.client(counted(f, &shown)).HTTPClient()
		f.replace("/mcp", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				f.serveResource(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="admin"`)
			w.WriteHeader(403)
		})
		for range 5 {
			if status, _ := get(t, h, f.resource()); status != 403 {
				t.Errorf("status %d", status)
			}
		}
		if n := shown.Load(); n != 2 {
			t.Errorf("%d logins in 5 requests, want the first and one step-up", n)
		}
	})
	t.Run("C23 403 for ever new scopes", func(t *testing.T) {
		f := newFake(t)
		var shown, n atomic.Int64
		h := f.client(counted(f, &shown)).HTTPClient()
		f.replace("/mcp", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				f.serveResource(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="s`+string(rune('a'+n.Add(1)))+`"`)
			w.WriteHeader(403)
		})
		if status, _ := get(t, h, f.resource()); status != 403 {
			t.Errorf("status %d", status)
		}
		if n := shown.Load(); n != 3 {
			t.Errorf("%d logins in one request, want the first and two step-ups", n)
		}
	})
	t.Run("C23 403 for a scope that the person withholds", func(t *testing.T) {
		f := newFake(t)
		f.token = func(a map[string]any) { a["scope"] = "read" }
		var shown atomic.Int64
		h := f.client(counted(f, &shown)).HTTPClient()
		f.needScope = func(*http.Request) string { return "admin" }
		for range 5 {
			if status, _ := get(t, h, f.resource()); status != 403 {
				t.Errorf("status %d", status)
			}
		}
		if n := shown.Load(); n != 1+maxStepUps {
			t.Errorf("%d logins in 5 requests", n)
		}
	})
}

func TestC22C23StepUp(t *testing.T) {
	f := newFake(t)
	f.challenge += `, scope="read"`
	f.resourceMetadata["scopes_supported"] = []string{"all", "of", "them"}
	f.needScope = func(r *http.Request) string {
		if r.Method == http.MethodPost {
			return "write audit"
		}
		return ""
	}
	var shown atomic.Int64
	h := f.client(counted(f, &shown)).HTTPClient()
	if status, _ := get(t, h, f.resource()); status != 200 {
		t.Fatalf("status %d", status)
	}
	if got := f.lastAsked().Get("scope"); got != "read" {
		t.Errorf("first scope %q", got)
	}
	resp, err := h.Post(f.resource(), "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	drain(resp.Body)
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	if got := f.lastAsked().Get("scope"); got != "read write audit" {
		t.Errorf("scope %q, want the union", got)
	}
	if n := shown.Load(); n != 2 {
		t.Errorf("%d logins", n)
	}
	// A refresh keeps what was granted.
	f.expire()
	if status, _ := get(t, h, f.resource()); status != 200 || shown.Load() != 2 {
		t.Errorf("status %d, %d logins", status, shown.Load())
	}
}

func TestForbiddenWithoutScopeIsReturned(t *testing.T) {
	for _, challenge := range []string{"", `Bearer error="insufficient_scope"`, `Bearer error="invalid_request", scope="x"`, `Basic scope="x"`} {
		f := newFake(t)
		c := f.client()
		if _, err := c.Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := f.count("GET /authorize")
		f.replace("/mcp", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(403)
		})
		if status, _ := get(t, c.HTTPClient(), f.resource()); status != 403 || f.count("GET /authorize") != n {
			t.Errorf("%q: status %d", challenge, status)
		}
	}
}

func TestConcurrent401sShareOneLogin(t *testing.T) {
	f := newFake(t)
	var shown atomic.Int64
	release := make(chan struct{})
	c := f.client(func(c *Config) {
		c.OpenURL = func(ctx context.Context, page string) error {
			shown.Add(1)
			<-release
			return f.browse(ctx, page)
		}
	})
	h := c.HTTPClient()
	var refused sync.WaitGroup
	refused.Add(20)
	f.replace("/mcp", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			refused.Done()
		}
		f.serveResource(w, r)
	})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			resp, err := h.Get(f.resource())
			if err != nil {
				t.Error(err)
				return
			}
			drain(resp.Body)
			if resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	refused.Wait()
	close(release)
	all.Wait()
	if n := shown.Load(); n != 1 {
		t.Errorf("%d logins for 20 requests", n)
	}
}

func TestFailedLoginIsSharedAndTold(t *testing.T) {
	f := newFake(t)
	f.answer = func(a url.Values) { a.Del("code"); a.Set("error", CodeAccessDenied) }
	c := f.client()
	_, err := c.HTTPClient().Get(f.resource())
	if !errors.Is(err, &Error{Code: CodeAccessDenied}) {
		t.Errorf("got %v", err)
	}
	wantError(t, err, "oauthdyn: sign in to "+f.resource())
}

// C13: the resource moved to another authorization server.
func TestC13ServerMigration(t *testing.T) {
	t.Run("dynamic registration", func(t *testing.T) {
		_, as2 := migrate(t, func(*Config) {})
		if n := as2.count("POST /register"); n != 1 {
			t.Errorf("%d registrations at the second server", n)
		}
	})
	t.Run("client ID metadata document", func(t *testing.T) {
		_, as2 := migrate(t, func(c *Config) { c.ClientMetadataURL = documentURL })
		if n := as2.count("POST /register"); n != 0 {
			t.Errorf("%d registrations at the second server", n)
		}
	})
}

// migrate signs in, moves the resource and makes another request.
func migrate(t *testing.T, change func(*Config)) (as1, as2 *fake) {
	t.Helper()
	rs, as1, as2 := newFake(t), newFake(t), newFake(t)
	as2.serial.Store(100) // so that its tokens have other names
	for _, as := range []*fake{as1, as2} {
		as.clients[documentURL] = ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}}
		as.serverMetadata["client_id_metadata_document_supported"] = true
	}
	var live atomic.Pointer[fake]
	live.Store(as1)
	rs.replace(WellKnownResource+"/mcp", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, map[string]any{"resource": rs.resource(), "authorization_servers": []string{live.Load().URL}})
	})
	rs.replace("/mcp", func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		as := live.Load()
		as.mu.Lock()
		_, ok := as.access[token]
		as.mu.Unlock()
		if !ok {
			w.Header().Set("WWW-Authenticate", rs.challenge)
			w.WriteHeader(401)
		}
	})
	h := rs.client(change).HTTPClient()
	if status, _ := get(t, h, rs.resource()); status != 200 {
		t.Fatalf("status %d", status)
	}
	live.Store(as2)
	tokens := as1.count("POST /token")
	if status, _ := get(t, h, rs.resource()); status != 200 {
		t.Errorf("status %d after the move", status)
	}
	if as1.count("POST /token") != tokens {
		t.Errorf("the first server was asked again: %q", as1.requests)
	}
	for _, form := range as2.forms {
		if form.Get("grant_type") != GrantAuthorizationCode {
			t.Errorf("the second server was sent %v", form["grant_type"])
		}
	}
	return as1, as2
}
