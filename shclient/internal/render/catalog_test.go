// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestCatalog(t *testing.T) {
	tools := []*mcp.Tool{
		{
			Name: "search", Description: "Search the pages, all of them, and more.\nSecond line.",
			InputSchema: json.RawMessage(`{"type":"object","required":["query"],"properties":{
				"query":{"type":"string","description":"what to look for, in the words of the page"},
				"limit":{"type":"integer"}}}`),
		},
		{Name: "ping\x1b[m", Title: "Ping"},
	}
	s := Screen{Width: 44}
	drawn(t, "tools", s.Tools(tools), `
search  Search the pages, all of them,
  and more.
    query*  string   what to look for, in
                     the words of the page
    limit   integer
ping[m  Ping
`)
	drawn(t, "tools into a pipe", Screen{}.Tools(tools),
		"search\tquery* limit\tSearch the pages, all of them, and more.\nping[m\t\tPing\n")
	drawn(t, "prompts", s.Prompts([]*mcp.Prompt{{
		Name: "greet", Title: "Greet", Arguments: []*mcp.PromptArgument{{Name: "name", Required: true, Title: "whom"}, {Name: "language"}},
	}}), `
greet  Greet
    name*     whom
    language
`)
	resources := []*mcp.Resource{
		{URI: "docs://a", Name: "a", Size: 5 << 20},
		{URI: "docs://日本", Name: "b", Description: "second"},
	}
	drawn(t, "resources", s.Resources(resources), `
URI          NAME  SIZE     DESCRIPTION
docs://a     a     5.0 MiB
docs://日本  b              second
`)
	drawn(t, "resources into a pipe", Screen{}.Resources(resources), "docs://a\ta\t\t5242880\t\ndocs://日本\tb\t\t\tsecond\n")
	drawn(t, "templates", s.Templates([]*mcp.ResourceTemplate{{URITemplate: "docs://{n}", Name: "page"}}), `
URI TEMPLATE  NAME
docs://{n}    page
`)
}
