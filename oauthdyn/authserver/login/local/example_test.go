// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	users, err := local.Open(filepath.Join(dir, "users"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := users.Set("alice", "correct horse battery staple"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(users.Verify(context.Background(), "alice", "correct horse battery staple"))
	fmt.Println(users.Verify(context.Background(), "alice", "a guess"))
	// Output:
	// true <nil>
	// false <nil>
}

// A trial without a file. The people are the Login of a server.
func ExampleNew() {
	users := local.New()
	if err := users.Set("alice", "correct horse battery staple"); err != nil {
		fmt.Println(err)
		return
	}
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer:    "https://auth.example.com",
		Store:     memory.New(nil),
		Login:     users,
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}},
		Admins:    []string{local.Subject("alice")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	fmt.Println(users.Names())
	// Output: [alice] <nil>
}
