// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"net/http"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	named, err := New([]string{"mcp.example.com"}, []string{"https://app.example"})
	if err != nil {
		t.Fatal(err)
	}
	all, err := New([]string{"*"}, []string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		guard        *Guard
		host, origin string
		want         string // part of the error
	}{
		{&Guard{}, "127.0.0.1:8080", "", ""},
		{&Guard{}, "LOCALHOST:8080", "", ""},
		{&Guard{}, "[::1]:8080", "", ""},
		{&Guard{}, "192.0.2.1", "", ""},
		{&Guard{}, "app.localhost", "http://localhost:3000", ""},
		{&Guard{}, "evil.example", "", `host "evil.example"`},
		{&Guard{}, "localhost.evil.example", "", "host"},
		{&Guard{}, "localhost", "http://evil.example", `origin "http://evil.example"`},
		{&Guard{}, "localhost", "null", "origin"},
		{&Guard{}, "localhost", "", ""},
		{named, "mcp.example.com", "https://mcp.example.com", ""},
		{named, "MCP.example.com:8443", "https://app.example", ""},
		{named, "mcp.example.com", "http://app.example", "origin"},
		{all, "evil.example", "http://other.example", ""},
	} {
		r := &http.Request{Host: test.host, Header: http.Header{}}
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		err := test.guard.Check(r)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("host %q, origin %q: %v, want %q", test.host, test.origin, err, test.want)
		}
	}
}

func TestNew(t *testing.T) {
	for _, test := range []struct{ host, origin string }{
		{host: ""}, {host: "https://x"}, {host: "a b"},
		{host: "x", origin: "app.example"}, {host: "x", origin: "https://app.example/"}, {host: "x", origin: ""},
	} {
		origins := []string{test.origin}
		if test.host != "x" {
			origins = nil
		}
		if _, err := New([]string{test.host}, origins); err == nil {
			t.Errorf("host %q, origin %q: no error", test.host, test.origin)
		}
	}
}
