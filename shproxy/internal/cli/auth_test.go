// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// With --auth-issuer the endpoint demands tokens, and sessions belong to the
// people who started them.
func TestAuth(t *testing.T) {
	port := freePort(t)
	id := "http://127.0.0.1:" + port + "/mcp"
	auth := oauthdyntest.New(t, &oauthdyntest.Options{Resources: []authserver.Resource{{URI: id, Name: "Wrapped", Scopes: []string{"mcp"}}}})
	if err := auth.Users.Set("bob", "another good password"); err != nil {
		t.Fatal(err)
	}
	c := start(t, "--port", port, "--auth-issuer", auth.Issuer, "--required-scope", "mcp", "--", "testserver", testserver.Good)

	resp, _ := c.post(initialize)
	if challenge := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || !strings.Contains(challenge, "http://127.0.0.1:"+port+"/.well-known/oauth-protected-resource/mcp") {
		t.Errorf("%s, challenge %q", resp.Status, challenge)
	}
	resp, _ = c.post(initialize, "Authorization", "Bearer wrong")
	if resp.StatusCode != 401 {
		t.Errorf("wrong token: %s", resp.Status)
	}
	metadata, err := http.Get(strings.TrimSuffix(c.url, "/mcp") + "/.well-known/oauth-protected-resource/mcp")
	if err != nil {
		t.Fatal(err)
	}
	defer metadata.Body.Close()
	var m oauthdyn.ResourceMetadata
	if err := json.NewDecoder(metadata.Body).Decode(&m); err != nil || m.Resource != id || m.AuthorizationServers[0] != auth.Issuer {
		t.Errorf("metadata %+v, %v", m, err)
	}

	alice := "Bearer " + token(t, auth, id, auth.Browser())
	resp, body := c.post(initialize, "Authorization", alice)
	session := resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != 200 || session == "" {
		t.Fatalf("%s %s", resp.Status, body)
	}
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	if resp, body := c.post(ping, "Authorization", alice, "Mcp-Session-Id", session); resp.StatusCode != 200 {
		t.Errorf("alice: %s %s", resp.Status, body)
	}
	again := "Bearer " + token(t, auth, id, auth.Browser())
	if resp, body := c.post(ping, "Authorization", again, "Mcp-Session-Id", session); resp.StatusCode != 200 {
		t.Errorf("alice with a new token: %s %s", resp.Status, body)
	}
	bob := "Bearer " + token(t, auth, id, &oauthdyntest.Browser{Username: "bob", Password: "another good password"})
	if resp, body := c.post(ping, "Authorization", bob, "Mcp-Session-Id", session); resp.StatusCode != 404 {
		t.Errorf("bob: %s %s", resp.Status, body)
	}
}

func token(t *testing.T, auth *oauthdyntest.Server, resource string, browser *oauthdyntest.Browser) string {
	t.Helper()
	return signIn(t, auth.Issuer, resource, browser)
}

