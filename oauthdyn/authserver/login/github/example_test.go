// SPDX-License-Identifier: Apache-2.0

package github_test

import (
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/github"
)

func ExampleNew() {
	_, err := github.New(github.Options{
		ClientID:     "Ov23li0123456789abcd",
		ClientSecret: "", // read it from a file
		Allow: allow.List{
			Users:  []string{"id:583231"}, // an account by its number, which stays
			Groups: []string{"my-org"},
		},
	})
	fmt.Println(err)
	// Output: github: the id and the secret of an OAuth app are needed
}
