// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	some := newCORS([]string{"https://app.example"}).wrap(next)
	all := newCORS([]string{"*"}).wrap(next)
	none := newCORS(nil).wrap(next)
	for _, test := range []struct {
		name        string
		h           http.Handler
		method      string
		header      []string
		status      int
		allow, vary string
	}{
		{"no browser", some, "POST", nil, 418, "", "Origin"},
		{"its page", some, "POST", []string{"Origin", "https://app.example"}, 418, "https://app.example", "Origin"},
		{"foreign page", some, "POST", []string{"Origin", "https://evil.example"}, 418, "", "Origin"},
		{"preflight", some, "OPTIONS", []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}, 204, "https://app.example", "Origin, Access-Control-Request-Headers"},
		{"foreign preflight", some, "OPTIONS", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 418, "", "Origin"},
		{"no preflight", some, "OPTIONS", []string{"Origin", "https://app.example"}, 418, "https://app.example", "Origin"},
		{"any page", all, "POST", []string{"Origin", "https://any.example"}, 418, "*", ""},
		{"off", none, "OPTIONS", []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}, 418, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "/mcp", nil)
			for i := 0; i < len(test.header); i += 2 {
				r.Header.Set(test.header[i], test.header[i+1])
			}
			w := httptest.NewRecorder()
			test.h.ServeHTTP(w, r)
			h := w.Result().Header
			if got := strings.Join(h["Vary"], ", "); w.Code != test.status || h.Get("Access-Control-Allow-Origin") != test.allow || got != test.vary {
				t.Errorf("status %d, allowed %q, vary %q", w.Code, h.Get("Access-Control-Allow-Origin"), got)
			}
			if exposed := h.Get("Access-Control-Expose-Headers"); (exposed != "") != (test.allow != "" && w.Code != 204) {
				t.Errorf("exposed %q", exposed)
			}
		})
	}
}

// Headers of tools are allowed by name; others are not made up.
func TestCORSHeaders(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "/mcp", nil)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "authorization, mcp-param-city,Mcp-Param-Zip, x-evil, mcp-a\tb")
	w := httptest.NewRecorder()
	newCORS([]string{"*"}).wrap(http.NotFoundHandler(), "X-Git-Token").ServeHTTP(w, r)
	allowed := w.Header().Get("Access-Control-Allow-Headers")
	for _, want := range []string{"Authorization", "Content-Type", "Mcp-Session-Id", "MCP-Protocol-Version", "Last-Event-ID", "baggage", "X-Git-Token", "mcp-param-city", "Mcp-Param-Zip"} {
		if !strings.Contains(allowed, want) {
			t.Errorf("%s is missing in %s", want, allowed)
		}
	}
	if strings.Contains(allowed, "evil") || strings.Contains(allowed, "\t") {
		t.Errorf("allowed %s", allowed)
	}
}
