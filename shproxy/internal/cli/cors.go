// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"strings"
)

// cors lets web pages of some origins call the servers (Fetch standard, CORS
// protocol). It permits no credentials of the browser: tokens are sent by
// scripts.
type cors struct {
	any     bool
	origins map[string]bool
}

// newCORS returns nil without origins. They have been checked by the guard.
func newCORS(origins []string) *cors {
	if len(origins) == 0 {
		return nil
	}
	c := &cors{origins: make(map[string]bool)}
	for _, origin := range origins {
		c.any = c.any || origin == "*"
		c.origins[strings.ToLower(origin)] = true
	}
	return c
}

const (
	corsMethods = "GET, POST, DELETE, OPTIONS"
	corsHeaders = "Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID, traceparent, tracestate, baggage, X-Request-Id"
	corsExposed = "Mcp-Session-Id, WWW-Authenticate, MCP-Protocol-Version, Retry-After"
)

// wrap answers preflight requests, which carry no token, and permits the
// responses of next to be read. Requests may have further headers. A nil cors
// changes nothing.
func (c *cors) wrap(next http.Handler, further ...string) http.Handler {
	if c == nil {
		return next
	}
	headers := strings.Join(append([]string{corsHeaders}, further...), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if !c.any {
			h.Add("Vary", "Origin")
		}
		origin := r.Header.Get("Origin")
		if origin == "" || !c.any && !c.origins[strings.ToLower(origin)] {
			next.ServeHTTP(w, r)
			return
		}
		if c.any {
			origin = "*"
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Add("Vary", "Access-Control-Request-Headers")
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", headers+parameterHeaders(r))
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", corsExposed)
		next.ServeHTTP(w, r)
	})
}

// parameterHeaders returns the further Mcp- headers that a script asks for:
// the names of Mcp-Param- headers are the tools'.
func parameterHeaders(r *http.Request) string {
	var allowed strings.Builder
	for _, list := range r.Header["Access-Control-Request-Headers"] {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			if len(name) > 4 && strings.EqualFold(name[:4], "mcp-") && consistsOf(name, tchar) {
				allowed.WriteString(", " + name)
			}
		}
	}
	return allowed.String()
}
