// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestContent(t *testing.T) {
	for name, test := range map[string]struct {
		content        mcp.Content
		terminal, pipe string
	}{
		"text": {
			&mcp.TextContent{Text: "a \x1b[31mb\x1b[m"},
			"a [31mb[m\n", "a \x1b[31mb\x1b[m\n",
		},
		"text with a line break": {&mcp.TextContent{Text: "a\n"}, "a\n", "a\n"},
		"no text":                {&mcp.TextContent{}, "\n", ""},
		"JSON": {
			&mcp.TextContent{Text: `{"a":[1.0,12345678901234567890]}`},
			"{\n  \"a\": [\n    1.0,\n    12345678901234567890\n  ]\n}\n",
			`{"a":[1.0,12345678901234567890]}` + "\n",
		},
		"not JSON": {&mcp.TextContent{Text: `{"a":`}, `{"a":` + "\n", `{"a":` + "\n"},
		"audio":    {&mcp.AudioContent{MIMEType: "audio/wav", Data: []byte("1234")}, "[audio audio/wav, 4 bytes]\n", "[audio audio/wav, 4 bytes]\n"},
		"link":     {&mcp.ResourceLink{URI: "file:///\x1br", Title: "R"}, "[link file:///r] R\n", "[link file:///r]\n"},
		"plain text resource": {
			&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///t", MIMEType: "text/plain", Text: "- *a*"}},
			"- *a*\n", "- *a*\n",
		},
		"Markdown resource": {
			&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///t", MIMEType: "text/markdown; charset=utf-8", Text: "- a"}},
			"• a\n", "- a\n",
		},
		"binary resource": {
			&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///b", MIMEType: "x/y", Blob: []byte("123")}},
			"[resource file:///b x/y, 3 bytes]\n", "[resource file:///b x/y, 3 bytes]\n",
		},
		"missing resource": {&mcp.EmbeddedResource{}, "[resource]\n", "[resource]\n"},
	} {
		if got := (Screen{Width: 80}).Content(test.content); got != test.terminal {
			t.Errorf("%s at a terminal: %q, want %q", name, got, test.terminal)
		}
		if got := (Screen{}).Content(test.content); got != test.pipe {
			t.Errorf("%s into a pipe: %q, want %q", name, got, test.pipe)
		}
	}
}
