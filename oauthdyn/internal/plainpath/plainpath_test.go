// SPDX-License-Identifier: Apache-2.0

package plainpath

import (
	"strings"
	"testing"
)

func TestS93Parse(t *testing.T) {
	for escaped, want := range map[string]string{
		"/":             "/",
		"/mcp":          "/mcp",
		"/mcp/":         "/mcp/",
		"/a/b.c/..d":    "/a/b.c/..d",
		"/a%20b/%C3%A4": "/a b/ä",
		"/m%63p":        "/mcp",
	} {
		if got, ok := Parse(escaped); !ok || got != want {
			t.Errorf("%s: %q, %v, want %q", escaped, got, ok, want)
		}
	}
	for _, escaped := range []string{
		"", "*", "mcp", "//", "//mcp", "/mcp//x", "/mcp/../admin", "/mcp/./x", "/..", "/.", "/mcp/..",
		"/mcp/%2e%2e/admin", "/mcp/.%2E/admin", "/mcp%2fadmin", "/mcp%2Fadmin", "/mcp\\admin", "/mcp%5cadmin",
		"/mcp%00", "/mcp\n", "/mcp%0d%0a", "/mcp%7f", "/mcp;x=1", "/mcp%3bx", "/mcp%", "/mcp%2", "/mcp%zz",
		"/%252e%252e/admin", "/mcp%25", "/mcp?x", "/mcp#x", "/mcp%3fx", "/mcp%23x", "/%ff", "/\xff", "/" + strings.Repeat("a", maxBytes),
	} {
		if got, ok := Parse(escaped); ok {
			t.Errorf("%q is read as %q", escaped, got)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, test := range []struct {
		path, prefix string
		want         bool
	}{
		{"/mcp", "/mcp", true},
		{"/mcp/", "/mcp", true},
		{"/mcp/x", "/mcp", true},
		{"/mcp", "/mcp/", true},
		{"/mcp2", "/mcp", false},
		{"/mc", "/mcp", false},
		{"/MCP", "/mcp", false},
		{"/x", "/", true},
		{"/x", "", true},
		{"/", "", true},
	} {
		if got := Under(test.path, test.prefix); got != test.want {
			t.Errorf("%s under %s: %v", test.path, test.prefix, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/mcp/%2e%2e/x")
	f.Fuzz(func(t *testing.T, escaped string) {
		path, ok := Parse(escaped)
		if !ok {
			return
		}
		if again, ok := Parse(path); !ok || again != path {
			t.Errorf("%q reads as %q, and that as %q, %v", escaped, path, again, ok)
		}
	})
}
