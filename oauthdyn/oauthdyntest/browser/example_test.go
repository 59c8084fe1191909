// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

func ExampleBrowser_Open() {
	person := &browser.Browser{Username: "alice", Password: "correct horse battery staple"}
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource:   "http://127.0.0.1:1/mcp", // where an MCP server would be
		ClientName: "example",
		OpenURL:    person.Open,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Authenticate(context.Background()); err != nil {
		fmt.Println("nobody is there")
	}
	// Output: nobody is there
}
