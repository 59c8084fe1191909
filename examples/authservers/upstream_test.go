// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/oidc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// An upstream is npm's oidc-provider, at which the people of our authorization
// server sign in.
type upstream struct {
	issuer string
	t      *testing.T
	stdin  io.Writer
	lines  *bufio.Scanner
}

func startUpstream(t *testing.T) *upstream {
	t.Helper()
	stdin, lines := startNode(t, "upstream.mjs")
	return &upstream{t: t, stdin: stdin, lines: lines, issuer: nextLine(t, lines, "http://127.0.0.1:")}
}

// change changes what the provider knows of people.
func (u *upstream) change(people string) {
	u.t.Helper()
	if _, err := io.WriteString(u.stdin, people+"\n"); err != nil {
		u.t.Fatal(err)
	}
	nextLine(u.t, u.lines, "ok")
}

// register registers our server at the provider.
func (u *upstream) register(callback string) (id, secret string) {
	u.t.Helper()
	body, err := json.Marshal(map[string]any{
		"client_name": "oauthdyn", "redirect_uris": []string{callback}, "scope": "openid profile email groups offline_access",
		"grant_types": []string{"authorization_code", "refresh_token"},
	})
	if err != nil {
		u.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(u.t.Context(), http.MethodPost, u.issuer+"/reg", bytes.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer initial")
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Error  string `json:"error_description"`
	}
	postJSON(u.t, req, &client)
	if client.Secret == "" {
		u.t.Fatalf("not registered: %s", client.Error)
	}
	return client.ID, client.Secret
}

func postJSON(t *testing.T, req *http.Request, v any) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// A visitor is a client of our authorization server.
type visitor struct {
	t      *testing.T
	issuer string
	id     string
}

const (
	visitorCallback = "https://client.example/callback"
	visitorVerifier = "a-verifier-that-is-long-enough-for-rfc-7636-0123456789"
)

func newVisitor(t *testing.T, issuer string) *visitor {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/register",
		strings.NewReader(`{"redirect_uris":["`+visitorCallback+`"],"token_endpoint_auth_method":"none"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	var client struct {
		ID string `json:"client_id"`
	}
	postJSON(t, req, &client)
	return &visitor{t, issuer, client.ID}
}

func (v *visitor) authorizeURL() string {
	sum := sha256.Sum256([]byte(visitorVerifier))
	return v.issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {v.id}, "redirect_uri": {visitorCallback},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// tokenReply is a reply of our token endpoint.
type tokenReply struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
}

// claims returns sub and preferred_username of the access token.
func (r tokenReply) claims() (subject, name string) {
	var claims struct {
		Subject string `json:"sub"`
		Name    string `json:"preferred_username"`
	}
	_, payload, _ := strings.Cut(r.AccessToken, ".")
	payload, _, _ = strings.Cut(payload, ".")
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(data, &claims)
	}
	if err != nil {
		return "", err.Error()
	}
	return claims.Subject, claims.Name
}

// signIn signs a person in. The error is what the last page says.
func (v *visitor) signIn(b *browser.Browser) (tokenReply, error) {
	at, err := b.Authorize(v.t.Context(), v.authorizeURL())
	if err != nil {
		return tokenReply{}, err
	}
	return v.token(url.Values{"grant_type": {"authorization_code"}, "code": {at.Query().Get("code")}, "code_verifier": {visitorVerifier}}), nil
}

func (v *visitor) refresh(token string) tokenReply {
	v.t.Helper()
	return v.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (v *visitor) token(form url.Values) (r tokenReply) {
	v.t.Helper()
	form.Set("client_id", v.id)
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	postJSON(v.t, req, &r)
	return r
}

func upstreamServer(t *testing.T, u *upstream, change func(*oidc.Options)) *visitor {
	t.Helper()
	return loginServer(t, func(callback string) oidc.Options {
		o := oidc.Options{Issuer: u.issuer, Name: "Example Corp", Scopes: []string{"groups"}}
		o.ClientID, o.ClientSecret = u.register(callback)
		change(&o)
		return o
	})
}

// loginServer is our authorization server in this process, at which people sign
// in at a provider. Nobody is asked about less often than they refresh.
func loginServer(t *testing.T, register func(callback string) oidc.Options) *visitor {
	t.Helper()
	front := httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	issuer := "http://" + front.Listener.Addr().String()
	o := register(issuer + "/login/callback")
	o.CheckEvery = -1
	login, err := oidc.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server, err := authserver.New(t.Context(), authserver.Options{
		Issuer: issuer, Store: memory.New(nil), Login: login,
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	front.Config.Handler = server
	front.Start()
	return newVisitor(t, issuer)
}

func TestUpstream(t *testing.T) {
	u := startUpstream(t)
	for name, list := range map[string]allow.List{
		"group":   {Groups: []string{"staff"}},
		"domain":  {Domains: []string{"example.com"}},
		"address": {Users: []string{"alice@example.com"}},
		"subject": {Users: []string{"id:alice"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := upstreamServer(t, u, func(o *oidc.Options) { o.Allow = list })
			got, err := v.signIn(&browser.Browser{Username: "alice", Password: "any"})
			if err != nil {
				t.Fatal(err)
			}
			if subject, name := got.claims(); !strings.HasSuffix(subject, ":alice") || name != "alice" {
				t.Errorf("subject %q, name %q", subject, name)
			}
			if got = v.refresh(got.RefreshToken); got.AccessToken == "" {
				t.Errorf("refresh: %s", got.Error)
			}
			// S25: an unverified address, and a name, take nobody's place.
			_, err = v.signIn(&browser.Browser{Username: "mallory", Password: "any"})
			if err == nil || !strings.Contains(err.Error(), "You are alice (id mallory) at Example Corp. This account may not use this server.") {
				t.Errorf("mallory: %v", err)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		v := upstreamServer(t, u, func(*oidc.Options) {})
		if _, err := v.signIn(&browser.Browser{Username: "alice", Password: "any"}); err == nil || !strings.Contains(err.Error(), "may not use this server") {
			t.Errorf("an empty allow-list: %v", err)
		}
	})
}

// S26: what changes at the provider counts at the next refresh.
func TestUpstreamRemoval(t *testing.T) {
	for name, change := range map[string]string{
		"group":   `{"alice":{"groups":["guests"]}}`,
		"account": `{"alice":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			u := startUpstream(t)
			v := upstreamServer(t, u, func(o *oidc.Options) {
				o.Allow = allow.List{Groups: []string{"staff"}}
				o.TokenKey = bytes.Repeat([]byte{1}, 32)
				o.AuthParams = map[string]string{"prompt": "consent"} // else oidc-provider gives no refresh token
			})
			person := &browser.Browser{Username: "alice", Password: "any"}
			got, err := v.signIn(person)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 { // the provider rotates its token each time
				if got = v.refresh(got.RefreshToken); got.AccessToken == "" {
					t.Fatalf("refresh: %s", got.Error)
				}
			}
			u.change(change)
			if refused := v.refresh(got.RefreshToken); refused.Error != "invalid_grant" {
				t.Errorf("refresh after the removal: %q", refused.Error)
			}
			if again, err := v.signIn(person); err == nil {
				t.Errorf("signed in again: %v", again.AccessToken != "")
			}
		})
	}
}

