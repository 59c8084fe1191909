// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// fail makes an error response. The description is read by developers.
func fail(status int, code, description string) *oauthdyn.Error {
	return &oauthdyn.Error{Code: code, Description: description, Status: status}
}

// writeJSON writes a response that must not be stored: RFC 6749 section 5.1.
func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(append(data, '\n'))
}

// writeError writes an error response: RFC 6749 section 5.2.
func writeError(w http.ResponseWriter, e *oauthdyn.Error) {
	if h := w.Header(); e.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "2")
	}
	writeJSON(w, e.Status, oauthdyn.Error{Code: e.Code, Description: plainText(e.Description)})
}

// plainText keeps to the characters of error_description: RFC 6749 section 5.2.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return ' '
		}
		return r
	}, s)
}

// internal logs a failure of our own and returns what the client gets to know.
func (s *Server) internal(r *http.Request, doing string, err error) *oauthdyn.Error {
	if errors.Is(err, store.ErrFull) {
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "limit reached", slog.String("doing", doing))
		return fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable, "too many requests are in progress; try again in a minute")
	}
	if errors.Is(err, store.ErrUnavailable) {
		s.log.LogAttrs(r.Context(), slog.LevelError, "store away", slog.String("doing", doing), slog.String("error", err.Error()))
		return fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable, "the server cannot reach its store; try again in a moment")
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("doing", doing), slog.String("error", err.Error()))
	return fail(http.StatusInternalServerError, oauthdyn.CodeServerError, "the server failed; its log says why")
}

// crossOrigin lets scripts of any origin call an endpoint, without cookies, and
// refuses other methods than those it has.
func crossOrigin(next http.Handler, methods ...string) http.Handler {
	allow := strings.Join(append(methods, http.MethodOptions), ", ")
	next = only(next, allow, methods)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", allow)
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP, MCP-Protocol-Version")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	})
}

// only refuses other methods than those that an endpoint has. HEAD is a GET.
func only(next http.Handler, allow string, methods []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(methods, r.Method) || r.Method == http.MethodHead && slices.Contains(methods, http.MethodGet) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", allow)
		writeError(w, fail(http.StatusMethodNotAllowed, oauthdyn.CodeInvalidRequest, "this endpoint takes "+allow+" only"))
	})
}
