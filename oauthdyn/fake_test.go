// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fake is a protected resource at /mcp and an authorization server on one
// origin, over real HTTP. It does what the RFCs say until a test replaces a
// part of it. package oauthdyntest has the well-behaved server; this one is
// here to misbehave.
type fake struct {
	t   *testing.T
	URL string

	mu       sync.Mutex
	requests []string                    // mu guards: "METHOD path"
	replaced map[string]http.HandlerFunc // mu guards: by path
	clients  map[string]ClientMetadata   // mu guards
	codes    map[string]url.Values       // mu guards: the authorization request of a code
	refresh  map[string]string           // mu guards: client id by live refresh token
	access   map[string]string           // mu guards: scope by live access token
	forms    []url.Values                // mu guards: of token requests
	asked    []url.Values                // mu guards: authorization requests
	regs     []map[string]any            // mu guards: registration requests

	// Behaviour; set before the first request.
	serverMetadata   map[string]any
	resourceMetadata map[string]any
	challenge        string                       // WWW-Authenticate of a 401
	answer           func(q url.Values)           // changes the redirect's query
	token            func(answer map[string]any)  // changes a token response
	registration     func(answer map[string]any)  // changes a registration response
	needScope        func(r *http.Request) string // scope that a request needs
	noChallenge      bool

	serial atomic.Int64
}

// newFake starts a server that ends with the test.
func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		t:        t,
		replaced: map[string]http.HandlerFunc{},
		clients:  map[string]ClientMetadata{},
		codes:    map[string]url.Values{},
		refresh:  map[string]string{},
		access:   map[string]string{},
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.URL = s.URL
	f.serverMetadata = map[string]any{
		"issuer":                                         s.URL,
		"authorization_endpoint":                         s.URL + "/authorize",
		"token_endpoint":                                 s.URL + "/token",
		"registration_endpoint":                          s.URL + "/register",
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"authorization_response_iss_parameter_supported": true,
	}
	f.resourceMetadata = map[string]any{
		"resource":              s.URL + "/mcp",
		"authorization_servers": []string{s.URL},
	}
	f.challenge = `Bearer resource_metadata="` + s.URL + WellKnownResource + `/mcp"`
	return f
}

func (f *fake) resource() string { return f.URL + "/mcp" }

// config returns a configuration with a headless browser.
func (f *fake) config() Config {
	return Config{Resource: f.resource(), ClientName: "test", OpenURL: f.browse, Logger: testLogger(f.t),
		LoginTimeout: time.Minute}
}

func (f *fake) client(change ...func(*Config)) *Client {
	f.t.Helper()
	cfg := f.config()
	for _, ch := range change {
		ch(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// browse follows redirects as a browser would.
func (f *fake) browse(ctx context.Context, page string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("browser ended at %s", resp.Status)
	}
	return nil
}

// replace puts h in the place of the handler of a path.
func (f *fake) replace(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replaced[path] = h
}

// status makes a path answer with a status and nothing else.
func (f *fake) status(path string, code int) {
	f.replace(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// json makes a path answer with a document.
func (f *fake) json(path string, v any) {
	f.replace(path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, v) })
}

// count returns how many requests of the form "METHOD path" came.
func (f *fake) count(request string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if r == request {
			n++
		}
	}
	return n
}

// seen returns the paths of requests that contain part, in order.
func (f *fake) seen(part string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, r := range f.requests {
		if strings.Contains(r, part) {
			list = append(list, r)
		}
	}
	return list
}

func (f *fake) lastForm() url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.forms[len(f.forms)-1]
}

func (f *fake) lastAsked() url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[len(f.asked)-1]
}

// expire ends all access tokens; their refresh tokens live on.
func (f *fake) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.access)
}

// revoke ends all grants.
func (f *fake) revoke() {
	f.expire()
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.refresh)
}

