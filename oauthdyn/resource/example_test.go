// SPDX-License-Identifier: Apache-2.0

package resource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// A handler behind the middleware, and what somebody without a token gets.
func Example() {
	res, err := resource.New(resource.Options{
		Resource:             "https://mcp.example.com/mcp",
		AuthorizationServers: []string{"https://auth.example.com"},
		RequiredScopes:       []string{"mcp"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mcp := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := resource.FromContext(r.Context())
		fmt.Fprintln(w, "hello", p.Username)
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", res.Middleware(mcp))
	mux.Handle(res.MetadataPath(), res.MetadataHandler())

	srv := httptest.NewServer(mux)
	defer srv.Close()
	reply, err := http.Get(srv.URL + "/mcp")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reply.Body.Close()
	_, _ = io.Copy(io.Discard, reply.Body)
	fmt.Println(reply.Status)
	fmt.Println(reply.Header.Get("WWW-Authenticate"))
	// Output:
	// 401 Unauthorized
	// Bearer scope="mcp", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
}

// Tools that write need another scope than the rest, and who may write may read.
func ExampleRule() {
	issuer, token, stop := authorizationServer("https://mcp.example.com/mcp")
	defer stop()
	res, err := resource.New(resource.Options{
		Resource:             "https://mcp.example.com/mcp",
		AuthorizationServers: []string{issuer},
		RequiredScopes:       []string{"read"},
		Rules: []resource.Rule{{
			MCPMethods: []string{"tools/call"}, MCPNames: []string{"delete_file"}, Scopes: []string{"write"},
		}},
		Implies: map[string][]string{"write": {"read"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, scope := range []string{"read", "write"} {
		call := httptest.NewRequest("POST", "https://mcp.example.com/mcp", nil)
		call.Header.Set("Authorization", "Bearer "+token(scope))
		call.Header.Set("MCP-Protocol-Version", "2026-07-28")
		call.Header.Set("Mcp-Method", "tools/call")
		call.Header.Set("Mcp-Name", "delete_file")
		principal, refusal := res.Check(call)
		if refusal != nil {
			fmt.Println(scope, "is refused:", refusal.Status, refusal.Code)
			continue
		}
		fmt.Println(scope, "passes for", principal.ClientID)
	}
	// Output:
	// read is refused: 403 insufficient_scope
	// write passes for nightly-report
}

// Several resources share one verifier, and with it what it remembers. Each
// accepts only the tokens that are for itself.
func ExampleNewJWTVerifier() {
	issuer, token, stop := authorizationServer("https://mcp.example.com/files")
	defer stop()
	verifier, err := resource.NewJWTVerifier(resource.JWTOptions{
		Issuers:        []string{issuer},
		Audience:       "https://mcp.example.com/files",
		OtherAudiences: []string{"https://mcp.example.com/mail"},
		Algorithms:     []string{"ES256"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"files", "mail"} {
		res, err := resource.New(resource.Options{
			Resource:             "https://mcp.example.com/" + name,
			AuthorizationServers: []string{issuer},
			Verifier:             verifier,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		principal, err := res.Verify(context.Background(), token("read"))
		if errors.Is(err, resource.ErrInvalidToken) {
			fmt.Println(name, "does not accept it")
			continue
		}
		fmt.Println(name, "is called by", principal.Subject, principal.Scopes)
	}
	// Output:
	// files is called by nightly-report [read]
	// mail does not accept it
}

// The authorization server is asked, at most once in MaxAge for each token: it
// notices revocations, and its tokens may have any form.
func ExampleNewIntrospectionVerifier() {
	issuer, token, stop := authorizationServer("https://mcp.example.com/mcp")
	defer stop()
	options := resource.IntrospectionOptions{
		Issuer:       issuer,
		ClientID:     "mcp-server",
		ClientSecret: "read it from a file",
		Audience:     "https://mcp.example.com/mcp",
		MaxAge:       5 * time.Second,
	}
	fmt.Println(strings.Contains(options.String(), "read it from a file")) // it can be logged
	verifier, err := resource.NewIntrospectionVerifier(options)
	if err != nil {
		fmt.Println(err)
		return
	}
	principal, err := verifier.Verify(context.Background(), token("read", "write"))
	fmt.Println(principal.ClientID, principal.HasScopes("write"), err)
	_, err = verifier.Verify(context.Background(), "a token of somebody else")
	fmt.Println(errors.Is(err, resource.ErrInvalidToken))
	// Output:
	// false
	// nightly-report true <nil>
	// true
}

// Access tokens end before they expire.
func ExampleRevocations() {
	issuer, token, stop := authorizationServer("https://mcp.example.com/mcp")
	defer stop()
	revoked := new(resource.Revocations)
	res, err := resource.New(resource.Options{
		Resource:             "https://mcp.example.com/mcp",
		AuthorizationServers: []string{issuer},
		Revocations:          revoked,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stolen := context.Background(), token("read")
	principal, err := res.Verify(ctx, stolen)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := revoked.Add(resource.Revocation{Issuer: issuer, ClientID: principal.ClientID}); err != nil {
		fmt.Println(err)
		return
	}
	_, err = res.Verify(ctx, stolen)
	fmt.Println(revoked.Revoked(principal), errors.Is(err, resource.ErrInvalidToken))
	// Output:
	// true true
}

// apiKeys is a verifier for keys that were handed out by hand.
type apiKeys map[string]string

// Verify implements resource.Verifier.
func (keys apiKeys) Verify(_ context.Context, token string) (*resource.Principal, error) {
	name, ok := keys[token]
	if !ok {
		return nil, fmt.Errorf("%w: unknown key", resource.ErrInvalidToken)
	}
	return &resource.Principal{
		Subject: name, Issuer: "https://auth.example.com", Audience: []string{"https://mcp.example.com/mcp"},
	}, nil
}

// Any rule can decide what a token is worth.
func ExampleVerifier() {
	var verifier resource.Verifier = apiKeys{"0c8ca2a9": "alice"}
	res, err := resource.New(resource.Options{
		Resource:             "https://mcp.example.com/mcp",
		AuthorizationServers: []string{"https://auth.example.com"},
		Verifier:             verifier,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range []string{"0c8ca2a9", "a-guess"} {
		request := httptest.NewRequest("GET", "https://mcp.example.com/mcp", nil)
		request.Header.Set("Authorization", "Bearer "+key)
		answer := httptest.NewRecorder()
		res.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := resource.FromContext(r.Context())
			fmt.Fprint(w, "hello ", p.Subject)
		})).ServeHTTP(answer, request)
		fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	// Output:
	// 200 hello alice
	// 401 {"error":"invalid_token","error_description":"the access token is expired, revoked, malformed or not for this resource"}
}

// The test of a handler needs no token.
func ExampleNewContext() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		p, ok := resource.FromContext(r.Context())
		if !ok || !p.HasScopes("write") {
			http.Error(w, "not yours", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, "hello ", p.Username)
	}
	ctx := resource.NewContext(context.Background(), &resource.Principal{Username: "alice", Scopes: []string{"write"}})
	answer := httptest.NewRecorder()
	handler(answer, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	fmt.Println(answer.Code, answer.Body)
	// Output: 200 hello alice
}

// authorizationServer starts one that knows a program, nightly-report, and a
// resource server, mcp-server. token gets an access token for the program.
func authorizationServer(uri string) (issuer string, token func(scopes ...string) string, stop func()) {
	ts := httptest.NewUnstartedServer(nil)
	issuer = "http://" + ts.Listener.Addr().String()
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: issuer, Store: memory.New(nil), Login: local.New(),
		Resources:       []authserver.Resource{{URI: uri, Scopes: []string{"read", "write"}}},
		Clients:         []authserver.Client{{ID: "nightly-report", Secret: "read it from a file"}},
		ResourceServers: []authserver.ResourceServer{{ID: "mcp-server", Secret: "read it from a file"}},
	})
	if err != nil {
		panic(err)
	}
	ts.Config.Handler = srv
	ts.Start()
	token = func(scopes ...string) string {
		answer, err := http.PostForm(issuer+"/token", map[string][]string{
			"grant_type": {oauthdyn.GrantClientCredentials}, "resource": {uri}, "scope": {strings.Join(scopes, " ")},
			"client_id": {"nightly-report"}, "client_secret": {"read it from a file"},
		})
		if err != nil {
			panic(err)
		}
		defer answer.Body.Close()
		var got struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.AccessToken == "" {
			panic(fmt.Sprint(answer.Status, err))
		}
		return got.AccessToken
	}
	return issuer, token, func() { ts.Close(); srv.Close() }
}
