// SPDX-License-Identifier: Apache-2.0

//go:build unix

package migration_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issueScript does what the original's token endpoint does after a sign-in at
// GitHub, which a test cannot: its own code makes both tokens.
const issueScript = `
import asyncio, sys
from mcp_oauth_dynamicclient.auth_authlib import AuthManager
from mcp_oauth_dynamicclient.config import Settings
from mcp_oauth_dynamicclient.redis_client import RedisManager

async def issue():
    settings = Settings()
    redis = RedisManager(settings)
    await redis.initialize()
    manager = AuthManager(settings)
    access = await manager.create_jwt_token({
        "sub": "583231", "username": "octocat", "email": "", "name": "Mona",
        "scope": "openid profile email", "client_id": sys.argv[1]}, redis.client)
    refresh = await manager.create_refresh_token({
        "user_id": "583231", "username": "octocat", "client_id": sys.argv[1], "scope": "openid profile email"}, redis.client)
    await redis.close()
    return access, refresh

print("tokens", *asyncio.run(issue()))
`

// A left is what a client of the original has, when the original ends.
type left struct {
	ID           string `json:"client_id"`
	Secret       string `json:"client_secret"`
	Registration string `json:"registration_access_token"`
	access       string
	refresh      string
}

const redirectURI = "https://claude.ai/api/mcp/auth_callback"

// original runs the original with its Redis: a client registers, and somebody
// signs in.
func (s *sandbox) original() (client left) {
	s.Helper()
	redis := s.freePort()
	s.start(block{text: "exec redis-server --bind 127.0.0.1 --port " + redis + " --save '' --appendonly no --requirepass pass-of-redis"})
	s.await("127.0.0.1:" + redis)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		s.Fatal(err)
	}
	env := `BASE_DOMAIN=example.com
GITHUB_CLIENT_ID=id
GITHUB_CLIENT_SECRET=secret
JWT_SECRET=a-secret-of-at-least-32-characters
JWT_ALGORITHM=RS256
JWT_PRIVATE_KEY_B64=` + base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})) + `
REDIS_PASSWORD=pass-of-redis
REDIS_URL=redis://127.0.0.1:` + redis + `/0
ALLOWED_GITHUB_USERS=octocat
ACCESS_TOKEN_LIFETIME=86400      # 24 hours
REFRESH_TOKEN_LIFETIME=2592000   # 30 days
SESSION_TIMEOUT=3600             # 1 hour
CLIENT_LIFETIME=7776000
MCP_PROTOCOL_VERSION=2025-06-18
`
	if err := os.WriteFile(filepath.Join(s.dir, ".env"), []byte(env), 0o600); err != nil {
		s.Fatal(err)
	}
	port := s.freePort()
	const environment = "set -a; . ./.env; set +a; "
	end := s.start(block{text: environment + "LOG_LEVEL=ERROR exec uvx mcp-oauth-server --port " + port})
	s.await("127.0.0.1:" + port)
	response, body := s.post("http://127.0.0.1:"+port+"/register", "application/json", fmt.Sprintf(`{"redirect_uris":[%q],"client_name":"Claude"}`, redirectURI))
	if err := json.Unmarshal(body, &client); err != nil || response.StatusCode != http.StatusCreated {
		s.Fatalf("registration at the original: %s, %v", response.Status, err)
	}
	script := filepath.Join(s.dir, "issue.py")
	if err := os.WriteFile(script, []byte(issueScript), 0o600); err != nil {
		s.Fatal(err)
	}
	for line := range strings.Lines(s.run(block{text: environment + "uvx python " + script + " " + client.ID})) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "tokens" {
			client.access, client.refresh = words[1], words[2]
		}
	}
	if client.refresh == "" {
		s.Fatal("the original's code has issued no tokens")
	}
	end()
	return client
}

func (s *sandbox) await(address string) {
	s.Helper()
	for deadline := time.Now().Add(connectTimeout); time.Now().Before(deadline); {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond) // between two attempts; nothing says when to try
	}
	s.Fatalf("nobody listens on %s", address)
}

func (s *sandbox) post(url, contentType, body string) (*http.Response, []byte) {
	s.Helper()
	return s.do(http.MethodPost, url, contentType, "", body)
}

// do sends a request as a proxy in front does, which keeps the host, or asks
// about a call of the MCP server.
func (s *sandbox) do(method, url, contentType, bearer, body string) (*http.Response, []byte) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Host = "auth.example.com"
	req.Header.Set("Content-Type", contentType)
	if strings.HasSuffix(url, "/verify") {
		for name, value := range map[string]string{"Method": http.MethodPost, "Proto": "https", "Host": "mcp.example.com", "Uri": "/mcp"} {
			req.Header.Set("X-Forwarded-"+name, value)
		}
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		s.Fatal(err)
	}
	return response, data
}

