// SPDX-License-Identifier: Apache-2.0

package oauthdyn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
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

// A program that acts on its own behalf authenticates with a private key.
func ExampleClientCredentials() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // read it from a file
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource:  "https://mcp.example.com/mcp",
		ClientID:  "nightly-report",
		ClientKey: key,
		Flow:      oauthdyn.ClientCredentials{},
	})
	fmt.Println(client, err)
	// Output:
	// configuration of nightly-report for https://mcp.example.com/mcp <nil>
}

// A person signs in with the browser of another machine.
func ExampleDeviceCode() {
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: "https://mcp.example.com/mcp",
		Flow: oauthdyn.DeviceCode{Prompt: func(_ context.Context, a oauthdyn.DeviceAuthorization) error {
			_, err := fmt.Printf("Open %s and enter %s\n", a.VerificationURI, a.UserCode)
			return err
		}},
	})
	fmt.Println(client, err)
	// Output:
	// configuration of MCP client for https://mcp.example.com/mcp <nil>
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

func ExampleParseChallenges() {
	h := http.Header{}
	h.Add("WWW-Authenticate", `Basic realm="a, b", Bearer error="insufficient_scope", scope="mcp:write"`)
	for _, c := range oauthdyn.ParseChallenges(h) {
		fmt.Println(c.Scheme, c.Code(), c.Scopes())
	}
	// Output:
	// basic  []
	// bearer insufficient_scope [mcp:write]
}

// protectedServer starts an authorization server and a resource that greets
// people, and returns the resource's URL and a person who can sign in.
func protectedServer() (resourceURL string, person *browser.Browser, stop func()) {
	as, rs := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	issuer := "http://" + as.Listener.Addr().String()
	resourceURL = "http://" + rs.Listener.Addr().String() + "/mcp"

	person = &browser.Browser{Username: "alice", Password: "correct horse battery staple"}
	users := local.New()
	must(users.Set(person.Username, person.Password))
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer: issuer, Store: memory.New(nil), Login: users,
		Resources: []authserver.Resource{{URI: resourceURL, Scopes: []string{"mcp"}}},
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

func must(err error) {
	if err != nil {
		panic(err)
	}
}