// forget drops all registrations.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.clients)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	h := f.replaced[r.URL.Path]
	f.mu.Unlock()
	switch {
	case h != nil:
		h(w, r)
	case r.URL.Path == "/mcp":
		f.serveResource(w, r)
	case r.URL.Path == WellKnownResource+"/mcp" && f.resourceMetadata != nil:
		writeJSON(w, 200, f.resourceMetadata)
	case r.URL.Path == WellKnownServer && f.serverMetadata != nil:
		writeJSON(w, 200, f.serverMetadata)
	case r.URL.Path == "/authorize":
		f.serveAuthorize(w, r)
	case r.URL.Path == "/token":
		f.serveToken(w, r)
	case r.URL.Path == "/register":
		f.serveRegister(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) serveResource(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.Lock()
	scope, ok := f.access[token]
	f.mu.Unlock()
	if !ok {
		if !f.noChallenge {
			w.Header().Set("WWW-Authenticate", f.challenge)
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if f.needScope != nil {
		if want := f.needScope(r); want != "" && !coversScopes(strings.Fields(scope), strings.Fields(want)) {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+want+`"`)
			w.WriteHeader(http.StatusForbidden)
			return
		}
	}
	body, _ := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "hello %s", body)
}

func (f *fake) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	client, ok := f.clients[q.Get("client_id")]
	if !ok || !slices.ContainsFunc(client.RedirectURIs, func(u string) bool { return sameButPort(u, q.Get("redirect_uri")) }) {
		http.Error(w, "unknown client", http.StatusBadRequest)
		return
	}
	code := fmt.Sprintf("code-%d", f.serial.Add(1))
	f.codes[code] = q
	a := url.Values{"code": {code}, "state": {q.Get("state")}}
	if iss, ok := f.serverMetadata["issuer"].(string); ok {
		a.Set("iss", iss)
	}
	if f.answer != nil {
		f.answer(a)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+a.Encode(), http.StatusFound)
}

func sameButPort(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && u.Hostname() == v.Hostname() && u.Path == v.Path
}

func (f *fake) serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	form := r.PostForm
	id := form.Get("client_id")
	if user, _, ok := r.BasicAuth(); ok {
		id = user
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forms = append(f.forms, form)
	if _, ok := f.clients[id]; !ok {
		writeJSON(w, 401, &Error{Code: CodeInvalidClient, Description: "who is that?"})
		return
	}
	scope := ""
	switch form.Get("grant_type") {
	case GrantAuthorizationCode:
		q, ok := f.codes[form.Get("code")]
		delete(f.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !ok || q.Get("client_id") != id || q.Get("redirect_uri") != form.Get("redirect_uri") ||
			q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("code_challenge_method") != "S256" {
			writeJSON(w, 400, &Error{Code: CodeInvalidGrant})
			return
		}
		scope = q.Get("scope")
	case GrantRefreshToken:
		old := form.Get("refresh_token")
		if f.refresh[old] != id {
			writeJSON(w, 400, &Error{Code: CodeInvalidGrant, Description: "refresh token is dead"})
			return
		}
		delete(f.refresh, old)
	}
	n := f.serial.Add(1)
	access, refresh := fmt.Sprintf("access-%d", n), fmt.Sprintf("refresh-%d", n)
	f.refresh[refresh] = id
	answer := map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600}
	if scope != "" {
		answer["scope"] = scope
	}
	if f.token != nil {
		f.token(answer)
	}
	granted, _ := answer["scope"].(string)
	f.access[access] = granted
	writeJSON(w, 200, answer)
}

func (f *fake) serveRegister(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m ClientMetadata
	var raw map[string]any
	if json.Unmarshal(body, &m) != nil || json.Unmarshal(body, &raw) != nil {
		writeJSON(w, 400, &Error{Code: CodeInvalidClientMetadata})
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.regs = append(f.regs, raw)
	id := fmt.Sprintf("client-%d", f.serial.Add(1))
	f.clients[id] = m
	answer := map[string]any{"client_id": id}
	maps.Copy(answer, raw)
	if m.TokenEndpointAuthMethod != AuthMethodNone {
		answer["client_secret"], answer["client_secret_expires_at"] = "s3cret/+&%", 0
	}
	if f.registration != nil {
		f.registration(answer)
	}
	writeJSON(w, 201, answer)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// testLogger logs to the test.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// get makes a request and returns status and body.
func get(t *testing.T, h *http.Client, rawURL string) (int, string) {
	t.Helper()
	resp, err := h.Get(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	defer drain(resp.Body)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// wantError fails unless err mentions all of parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that mentions %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not mention %q", err, p)
		}
	}
}