// What a client has from the original goes on at ours, after the page's
// commands: its id and secret, its refresh token, its registration access token.
func TestOriginal(t *testing.T) {
	require(t)
	t.Parallel()
	s := newSandbox(t)
	client := s.original()
	issuer := ""
	for _, b := range readPage(t, "original.md").blocks {
		switch {
		case b.has("was") || b.has("now") || b.language != "sh":
		case b.has("server"):
			s.start(b)
			issuer = strings.TrimSuffix(s.endpointOf(b), "/jwks")
			s.await(strings.TrimPrefix(issuer, "http://"))
		default:
			if said := s.run(b); strings.Contains(said, "migrate") || !strings.Contains(said, "Took over 1 clients and 1 grants; left out 0.") {
				t.Errorf("the migration says:\n%s", said)
			}
		}
	}
	_, keys := s.do(http.MethodGet, issuer+"/jwks", "", "", "")
	if !bytes.Contains(keys, []byte(`"blessed-key-1"`)) {
		t.Errorf("the old key is not among the keys: %s", keys)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "client_id": {client.ID}, "client_secret": {client.Secret}, "refresh_token": {client.refresh}}
	response, body := s.post(issuer+"/token", "application/x-www-form-urlencoded", refresh.Encode())
	var token struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(body, &token); err != nil || response.StatusCode != http.StatusOK || token.RefreshToken == "" || token.RefreshToken == client.refresh {
		t.Fatalf("refresh with the original's token: %s, %v, %s", response.Status, err, body)
	}
	if response, _ = s.do(http.MethodGet, issuer+"/verify", "", client.access, ""); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("an access token of the original: %s", response.Status)
	}
	response, _ = s.do(http.MethodGet, issuer+"/verify", "", token.AccessToken, "")
	if response.Header.Get("X-User-Id") != "github:583231" || response.Header.Get("X-User-Name") != "octocat" {
		t.Errorf("the new token is not octocat's: %s, %v", response.Status, response.Header)
	}
	response, body = s.do(http.MethodGet, issuer+"/register/"+client.ID, "", client.Registration, "")
	if response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(redirectURI)) {
		t.Errorf("the registration, with the original's token: %s, %s", response.Status, body)
	}
	for _, id := range []string{client.ID, "client_unknown"} {
		if response, _ := s.do(http.MethodGet, issuer+"/register/"+id, "", "reg-wrong", ""); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("the registration of %s, with a wrong token: %s", id, response.Status)
		}
	}
	if response, _ := s.do(http.MethodGet, issuer+"/authorize?response_type=code&state=s", "", "", ""); response.StatusCode != http.StatusBadRequest {
		t.Errorf("/authorize without a client: %s", response.Status)
	}
	authorize := url.Values{"client_id": {client.ID}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "state": {"s"}}
	response, _ = s.do(http.MethodGet, issuer+"/authorize?"+authorize.Encode(), "", "", "")
	if location := response.Header.Get("Location"); response.StatusCode/100 != 3 || !strings.HasPrefix(location, redirectURI) || !strings.Contains(location, "error=invalid_request") {
		t.Errorf("/authorize without PKCE: %s to %s", response.Status, location)
	}
}

// The servers answer as they did, and a client's configuration works.
func TestOriginalServers(t *testing.T) {
	require(t)
	p := readPage(t, "original.md")
	pairs := p.pairs(t)
	if len(pairs) != 1 {
		t.Fatalf("%d pairs", len(pairs))
	}
	s := newSandbox(t)
	s.swaps = []string{remoteURL, s.remote()}
	if err := os.WriteFile(filepath.Join(s.dir, "mcp.json"), []byte(p.file(t, "mcp.json")), 0o600); err != nil {
		t.Fatal(err)
	}
	was := s.answer(pairs[0].was)
	for _, now := range pairs[0].now {
		got := s.answer(now)
		if now.language == "json" {
			if got.Said["echo"] == "" {
				t.Errorf("line %d: %v", now.line, got)
			}
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(was) {
			t.Errorf("line %d: %v, and was %v", now.line, got, was)
		}
	}
}

// file is the text of a file that a page shows.
func (p *page) file(t *testing.T, name string) string {
	t.Helper()
	for _, b := range p.blocks {
		if b.has(name) {
			return b.text
		}
	}
	t.Fatalf("%s does not show %s", p.name, name)
	return ""
}

// Each flag of the old client leads somewhere, and each command that stands for
// it is one.
func TestOriginalClient(t *testing.T) {
	require(t)
	s := newSandbox(t)
	var listed strings.Builder
	for _, row := range readPage(t, "original.md").table(t, "mcp-streamablehttp-client") {
		listed.WriteString(row[0] + "\n")
		for _, command := range codes(row[1]) {
			if words := strings.Fields(command); words[0] == "shclient" {
				s.run(block{text: "shclient " + words[1] + " --help"})
			}
		}
	}
	for _, match := range optionLine.FindAllStringSubmatch(s.run(block{text: "uvx mcp-streamablehttp-client --help 2>&1"}), -1) {
		if match[1] != "--help" && !strings.Contains(listed.String(), "`"+match[1]) {
			t.Errorf("%s is not in the table", match[1])
		}
	}
}

// codes are the pieces of code in a cell.
func codes(cell string) (found []string) {
	for i, piece := range strings.Split(cell, "`") {
		if i%2 == 1 {
			found = append(found, piece)
		}
	}
	return found
}

// Each variable that the originals read is explained, on the page or in the
// README that it leads to.
func TestOriginalVariables(t *testing.T) {
	require(t)
	const list = `
import inspect
from mcp_oauth_dynamicclient.config import Settings as Auth
from mcp_streamablehttp_client.config import Settings as Client
print("page", *[name.upper() for name in Auth.model_fields])
print("shclient", *[(f.validation_alias or f.alias or name).upper() if isinstance(f.validation_alias or f.alias or name, str) else name.upper() for name, f in Client.model_fields.items()])
`
	s := newSandbox(t)
	script := filepath.Join(s.dir, "list.py")
	if err := os.WriteFile(script, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	shclient, err := os.ReadFile("../../shclient/README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := readPage(t, "original.md").text
	texts := map[string]string{"page": page, "shclient": string(shclient) + page}
	n := 0
	for line := range strings.Lines(s.run(block{text: "uvx python " + script})) {
		words := strings.Fields(line)
		for _, name := range words[1:] {
			n++
			if !strings.Contains(texts[words[0]], name) {
				t.Errorf("%s: %s is not explained", words[0], name)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d variables were found", n)
	}
}
