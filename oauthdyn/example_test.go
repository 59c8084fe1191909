// SPDX-License-Identifier: Apache-2.0

package oauthdyn_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// A program that calls a protected server: New, then HTTPClient.
func ExampleNew() {
	server, person, stop := protectedServer()
	defer stop()

	client, err := oauthdyn.New(oauthdyn.Config{
		Resource:   server, // such as https://mcp.example.com/mcp
		ClientName: "Example",
		OpenURL:    person.Open, // leave it out to use the system's browser
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.HTTPClient().Get(server) // signs in on the way
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%s %s %v\n", resp.Status, body, err)
	// Output:
	// 200 OK hello alice <nil>
}

// A program that has a web address publishes what it is.
func ExampleNewMetadataHandler() {
	h, err := oauthdyn.NewMetadataHandler("https://app.example.com/oauth/client.json", oauthdyn.ClientMetadata{ClientName: "My program"})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/oauth/client.json", nil))
	fmt.Println(w.Body)
	// Output:
	// {
	//   "client_id": "https://app.example.com/oauth/client.json",
	//   "redirect_uris": [
	//     "http://127.0.0.1/callback",
	//     "http://localhost/callback"
	//   ],
	//   "token_endpoint_auth_method": "none",
	//   "grant_types": [
	//     "authorization_code",
	//     "refresh_token"
	//   ],
	//   "response_types": [
	//     "code"
	//   ],
	//   "client_name": "My program"
	// }
}

// A program without a screen shows the address and waits for the redirect.
func ExampleClient_HTTPClient_headless() {
	server, person, stop := protectedServer()
	defer stop()

	client, err := oauthdyn.New(oauthdyn.Config{
		Resource:   server,
		ClientName: "Headless example",
		OpenURL: func(ctx context.Context, authorizationURL string) error {
			fmt.Println("Open the address on this machine to sign in.")
			return person.Open(ctx, authorizationURL) // here somebody does it at once
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.HTTPClient().Get(server)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// Open the address on this machine to sign in.
	// 200 OK
}

// With a file the next run of the program finds the grant and asks nobody.
func ExampleFileStore() {
	server, person, stop := protectedServer()
	defer stop()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	config := oauthdyn.Config{
		Resource: server,
		OpenURL:  person.Open,
		Store:    oauthdyn.NewFileStore(filepath.Join(dir, "credentials.json")),
	}

	first, err := oauthdyn.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := first.Authenticate(context.Background()); err != nil {
		fmt.Println(err)
		return
	}

	config.OpenURL = func(context.Context, string) error { panic("nobody is asked") }
	second, err := oauthdyn.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := second.TokenSource(context.Background()).Token()
	fmt.Println(token.Valid(), err)
	// Output:
	// true <nil>
}

// Discovery explains itself: each step, and what was found in the end.
func ExampleClient_Discover() {
	server, _, stop := protectedServer()
	defer stop()

	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: server,
		Trace: func(s oauthdyn.DiscoveryStep) {
			if s.Kind != oauthdyn.StepServer { // the others are requests
				fmt.Printf("%s: %s, %v\n", s.Kind, s.Response.Status, s.Err)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := client.Discover(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("tokens are for this resource:", found.Resource == server)
	fmt.Println("scopes:", found.ResourceMetadata.ScopesSupported)
	fmt.Println("registration is open:", found.Server.RegistrationEndpoint != "")
	// Output:
	// challenge: 401 Unauthorized, <nil>
	// resource metadata: 200 OK, <nil>
	// server metadata: 200 OK, <nil>
	// tokens are for this resource: true
	// scopes: [mcp]
	// registration is open: true
}

// What the authorization server answers is an *Error; all else went wrong on
// the way.
func ExampleError() {
	server, person, stop := protectedServer()
	defer stop()
	person.Deny = true

	client, err := oauthdyn.New(oauthdyn.Config{Resource: server, OpenURL: person.Open})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Authenticate(context.Background())
	if errors.Is(err, &oauthdyn.Error{Code: oauthdyn.CodeAccessDenied}) {
		fmt.Println("The person said no.")
	}
	// Output:
	// The person said no.
}

// What a client has can be looked at, and printed: no secret shows.
func ExampleClient_StoredGrant() {
	server, person, stop := protectedServer()
	defer stop()
	ctx := context.Background()

	store := oauthdyn.NewMemoryStore() // what a nil Config.Store is
	client, err := oauthdyn.New(oauthdyn.Config{Resource: server, OpenURL: person.Open, Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.StoredGrant(ctx)
	fmt.Println("before:", errors.Is(err, oauthdyn.ErrNotSignedIn))

	if _, err := client.Authenticate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	stored, err := client.StoredGrant(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("after:", stored.Grant.Scopes, "refreshable:", stored.Grant.RefreshToken != "")
	fmt.Println("printed:", strings.ReplaceAll(fmt.Sprint(stored.Grant), server, "SERVER"))
	// Output:
	// before: true
	// after: [mcp offline_access] refreshable: true
	// printed: grant for SERVER
}

// What the authorization server has registered can be read and changed.
func ExampleClient_UpdateRegistration() {
	server, _, stop := protectedServer()
	defer stop()
	ctx := context.Background()

	client, err := oauthdyn.New(oauthdyn.Config{Resource: server, ClientName: "Example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := client.Register(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.ClientName, info.GrantTypes)

	info, err = client.UpdateRegistration(ctx, func(m *oauthdyn.ClientMetadata) {
		m.ClientName = "Example, renamed"
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.ClientName)

	stored, err := client.StoredRegistration(ctx) // asks nobody
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stored.Registration.Client.ClientName)
	// Output:
	// Example [authorization_code refresh_token]
	// Example, renamed
	// Example, renamed
}

// A server that has registered by hand asks what a token is good for.
func ExampleClient_IntrospectToken() {
	server, person, stop := protectedServer()
	defer stop()
	ctx := context.Background()

	caller, err := oauthdyn.New(oauthdyn.Config{Resource: server, OpenURL: person.Open})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := caller.Authenticate(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}

	reports, err := oauthdyn.New(oauthdyn.Config{
		Resource: server, ClientID: "reports", ClientSecret: "read it from a file",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := reports.IntrospectToken(ctx, token.AccessToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Active, answer.Username, answer.Scopes)
	// Output:
	// true alice [mcp offline_access]
}

// The key of a sealed file is kept elsewhere, for example by package keyring.
func ExampleNewSealedFileStore() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name, key := filepath.Join(dir, "credentials.json"), make([]byte, oauthdyn.SealedKeyBytes)
	rand.Read(key)

	store, err := oauthdyn.NewSealedFileStore(name, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := store.Save(ctx, "a", &oauthdyn.Credentials{Issuer: "https://auth.example.com"}); err != nil {
		fmt.Println(err)
		return
	}
	text, err := os.ReadFile(name)
	fmt.Println("in the file:", strings.Contains(string(text), "auth.example.com"), err)
	all, err := store.List(ctx)
	fmt.Println("in the store:", all[0].Issuer, err)
	// Output:
	// in the file: false <nil>
	// in the store: https://auth.example.com <nil>
}

// A store of one's own keeps records as JSON, in a database for example. As a
// Locker it has programs that share it refresh a token once.
func ExampleCredentialStore() {
	server, person, stop := protectedServer()
	defer stop()

	var shared oauthdyn.CredentialStore = &table{rows: map[string][]byte{}}
	_, coordinates := shared.(oauthdyn.Locker)
	client, err := oauthdyn.New(oauthdyn.Config{Resource: server, OpenURL: person.Open, Store: shared})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Authenticate(context.Background())
	fmt.Println(coordinates, len(shared.(*table).rows) > 0, err)
	// Output:
	// true true <nil>
}

// table stands for a table of a database.
type table struct {
	mu   sync.Mutex
	rows map[string][]byte
	row  sync.Mutex // a real one locks a row
}

func (t *table) Load(_ context.Context, key string) (*oauthdyn.Credentials, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, ok := t.rows[key]
	if !ok {
		return nil, oauthdyn.ErrNoCredentials
	}
	c := new(oauthdyn.Credentials)
	return c, json.Unmarshal(text, c)
}

func (t *table) Save(_ context.Context, key string, c *oauthdyn.Credentials) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[key] = text
	return nil
}

func (t *table) Delete(_ context.Context, key string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rows, key)
	return nil
}

func (t *table) Lock(context.Context, string) (unlock func(), err error) {
	t.row.Lock()
	return t.row.Unlock, nil
}

// protectedServer starts an authorization server and a resource that greets
// people, and returns the resource's URL and a person who can sign in.
func protectedServer() (resourceURL string, person *browser.Browser, stop func()) {
	as, rs := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	issuer := "http://" + as.Listener.Addr().String()
	resourceURL = "http://" + rs.Listener.Addr().String() + "/mcp"

	person = new(browser.Browser)
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: issuer, Store: memory.New(nil), Login: onlyAlice{},
		Resources:       []authserver.Resource{{URI: resourceURL, Scopes: []string{"mcp"}}},
		ResourceServers: []authserver.ResourceServer{{ID: "reports", Secret: "read it from a file"}},
	})
	must(err)
	guard, err := resource.New(resource.Options{
		Resource: resourceURL, AuthorizationServers: []string{issuer}, Scopes: []string{"mcp"},
	})
	must(err)
	mux := http.NewServeMux()
	mux.Handle(guard.MetadataPath(), guard.MetadataHandler())
	mux.Handle("/mcp", guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := resource.FromContext(r.Context())
		fmt.Fprint(w, "hello ", p.Username)
	})))
	as.Config.Handler, rs.Config.Handler = srv, mux
	as.Start()
	rs.Start()
	return resourceURL, person, func() { rs.Close(); as.Close(); srv.Close() }
}

// onlyAlice signs in whoever comes as alice. Packages local, github and oidc have
// real ways.
type onlyAlice struct{}

func (onlyAlice) ServeLogin(http.ResponseWriter, *http.Request, *authserver.Attempt) (*authserver.User, error) {
	return &authserver.User{Subject: "example:alice", Name: "alice"}, nil
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