// What a person sees who cancels at the provider.
func TestUpstreamCancel(t *testing.T) {
	u := startUpstream(t)
	v := upstreamServer(t, u, func(o *oidc.Options) { o.Allow = allow.List{Users: []string{"*"}} })
	abort := regexp.MustCompile(`href="([^"]*/abort)"`)
	// The person follows the link that cancels, where there is one.
	var once sync.Once
	b := &browser.Browser{Username: "alice", Password: "any", Client: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if link := abort.FindSubmatch(body); link != nil {
			once.Do(func() { resp.StatusCode = http.StatusSeeOther; resp.Header.Set("Location", string(link[1])) })
		}
		return resp, err
	})}}
	_, err := v.signIn(b)
	if err == nil || !strings.Contains(err.Error(), "You did not sign in at Example Corp") {
		t.Errorf("the page says %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The command, set up as its documentation says.
func TestUpstreamOfTheCommand(t *testing.T) {
	u := startUpstream(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "oauthdyn.exe") // a name that every system can run
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../../oauthdyn", "-o", program, "./cmd/oauthdyn").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	data := filepath.Join(dir, "data")
	add := exec.CommandContext(t.Context(), program, "user", "add", "bob", "--data", data)
	add.Stdin = strings.NewReader("correct horse\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("user add: %v\n%s", err, out)
	}
	// The provider wants to know the address before there is one.
	front := httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	issuer := "http://" + front.Listener.Addr().String()
	id, secret := u.register(issuer + "/login/callback")
	secretFile, keyFile := filepath.Join(dir, "secret"), filepath.Join(dir, "key")
	for name, content := range map[string]string{secretFile: secret, keyFile: base64.StdEncoding.EncodeToString(make([]byte, 32))} {
		if err := os.WriteFile(name, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	back, log := startServe(t, program, "--issuer", issuer, "--data", data, "--resource", "https://mcp.example.com/mcp",
		"--oidc-issuer", u.issuer, "--oidc-client-id", id, "--oidc-client-secret-file", secretFile, "--oidc-name", "Example Corp",
		"--oidc-group", "staff", "--oidc-scope", "groups", "--oidc-param", "prompt=consent", "--key-file", keyFile)
	front.Config.Handler = back
	front.Start()

	v := newVisitor(t, issuer)
	for with, person := range map[string]string{"Example Corp": "alice", "a password": "bob"} {
		got, err := v.signIn(&browser.Browser{With: with, Username: person, Password: "correct horse"})
		if err != nil {
			t.Fatal(err)
		}
		if subject, name := got.claims(); !strings.HasSuffix(subject, ":"+person) || name != person {
			t.Errorf("subject %q, name %q", subject, name)
		}
		if got = v.refresh(got.RefreshToken); got.AccessToken == "" {
			t.Errorf("refresh: %s", got.Error)
		}
	}
	if _, err := v.signIn(&browser.Browser{With: "Example Corp", Username: "mallory", Password: "any"}); err == nil {
		t.Error("mallory signed in")
	}
	if text := log(); strings.Contains(text, secret) || !strings.Contains(text, "account not allowed: alice (id mallory)") {
		t.Errorf("the log says %s", text)
	}
}

var serveListens = regexp.MustCompile(`msg=listening addr=(\S+)`)

// startServe starts oauthdyn serve on a free port, and returns what passes
// requests on to it, and what it has logged so far.
func startServe(t *testing.T, program string, args ...string) (http.Handler, func() string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var log strings.Builder
	addr, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			mu.Lock()
			fmt.Fprintln(&log, lines.Text())
			mu.Unlock()
			if m := serveListens.FindStringSubmatch(lines.Text()); m != nil {
				addr <- m[1]
			}
		}
	}()
	t.Cleanup(func() { // its context has ended by now
		<-ended
		_ = cmd.Wait()
	})
	text := func() string { mu.Lock(); defer mu.Unlock(); return log.String() }
	select {
	case a := <-addr:
		return httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a}), text
	case <-ended:
		t.Fatalf("oauthdyn serve ended: %s", text())
		return nil, nil
	}
}
