// SPDX-License-Identifier: Apache-2.0

package allow_test

import (
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
)

// One account by its number, a team by its e-mail addresses, an organisation.
func ExampleList() {
	list := allow.List{
		Users:   []string{"id:583231"},
		Domains: []string{"example.com"},
		Groups:  []string{"my-org"},
	}
	if err := list.Check(); err != nil { // entries that cannot mean what they say
		fmt.Println(err)
		return
	}
	for _, p := range []allow.Person{
		{ID: "583231", Login: "octocat"},
		{ID: "1", Login: "alice", Emails: []string{"alice@example.com"}},
		{ID: "2", Login: "bob", Groups: []string{"my-org"}},
		{ID: "3", Login: "mallory", Emails: []string{"mallory@mail.example.com"}},
	} {
		fmt.Println(p.Login, list.Allows(p))
	}
	// Output:
	// octocat true
	// alice true
	// bob true
	// mallory false
}
