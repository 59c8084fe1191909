// SPDX-License-Identifier: Apache-2.0

package choose_test

import (
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/choose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/oidc"
)

func ExampleNew() {
	company, err := oidc.New(oidc.Options{
		Issuer:   "https://login.example.com/realms/staff",
		ClientID: "mcp",
		Allow:    allow.List{Domains: []string{"example.com"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	login, err := choose.New(
		choose.Way{Name: "company", Label: "Example Corp", Login: company},
		choose.Way{Name: "password", Label: "a password", Login: local.New()},
	)
	fmt.Println(login != nil, err) // for authserver.Options.Login
	// Output: true <nil>
}
