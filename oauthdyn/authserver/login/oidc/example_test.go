// SPDX-License-Identifier: Apache-2.0

package oidc_test

import (
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/oidc"
)

func ExampleNew() {
	_, err := oidc.New(oidc.Options{
		Issuer:   "https://login.example.com/realms/staff",
		ClientID: "mcp",
		Allow:    allow.List{Users: []string{"alice"}}, // a name that alice chose
	})
	fmt.Println(err)
	// Output: oidc: a user is an e-mail address that the provider has verified, or id: and the sub claim
}
