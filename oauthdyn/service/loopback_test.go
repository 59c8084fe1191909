// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestOnLoopback(t *testing.T) {
	h := service.OnLoopback(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, test := range []struct {
		at, host, origin string
		want             int
	}{
		{"127.0.0.1", "127.0.0.1:9000", "", 200},
		{"127.0.0.1", "LOCALHOST", "", 200},
		{"::1", "[::1]:9000", "http://localhost:3000", 200},
		{"127.0.0.1", "evil.example:9000", "", 403},
		{"127.0.0.1", "localhost:9000", "https://evil.example", 403},
		{"127.0.0.1", "localhost:9000", "null", 403},
		{"192.0.2.1", "metrics.example:9000", "https://metrics.example", 200},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(test.at), Port: 9000}))
		r.Host = test.host
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("at %s, Host %q, Origin %q: %d, want %d", test.at, test.host, test.origin, w.Code, test.want)
		}
	}
}
