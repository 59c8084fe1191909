// SPDX-License-Identifier: Apache-2.0

package github_test

import (
	"context"
	"fmt"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/github"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

func ExampleNew() {
	login, err := github.New(github.Options{
		ClientID:     "Ov23li0123456789abcd",
		ClientSecret: "read it from a file",
		Allow: allow.List{
			Users:  []string{"id:583231"}, // an account by its number, which stays
			Groups: []string{"my-org"},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv, err := authserver.New(context.Background(), authserver.Options{
		Issuer:    "https://auth.example.com", // the app's callback URL is https://auth.example.com/login/callback
		Store:     memory.New(nil),
		Login:     login,
		Resources: []authserver.Resource{{URI: "https://mcp.example.com/mcp", Scopes: []string{"mcp"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	fmt.Println(srv.Ready(context.Background()))
	// Output: <nil>
}

// A person whom another server has signed in is moved to this one.
func ExampleKnown() {
	user, err := github.Known("583231", "octocat", time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := authserver.AccountRecord(user, time.Now().Add(180*24*time.Hour)) // for store.Transfers.Import
	fmt.Println(user.Subject, record.Transaction != nil, err)
	// Output: github:583231 true <nil>
}
