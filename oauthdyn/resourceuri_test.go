// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"strings"
	"testing"
)

func TestC19CanonicalResource(t *testing.T) {
	tests := []struct{ raw, want, err string }{
		{"https://mcp.example.com/mcp", "https://mcp.example.com/mcp", ""},
		{"HTTPS://MCP.Example.COM/Mcp", "https://mcp.example.com/Mcp", ""},
		{"https://mcp.example.com", "https://mcp.example.com", ""},
		{"https://mcp.example.com/", "https://mcp.example.com", ""},
		{"https://mcp.example.com:8443/", "https://mcp.example.com:8443", ""},
		{"https://mcp.example.com:443/mcp", "https://mcp.example.com/mcp", ""},
		{"http://127.0.0.1:80/mcp", "http://127.0.0.1/mcp", ""},
		{"https://mcp.example.com/mcp/", "https://mcp.example.com/mcp/", ""},
		{"https://mcp.example.com/a%2Fb?tenant=1", "https://mcp.example.com/a%2Fb?tenant=1", ""},
		{"http://[::1]:8080/mcp", "http://[::1]:8080/mcp", ""},
		{"mcp.example.com", "", "absolute"},
		{"ftp://mcp.example.com", "", "absolute"},
		{"https:///mcp", "", "no host"},
		{"https://:443/mcp", "", "no host"},
		{"https://u:hush@mcp.example.com", "", "user name"},
		{"https://mcp.example.com/#a", "", "fragment"},
		{"https://mcp.example.com/#", "", "fragment"},
		{"https://mcp.example.com/%zz", "", "not a URL"},
		{"https://mcp.example.com/\n", "", "not a URL"},
		{"", "", "absolute"},
	}
	for _, tt := range tests {
		got, err := CanonicalResource(tt.raw)
		if tt.err != "" {
			wantError(t, err, tt.err)
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("error %q holds a password", err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.raw, got, err, tt.want)
		}
	}
}

func TestResourceMetadataURL(t *testing.T) {
	const w = WellKnownResource
	for raw, want := range map[string]string{
		"https://a.example":            "https://a.example" + w,
		"https://a.example/":           "https://a.example" + w,
		"https://a.example/mcp":        "https://a.example" + w + "/mcp",
		"https://a.example/mcp/":       "https://a.example" + w + "/mcp",
		"https://a.example/a%2Fb?x=1":  "https://a.example" + w + "/a%2Fb?x=1",
		"https://a.example:8443/a/b/c": "https://a.example:8443" + w + "/a/b/c",
	} {
		if got, err := ResourceMetadataURL(raw); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", raw, got, err, want)
		}
	}
	if _, err := ResourceMetadataURL("https://a.example/%zz"); err == nil {
		t.Error("no error")
	}
}

func FuzzCanonicalResource(f *testing.F) {
	for _, s := range []string{"https://a.example/mcp", "HTTP://[::1]:80/", "https://a/?", "https://a.example:443//x", "http://a%41/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := CanonicalResource(raw)
		if err != nil {
			return
		}
		if twice, err := CanonicalResource(once); err != nil || twice != once {
			t.Errorf("%q: %q, then %q, %v", raw, once, twice, err)
		}
		if strings.Contains(once, "#") || !strings.HasPrefix(once, "http") {
			t.Errorf("%q is canonical", once)
		}
	})
}
