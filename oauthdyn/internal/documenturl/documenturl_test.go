// SPDX-License-Identifier: Apache-2.0

package documenturl

import (
	"net/url"
	"strings"
	"testing"
)

func TestA11S74Check(t *testing.T) {
	for _, raw := range []string{
		"https://claude.ai/oauth/mcp-oauth-client-metadata", "https://app.example:8443/client.json", "https://app.example/a/...",
	} {
		if err := Check(raw); err != nil {
			t.Errorf("%s %v", raw, err)
		}
	}
	for _, raw := range []string{
		"", "client_1", "http://app.example/c", "HTTPS:/app.example/c", "https://app.example", "https://app.example/", "https:///c",
		"https://user@app.example/c", "https://app.example/c?x", "https://app.example/c?", "https://app.example/c#x", "https://app.example/a/../c",
		"https://app.example/%2E%2e/c", "https://app.example/./c", "https://app.example/%zz", "javascript:alert(1)//x",
		"https://app.example/" + strings.Repeat("a", maxBytes),
	} {
		if Check(raw) == nil {
			t.Errorf("%s is accepted", raw)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("https://app.example/client.json")
	f.Add("https://user@app.example/%2e%2E?#")
	f.Fuzz(func(t *testing.T, raw string) {
		if Check(raw) != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q is accepted", raw)
		}
	})
}
