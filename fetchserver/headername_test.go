// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestDecodeName(t *testing.T) {
	for _, test := range []struct{ field, want string }{
		{"fetch", "fetch"},
		{"=?base64?ZmV0Y2g=?=", "fetch"},
		{"=?base64?ZmV0Y2g6Ly9odHRwczovL2V4YW1wbGUuY29tL8O8?=", "fetch://https://example.com/ü"},
		{"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="}, // once only
		{"=?base64?ZmV0Y2g?=", "=?base64?ZmV0Y2g?="},                  // not padded
		{"=?base64?ZmV0Y2h=?=", "=?base64?ZmV0Y2h=?="},                // bits that mean nothing
		{"=?base64?/w==?=", "=?base64?/w==?="},                        // not UTF-8
		{"=?base64?ZmV0Y2g=", "=?base64?ZmV0Y2g="},
		{"=?base64?=", "=?base64?="},
		{"", ""},
	} {
		var got string
		r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
		r.Header.Set("Mcp-Name", test.field)
		decodeName(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Mcp-Name") })).ServeHTTP(nil, r)
		if got != test.want {
			t.Errorf("%q becomes %q, want %q", test.field, got, test.want)
		}
	}
}