// signIn registers a client and lets the person sign in.
func signIn(t *testing.T, issuer, resource string, browser *oauthdyntest.Browser) string {
	t.Helper()
	client, err := oauthdyn.New(oauthdyn.Config{
		AuthServer: issuer, Resource: resource, ClientName: "test", Scopes: []string{"mcp"}, OpenURL: browser.Open,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// revoke revokes an access token as the client that it was issued to.
func revoke(t *testing.T, issuer, authorization string) {
	t.Helper()
	token := strings.TrimPrefix(authorization, "Bearer ")
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	resp, err := http.PostForm(issuer+"/revoke", url.Values{"client_id": {claims.ClientID}, "token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("revocation: %s", resp.Status)
	}
}

// Tokens of a file let their holders in, each to their own sessions, and the
// file is read again.
func TestTokenFileAccess(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "tokens", "alice="+aliceToken+"\nbob="+bobToken)
	c := start(t, "--token-file", file, "--cors-origin", "https://app.example", "--", "testserver", testserver.Good)
	alice, bob := "Bearer "+aliceToken, "bearer "+bobToken

	resp, body := c.post(initialize)
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || got != `Bearer realm="shproxy"` {
		t.Errorf("no token: %s, %q, %s", resp.Status, got, body)
	}
	resp, _ = c.post(initialize, "Authorization", "Bearer wrong", "Origin", "https://app.example")
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || !strings.Contains(got, "invalid_token") ||
		!strings.Contains(resp.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
		t.Errorf("wrong token: %s, %v", resp.Status, resp.Header)
	}
	resp, _ = c.request("OPTIONS", c.url, "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	if resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("preflight: %s, %v", resp.Status, resp.Header)
	}
	session := c.open(c.url, "Authorization", alice, "Origin", "https://app.example")
	for _, test := range []struct {
		header []string
		status int
	}{
		{[]string{"Authorization", alice}, 200},
		{[]string{"Authorization", bob}, 404},
		{[]string{"Authorization", alice, "Origin", "https://evil.example"}, 403},
	} {
		if status := c.ping(c.url, session, test.header...); status != test.status {
			t.Errorf("%v: %d, want %d", test.header, status, test.status)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	write(t, dir, "tokens", "nonsense")
	c.signal(syscall.SIGHUP)
	c.logged(`msg="token file not usable, keeping the old one" error=".*line 1: a token needs at least 16 characters`)
	write(t, dir, "tokens", "alice="+aliceToken)
	c.signal(syscall.SIGHUP)
	c.logged(`msg="configuration read again"`)
	c.logged(`msg="configuration read again"`)
	if status := c.ping(c.url, session, "Authorization", alice); status != 200 {
		t.Errorf("alice after a reload: %d", status)
	}
	if resp, _ := c.post(initialize, "Authorization", bob); resp.StatusCode != 401 {
		t.Errorf("bob without a token: %s", resp.Status)
	}
	_, log := c.end(syscall.SIGTERM)
	if strings.Contains(log, "0123456789abcdef") {
		t.Errorf("a token is in the log: %s", log)
	}
}

// The embedded authorization server lets the people of its file in, to each
// server separately, also to one that a reload brings.
func TestEmbedded(t *testing.T) {
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "auth")
	const one, two = `"one": {"command": "testserver", "args": ["good"]}`, `"two": {"command": "testserver", "args": ["good"]}`
	file := write(t, dir, "mcp.json", `{"mcpServers": {`+one+`}}`)
	c := start(t, "--config", file, "--auth-embedded", "--auth-data", data, "--token-file", write(t, dir, "tokens", "ci="+bobToken))
	c.logged(`msg="nobody could sign in, so a user was made" user=admin password_file=\S*admin-password`)
	origin := strings.TrimSuffix(c.url, "/one/mcp")
	password, err := os.ReadFile(filepath.Join(data, "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(data, "admin-password")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the password's file: %v, %v", info.Mode(), err)
	}
	login := func(resource string) string {
		t.Helper()
		return "Bearer " + signIn(t, origin, resource, &oauthdyntest.Browser{Username: "admin", Password: strings.TrimSpace(string(password))})
	}
	token := login(c.url)
	if status := c.ping(c.url, c.open(c.url, "Authorization", token), "Authorization", token); status != 200 {
		t.Errorf("with a token: %d", status)
	}
	if resp, body := c.request("POST", origin+"/mcp", initialize, "Authorization", token); resp.StatusCode != 401 {
		t.Errorf("at another path: %s %s", resp.Status, body)
	}
	c.open(c.url, "Authorization", "Bearer "+bobToken)
	if resp, _ := c.post(initialize); resp.StatusCode != 401 || !strings.Contains(resp.Header.Get("WWW-Authenticate"), origin+"/.well-known/oauth-protected-resource/one/mcp") {
		t.Errorf("without a token: %s, %v", resp.Status, resp.Header)
	}
	if runtime.GOOS == "windows" {
		return
	}
	write(t, dir, "mcp.json", `{"mcpServers": {`+one+", "+two+`}}`)
	c.signal(syscall.SIGHUP)
	c.logged(`msg="configuration read again" new_servers=1`)
	c.open(c.url, "Authorization", token)
	second := login(origin + "/two/mcp")
	c.open(origin+"/two/mcp", "Authorization", second)
	if resp, _ := c.request("POST", origin+"/two/mcp", initialize, "Authorization", token); resp.StatusCode != 401 {
		t.Errorf("the token of one is good for two: %s", resp.Status)
	}
	// Also what is revoked at the server that the reload has made is refused at
	// once, and only that.
	revoke(t, origin, token)
	if resp, _ := c.post(initialize, "Authorization", token); resp.StatusCode != 401 {
		t.Errorf("revoked token: %s", resp.Status)
	}
	c.open(origin+"/two/mcp", "Authorization", second)
	revoke(t, origin, second)
	if resp, _ := c.request("POST", origin+"/two/mcp", initialize, "Authorization", second); resp.StatusCode != 401 {
		t.Errorf("revoked token at the second server: %s", resp.Status)
	}
	if code, log := c.end(syscall.SIGTERM); code != 0 || strings.Contains(log, strings.TrimSpace(string(password))) {
		t.Errorf("exit code %d: %s", code, log)
	}
}

// A session with a remote server belongs to the person who started it, too.
func TestRemoteSessions(t *testing.T) {
	there := start(t, "--", "testserver", testserver.Good)
	dir := t.TempDir()
	file := write(t, dir, "mcp.json", `{"mcpServers": {"there": {"url": "`+there.url+`", "headers": {"X-Key": "k"}}}}`)
	c := start(t, "--config", file, "--token-file", write(t, dir, "tokens", "alice="+aliceToken+"\nbob="+bobToken))
	session := c.open(c.url, "Authorization", "Bearer "+aliceToken)
	if status := c.ping(c.url, session, "Authorization", "Bearer "+aliceToken); status != 200 {
		t.Errorf("alice: %d", status)
	}
	if status := c.ping(c.url, session, "Authorization", "Bearer "+bobToken); status != 404 {
		t.Errorf("bob: %d", status)
	}
}

// TestIdentityHeader: a reverse proxy says who calls.
func TestIdentityHeader(t *testing.T) {
	c := start(t, "--identity-header", "x-user-id", "--", "testserver", testserver.Good)
	session := c.open(c.url, "X-User-Id", "alice")
	for who, want := range map[string]int{"alice": http.StatusOK, "bob": http.StatusNotFound, "": http.StatusForbidden} {
		if got := c.ping(c.url, session, "X-User-Id", who); got != want {
			t.Errorf("the session of alice, for %q: %d, want %d", who, got, want)
		}
	}
	if got := c.ping(c.url, session); got != http.StatusForbidden {
		t.Errorf("without the header: %d", got)
	}
}
