// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/forwardauth"
)

// A service that Traefik, Caddy, nginx and Envoy ask.
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
	handler, err := forwardauth.New(forwardauth.Options{Routes: []forwardauth.Route{{Resource: res}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/verify", handler)
	mux.Handle(oauthdyn.WellKnownResource+"/", handler.MetadataHandler())
	fmt.Println("the proxy copies", handler.HeaderNames())

	// What the proxy asks for a client that has no token yet, and passes on.
	question := httptest.NewRequest("GET", "http://127.0.0.1:9001/verify", nil)
	question.Header.Set("X-Forwarded-Method", "POST")
	question.Header.Set("X-Forwarded-Host", "mcp.example.com")
	question.Header.Set("X-Forwarded-Uri", "/mcp")
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, question)
	fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))
	// Output:
	// the proxy copies [Authorization X-Auth-Token X-User-Id X-User-Name]
	// 401 Bearer scope="mcp", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
}

// The server gets the subject and the scopes, and under other names than by
// default.
func ExampleField() {
	headers := forwardauth.DefaultHeaders()
	fmt.Println(headers["X-User-Id"], headers["X-User-Name"])

	res, err := resource.New(resource.Options{
		Resource:             "https://mcp.example.com/mcp",
		AuthorizationServers: []string{"https://auth.example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := forwardauth.New(forwardauth.Options{
		Routes:  []forwardauth.Route{{Resource: res, Host: "mcp.internal", Path: "/"}},
		Headers: map[string]forwardauth.Field{"Remote-User": forwardauth.Subject, "Remote-Scope": forwardauth.Scope},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(handler.HeaderNames())
	// Output:
	// sub preferred_username
	// [Authorization Remote-Scope Remote-User X-Auth-Token]
}

// What headers can be about, for a program that reads their names from a file.
func ExampleFields() {
	fmt.Println(forwardauth.Fields())
	// Output: [sub preferred_username client_id iss scope jti]
}
