// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// person signs in with what a client asks for.
func (s *stack) person() *browser.Browser {
	return &browser.Browser{Username: username, Password: password, Client: s.httpClient()}
}

// ask makes a request and decodes the answer, which must have the status.
func (s *stack) ask(method, address, contentType, body string, status int, answer any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode != status {
		s.t.Fatalf("%s %s: %s, %v: %s", method, address, res.Status, err, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, address, err, text)
	}
}

// walk takes each step of a client by hand: 401, RFC 9728, RFC 8414, RFC 7591,
// the pages, RFC 6749 with RFC 7636 and RFC 8707, and a call.
func (s *stack) walk() {
	refused := s.send("POST", "/mcp", "")
	challenge, _ := oauthdyn.BearerChallenge(refused.Header)
	s.lines.add("POST "+s.mcp, refused.Status+", metadata at "+challenge.ResourceMetadata())
	var resource struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
	}
	s.ask("GET", challenge.ResourceMetadata(), "", "", 200, &resource)
	if resource.Resource != s.mcp || !slices.Equal(resource.Servers, []string{s.issuer}) {
		s.t.Fatalf("metadata of the resource: %+v", resource)
	}
	s.lines.add("GET that (RFC 9728)", "authorization server "+s.issuer)
	type serverMetadata struct {
		Issuer        string
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
		Registration  string `json:"registration_endpoint"`
	}
	var server, old serverMetadata
	s.ask("GET", s.issuer+"/.well-known/oauth-authorization-server", "", "", 200, &server)
	s.ask("GET", "https://mcp."+domain+"/.well-known/oauth-authorization-server", "", "", 200, &old)
	if server.Issuer != s.issuer || server.Registration != s.issuer+"/register" || old != server {
		s.t.Fatalf("metadata of the authorization server: %+v; on the host of the server, for old clients: %+v", server, old)
	}
	s.lines.add("GET its metadata (RFC 8414)", "the same at mcp."+domain+", for clients of 2025-03-26")

	const redirect = "http://127.0.0.1:1/callback"
	var client struct {
		ID string `json:"client_id"`
	}
	s.ask("POST", server.Registration, "application/json",
		`{"client_name":"walk","redirect_uris":["`+redirect+`"],"token_endpoint_auth_method":"none","application_type":"native"}`, 201, &client)
	s.lines.add("POST "+server.Registration+" (RFC 7591)", "201")

	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {redirect}, "state": {"st"}, "resource": {s.mcp}, "scope": {strings.Join(challenge.Scopes(), " ")},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	callback, err := s.person().Authorize(s.t.Context(), server.Authorization+"?"+query.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	got := callback.Query()
	if got.Get("code") == "" || got.Get("state") != "st" || got.Get("iss") != s.issuer {
		s.t.Fatalf("callback: %v", got)
	}
	s.lines.add("consent and password, on its pages", "redirected with a code")
	var token struct {
		Token string `json:"access_token"`
		Scope string
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "client_id": {client.ID}, "redirect_uri": {redirect}, "code_verifier": {verifier}, "resource": {s.mcp},
	}
	s.ask("POST", server.Token, "application/x-www-form-urlencoded", form.Encode(), 200, &token)
	s.lines.add("POST "+server.Token, "an access token, scope "+token.Scope)
	s.server.take()
	if res := s.send("GET", "/mcp", token.Token); res.StatusCode == 401 || res.StatusCode == 403 {
		s.t.Errorf("with the token: %s", res.Status)
	}
}

// auth is a client of a server.
func (s *stack) auth(resource string, scopes []string, signIns *int) *oauthdyn.Client {
	s.t.Helper()
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: resource, Scopes: scopes, HTTPClient: s.httpClient(),
		OpenURL: func(ctx context.Context, url string) error {
			*signIns++
			return s.person().Open(ctx, url)
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// token signs in for some scopes.
func (s *stack) token(resource string, scopes ...string) string {
	s.t.Helper()
	token, err := s.auth(resource, scopes, new(int)).Authenticate(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return token.AccessToken
}

// client is an ordinary MCP client that knows the address and nothing else: it
// finds the way from the 401, sees a stream as it comes, and asks for a further
// scope when a tool needs it.
func (s *stack) client() {
	signIns := 0
	auth := s.auth(s.mcp, nil, &signIns)
	gate := filepath.Join(s.t.TempDir(), "gate")
	progress := 0
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v0"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) {
			progress++
			// The tool waits for this before each step: a proxy that buffers
			// would wait for it.
			if err := os.WriteFile(fmt.Sprint(gate, progress), nil, 0o600); err != nil {
				s.t.Error(err)
			}
		},
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: s.mcp, HTTPClient: auth.HTTPClient(), DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	s.lines.add("MCP client connects", fmt.Sprintf("%s after %d sign-in", session.InitializeResult().ServerInfo.Name, signIns))
	if signIns != 1 {
		s.t.Errorf("signed in %d times", signIns)
	}
	call := &mcp.CallToolParams{Name: "count", Arguments: map[string]any{"gate": gate}}
	call.SetProgressToken("p")
	s.wantCall(session, call, "counted")
	s.lines.add("tools/call count, on an event stream", fmt.Sprintf("%d times progress, each before the next step", progress))
	if progress != steps {
		s.t.Errorf("saw progress %d times", progress)
	}
	seen := s.server.take()
	for _, r := range seen {
		if r.Header.Get("X-User-Id") != "local:alice" || r.Header.Get("X-User-Name") != "alice" || r.Header.Get("Authorization") != "" {
			s.t.Errorf("%s %s reached the server with %v", r.Method, r.URL, r.Header)
		}
	}
	s.wantCall(session, &mcp.CallToolParams{Name: "wipe"}, "wiped")
	if s.name != "alone" && len(seen) == 0 || signIns > 2 {
		s.t.Errorf("%d requests seen, signed in %d times", len(seen), signIns)
	}
	s.lines.add("tools/call wipe", fmt.Sprintf("wiped; signed in %d times in all, step-up included", signIns))
}

func (s *stack) wantCall(session *mcp.ClientSession, call *mcp.CallToolParams, want string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	result, err := session.CallTool(ctx, call)
	if err != nil {
		s.t.Fatalf("%s: %v", call.Name, err)
	}
	if text, ok := result.Content[0].(*mcp.TextContent); !ok || !strings.Contains(text.Text, want) {
		s.t.Errorf("%s: %+v", call.Name, result.Content[0])
	}
}

// bearer adds a token.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// fetches uses the other server, which refuses what is not public.
func (s *stack) fetches(token string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v0"}, nil).Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: s.fetch, HTTPClient: &http.Client{Transport: bearer{token, s.transport}}, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	s.wantCall(session, &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": "http://127.0.0.1/"}}, "not an address of the public Internet")
	s.lines.add("tools/call fetch at "+s.fetch, "fetchserver answers: 127.0.0.1 is not public")
}

// stream wants each event when it is sent.
func (s *stack) stream(path, token string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "https://mcp."+domain+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	for _, want := range []string{"data: 1\n\n", "data: 2\n\n"} {
		event := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, event); err != nil || string(event) != want {
			s.t.Fatalf("%s, event %q, error %v", res.Status, event, err)
		}
		if want == "data: 1\n\n" {
			select {
			case s.server.more <- struct{}{}:
			case <-ctx.Done():
				s.t.Fatal("the stream is not open at the server any more")
			}
		}
	}
	s.lines.add("GET "+path, "the first event before the second is sent")
}
