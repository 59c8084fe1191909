// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

func Example() {
	users := local.New()
	if err := users.Set("alice", "correct horse battery staple"); err != nil {
		fmt.Println(err)
		return
	}
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer:    "https://auth.example.com",
		Store:     memory.New(nil), // bolt.Open keeps it
		Login:     users,
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}},
		ScopeText: map[string]string{"mcp": "Use all tools of this server"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	// In real life: http.ListenAndServe("127.0.0.1:9000", srv), behind a proxy with TLS.
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil))
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"))
	// Output:
	// 200 application/json
}

// Authorization server and protected resource in one process: the resource reads
// keys without a request over the network, and learns of revocations at once.
func ExampleServer_Transport() {
	const uri = "https://mcp.example.com/mcp"
	revoked := new(resource.Revocations)
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: "https://auth.example.com", Store: memory.New(nil), Login: local.New(),
		Resources:   []authserver.Resource{{URI: uri, Scopes: []string{"mcp"}}},
		Clients:     []authserver.Client{{ID: "nightly-report", Secret: "read it from a file"}},
		Revocations: revoked,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	inside := &http.Client{Transport: srv.Transport(nil)}
	verifier, err := resource.NewJWTVerifier(resource.JWTOptions{
		Issuers: []string{"https://auth.example.com"}, Audience: uri, HTTPClient: inside,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := resource.New(resource.Options{
		Resource: uri, AuthorizationServers: []string{"https://auth.example.com"},
		Verifier: verifier, Revocations: revoked,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	program, err := oauthdyn.New(oauthdyn.Config{
		AuthServer: "https://auth.example.com", Flow: oauthdyn.ClientCredentials{}, HTTPClient: inside,
		ClientID: "nightly-report", ClientSecret: "read it from a file",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := program.Authenticate(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	principal, err := res.Verify(context.Background(), token.AccessToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(principal.Subject, principal.IsClient())
	// Output: nightly-report true
}

// A program that the operator knows gets a token for itself, and a resource
// server asks what it is good for.
func ExampleClient() {
	ts := httptest.NewUnstartedServer(nil)
	issuer := "http://" + ts.Listener.Addr().String()
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: issuer, Store: memory.New(nil), Login: local.New(),
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"read", "write"}}},
		Clients: []authserver.Client{{
			ID: "nightly-report", Secret: "read it from a file", Scopes: []string{"read"},
		}},
		ResourceServers: []authserver.ResourceServer{{ID: "mcp-server", Secret: "read it from another file"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	ts.Config.Handler = srv
	ts.Start()
	defer ts.Close()

	ctx := context.Background()
	program, err := oauthdyn.New(oauthdyn.Config{
		AuthServer: issuer, Flow: oauthdyn.ClientCredentials{},
		ClientID: "nightly-report", ClientSecret: "read it from a file",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := program.Authenticate(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := oauthdyn.New(oauthdyn.Config{
		AuthServer: issuer, ClientID: "mcp-server", ClientSecret: "read it from another file",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := server.IntrospectToken(ctx, token.AccessToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Active, answer.Subject, answer.Scopes)
	// Output: true nightly-report [read]
}

// A job of a CI service needs no secret: the service vouches for it.
func ExampleWorkload() {
	job := authserver.Client{
		ID: "release-notes",
		Workload: &authserver.Workload{
			Issuer:  authserver.Issuer{ID: "https://token.actions.githubusercontent.com"},
			Subject: "repo:example/app:ref:refs/heads/main",
		},
		Resources: []string{"https://mcp.example.com/mcp"},
	}
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: "https://auth.example.com", Store: memory.New(nil), Login: local.New(),
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}},
		Clients:   []authserver.Client{job},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	fmt.Println(job)
	// Output: client release-notes
}

// A server that is not open to every client: they cannot come with a document
// of theirs, and one network registers one client in a minute.
func ExampleRegistration() {
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: "https://auth.example.com", Store: memory.New(nil), Login: local.New(),
		Resources:       []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}},
		ClientDocuments: authserver.ClientDocuments{Off: true},
		Registration:    authserver.Registration{PerNetwork: 1, AlwaysNew: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	for range 2 {
		r := httptest.NewRequest("POST", "/register", strings.NewReader(`{"redirect_uris":["https://app.example.com/callback"]}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		fmt.Println(w.Code, http.StatusText(w.Code))
	}
	// Output:
	// 201 Created
	// 429 Too Many Requests
}

// The signing keys of a server, seen and rotated by a program that has its
// store. A running server has them at Server.Keys.
func ExampleOpenKeys() {
	ctx, db := context.Background(), memory.New(nil)
	srv, err := authserver.New(ctx, authserver.Options{
		Issuer: "https://auth.example.com", Store: db, Login: local.New(),
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Close()

	keys, err := authserver.OpenKeys(authserver.KeyOptions{Store: db, Algorithm: authserver.ES256})
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := keys.Rotate(ctx, authserver.KeyRotation{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range list.Keys {
		fmt.Println(key.Algorithm, key.State)
	}
	if next := list.Keys[1]; next.State == authserver.KeyNext {
		fmt.Println("signs in", time.Until(next.Signs).Round(time.Hour))
	}
	// Output:
	// ES256 active
	// ES256 next
	// signs in 1h0m0s
}

// A server that takes the place of another one keeps on accepting its tokens.
func ExampleNewKeyImport() {
	ctx, db := context.Background(), memory.New(nil)
	old, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // the other server's key
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := authserver.OpenKeys(authserver.KeyOptions{Store: db})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := authserver.NewKeyImport(old, "blue-key-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := keys.Import(ctx, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(list.Changed, list.Keys[0].State, list.Keys[0].Imported)
	// Output: blue-key-1 retired true
}

// People that another server has signed in are moved to a store, with what the
// login here wants to know of them at the next refresh.
func ExampleAccountRecord() {
	record, err := authserver.AccountRecord(authserver.User{
		Subject: "staff:4711", Name: "Alice", Account: `{"team":"support"}`,
	}, time.Now().Add(180*24*time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(memory.New(nil).Import(context.Background(), []store.Record{record}))
	// Output: <nil>
}
