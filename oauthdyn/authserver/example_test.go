// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
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
