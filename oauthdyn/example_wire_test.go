// SPDX-License-Identifier: Apache-2.0

package oauthdyn_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

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

// What a protected server says to a request without a token.
func ExampleBearerChallenge() {
	h := http.Header{"Www-Authenticate": {
		`Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp"`,
	}}
	c, ok := oauthdyn.BearerChallenge(h)
	fmt.Println(ok, c.Scopes())
	fmt.Println(c.ResourceMetadata())
	// Output:
	// true [mcp]
	// https://mcp.example.com/.well-known/oauth-protected-resource/mcp
}

// Both spellings mean the same server, and a token for one is good for it.
func ExampleCanonicalResource() {
	fmt.Println(oauthdyn.CanonicalResource("HTTPS://MCP.Example.com:443/"))
	fmt.Println(oauthdyn.CanonicalResource("https://mcp.example.com/MCP"))
	_, err := oauthdyn.CanonicalResource("mcp.example.com")
	fmt.Println(err)
	// Output:
	// https://mcp.example.com <nil>
	// https://mcp.example.com/MCP <nil>
	// resource "mcp.example.com": want an absolute http or https URL
}

func ExampleResourceMetadataURL() {
	fmt.Println(oauthdyn.ResourceMetadataURL("https://mcp.example.com/mcp"))
	// Output:
	// https://mcp.example.com/.well-known/oauth-protected-resource/mcp <nil>
}

// A program that starts a certain browser. What is no web page is not opened,
// whoever sent the address.
func ExampleBrowser() {
	firefox := oauthdyn.Browser{Command: []string{"firefox", "--new-window", "%s"}}
	fmt.Println(firefox.Open(context.Background(), "file:///etc/passwd"))
	// Output:
	// authorization URL has no plain host
}

func ExampleOpenBrowser() {
	fmt.Println(oauthdyn.OpenBrowser(context.Background(), "http://mcp.example.com/"))
	// Output:
	// authorization URL of scheme "http" is refused: want https, or http on a loopback host
}
