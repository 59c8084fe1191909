// SPDX-License-Identifier: Apache-2.0

package cli

import "testing"

// Clients do not send the usual port, which the checks of Host would miss.
func TestPublicURLPort(t *testing.T) {
	for given, want := range map[string]string{
		"https://mcp.example.com:443":  "https://mcp.example.com",
		"http://mcp.example.com:80":    "http://mcp.example.com",
		"https://mcp.example.com:80":   "https://mcp.example.com:80",
		"https://mcp.example.com:8443": "https://mcp.example.com:8443",
		"http://[::1]:80":              "http://[::1]",
	} {
		c := &config{publicURL: given, path: "/mcp", settings: defaultSettings()}
		if err := c.check(); err != nil || c.publicURL != want {
			t.Errorf("%s: %q, %v, want %q", given, c.publicURL, err, want)
		}
	}
}
