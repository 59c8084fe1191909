// SPDX-License-Identifier: Apache-2.0

// Package logintest drives a login in tests, as a client and a browser do.
package logintest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

const (
	callback = "https://client.example/callback"
	verifier = "a-verifier-that-is-long-enough-for-rfc-7636-0123456789"
)

// A Server is an authorization server with a login, and a client of it.
type Server struct {
	*oauthdyntest.Server
	Log    *Log
	Client string // client id

	t testing.TB
}

// New starts a server. The login can be made once the issuer is known, which is
// the address of the callback.
func New(t testing.TB, login func(issuer string, log *slog.Logger) authserver.Login) *Server {
	t.Helper()
	s := &Server{t: t, Log: &Log{}}
	log := slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Server = oauthdyntest.New(t, &oauthdyntest.Options{Logger: log, Adjust: func(o *authserver.Options) { o.Login = login(o.Issuer, log) }})
	res, err := http.Post(s.Issuer+"/register", "application/json", strings.NewReader(
		`{"redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none","client_name":"Test client"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&client); err != nil {
		t.Fatal(err)
	}
	s.Client = client.ID
	return s
}

// AuthorizeURL is where a sign-in begins.
func (s *Server) AuthorizeURL() string {
	sum := sha256.Sum256([]byte(verifier))
	return s.Issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {s.Client}, "redirect_uri": {callback}, "state": {"the state"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// A Reply is one of the token endpoint.
type Reply struct {
	Status       int    `json:"-"`
	Error        string `json:"error"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// Subject returns sub and preferred_username of the access token.
func (r Reply) Subject() (subject, name string) {
	var claims struct {
		Subject string `json:"sub"`
		Name    string `json:"preferred_username"`
	}
	parts := strings.Split(r.AccessToken, ".")
	if len(parts) != 3 {
		return "", ""
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(data, &claims) != nil {
		return "", ""
	}
	return claims.Subject, claims.Name
}

// SignIn signs in at a browser and redeems the code. The error is what the last
// page says.
func (s *Server) SignIn(b *oauthdyntest.Browser) (Reply, error) {
	at, err := b.Authorize(s.t.Context(), s.AuthorizeURL())
	if err != nil {
		return Reply{}, err
	}
	return s.Redeem(at), nil
}

// Redeem redeems the code in a redirect to the client.
func (s *Server) Redeem(at *url.URL) Reply {
	return s.token(url.Values{"grant_type": {"authorization_code"}, "code": {at.Query().Get("code")}, "code_verifier": {verifier}})
}

// Refresh uses a refresh token.
func (s *Server) Refresh(token string) Reply {
	return s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (s *Server) token(form url.Values) (r Reply) {
	s.t.Helper()
	form.Set("client_id", s.Client)
	res, err := http.PostForm(s.Issuer+"/token", form)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		s.t.Fatal(err)
	}
	r.Status = res.StatusCode
	return r
}

// A Person sits at a browser and takes one step at a time.
type Person struct {
	http *http.Client
	s    *Server
}

// Person returns somebody at a fresh browser.
func (s *Server) Person() *Person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &Person{s: s, http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Get opens an address, without following where it leads.
func (p *Person) Get(address string) (*http.Response, string) {
	p.s.t.Helper()
	return p.do(http.MethodGet, address, nil)
}

var hidden = regexp.MustCompile(`name="(tx|csrf)" value="([^"]*)"`)

// Answer sends the form of a page that came from our server.
func (p *Person) Answer(page, path, action string) (*http.Response, string) {
	p.s.t.Helper()
	form := url.Values{"action": {action}}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	return p.do(http.MethodPost, p.s.Issuer+path, form)
}

func (p *Person) do(method, address string, form url.Values) (*http.Response, string) {
	p.s.t.Helper()
	req, err := http.NewRequestWithContext(p.s.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		p.s.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := p.http.Do(req)
	if err != nil {
		p.s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return res, string(body)
}

// Consent allows the client and returns the address of the sign-in.
func (p *Person) Consent() string {
	p.s.t.Helper()
	_, page := p.Get(p.s.AuthorizeURL())
	res, page := p.Answer(page, "/consent", "approve")
	if res.StatusCode != http.StatusSeeOther {
		p.s.t.Fatalf("consent: %s %s", res.Status, page)
	}
	return p.s.Issuer + res.Header.Get("Location")
}

// Leave opens a page that leads to a provider and returns where. It does not go
// there.
func (p *Person) Leave(address string) *url.URL {
	p.s.t.Helper()
	res, page := p.Get(address)
	_, to, _ := strings.Cut(res.Header.Get("Refresh"), "url=")
	at, err := url.Parse(to)
	if err != nil || to == "" {
		p.s.t.Fatalf("the page leads nowhere: %s %s", res.Status, page)
	}
	return at
}

// A Log keeps what is logged.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer // mu guards
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
