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
				"limit":{"type":"integer"},
				"order":{"enum":["date","title\u001b[2J"],"description":"how to sort"}}}`),
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
    order   string   how to sort (date,
                     title[2J)
ping[m  Ping
`)
	drawn(t, "tools into a pipe", Screen{}.Tools(tools),
		"search\tquery* limit order\tSearch the pages, all of them, and more.\nping[m\t\tPing\n")
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
	drawn(t, "resources on a narrow screen", Screen{Width: 24}.Resources(resources), `
docs://a
    a, 5.0 MiB
docs://日本
    b
    second
`)
	drawn(t, "a long address", Screen{Width: 24}.Templates([]*mcp.ResourceTemplate{{URITemplate: "docs://page/{number}/{language}", Name: "page", Description: "one page of the book"}}), `
docs://page/{number}/{language}
    page
    one page of the book
`)
	drawn(t, "resources into a pipe", Screen{}.Resources(resources), "docs://a\ta\t\t5242880\t\ndocs://日本\tb\t\t\tsecond\n")
	drawn(t, "templates", s.Templates([]*mcp.ResourceTemplate{{URITemplate: "docs://{n}", Name: "page"}}), `
URI TEMPLATE  NAME
docs://{n}    page
`)
}
