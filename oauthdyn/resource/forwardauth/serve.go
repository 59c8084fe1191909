// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/plainpath"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// ServeHTTP answers a proxy that describes the request in X-Forwarded-Method,
// X-Forwarded-Host and X-Forwarded-Uri. Its own method and URI say nothing.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, ok1 := single(r.Header, "X-Forwarded-Method")
	host, ok2 := single(r.Header, "X-Forwarded-Host")
	uri, ok3 := single(r.Header, "X-Forwarded-Uri")
	if !ok1 || !ok2 || !ok3 {
		h.deny(w, r, slog.LevelWarn, "the proxy has to send X-Forwarded-Method, X-Forwarded-Host and X-Forwarded-Uri, each once")
		return
	}
	h.answer(w, r, method, host, uri)
}

// FromPath answers a proxy that repeats method, host and URI of the request, the
// URI behind a prefix, as Envoy does (path_prefix). Do not route it through a
// ServeMux that redirects to cleaned paths; the prefix alone decides.
func (h *Handler) FromPath(prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri, ok := strings.CutPrefix(r.RequestURI, prefix)
		if !ok {
			h.deny(w, r, slog.LevelWarn, "the proxy has to send the path prefix "+prefix)
			return
		}
		h.answer(w, r, r.Method, r.Host, uri)
	})
}

// single returns the value of a header that must be there once.
func single(header http.Header, name string) (string, bool) {
	values := header[name]
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// answer decides about a request that r describes.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, method, host, uri string) {
	escaped, _, _ := strings.Cut(uri, "?")
	path, ok := plainpath.Parse(escaped)
	if !ok {
		h.deny(w, r, slog.LevelInfo, "the path is not in plain form")
		return
	}
	res := h.find(host, path)
	if res == nil {
		h.log.LogAttrs(r.Context(), slog.LevelInfo, "request for a place without a route",
			slog.String("host", host), slog.String("path", path))
		// Says nothing of the resources that there are.
		refuse(w, http.StatusUnauthorized, "Bearer", oauthdyn.CodeInvalidRequest, "there is nothing here")
		return
	}
	if h.passPreflight && isPreflight(method, r.Header) {
		h.pass(w, &resource.Principal{}, "")
		return
	}
	original := r.WithContext(r.Context())
	original.Method = method
	original.URL = &url.URL{Path: path, RawPath: escaped}
	p, refusal := res.Check(original)
	if refusal != nil {
		forward(w, refusal)
		return
	}
	h.pass(w, p, r.Header.Get("Authorization"))
}

func (h *Handler) find(host, path string) *resource.Resource {
	for _, route := range h.routes[plainHost(host)] {
		if plainpath.Under(path, route.Path) {
			return route.Resource
		}
	}
	return nil
}

// isPreflight tells a CORS preflight request from other uses of OPTIONS (Fetch
// standard, section 4.8).
func isPreflight(method string, header http.Header) bool {
	return method == http.MethodOptions && header.Get("Origin") != "" && header.Get("Access-Control-Request-Method") != ""
}

// pass lets a request through, with all headers, empty ones included.
func (h *Handler) pass(w http.ResponseWriter, p *resource.Principal, authorization string) {
	out := w.Header()
	values := make([]string, len(h.headers)) // of all headers at once
	for i, header := range h.headers {
		value := &values[i]
		switch {
		case header.field != "":
			*value = encode(fieldOf(p, header.field))
		case header.name == h.tokenHeader:
			if scheme, token, ok := strings.Cut(authorization, " "); ok {
				*value = strings.Trim(token, " ")
				if header.name == "Authorization" {
					*value = canonicalScheme(scheme) + " " + *value
				}
			}
		}
		out[header.name] = values[i : i+1 : i+1]
	}
	out["Cache-Control"] = noStore
	w.WriteHeader(http.StatusOK)
}

func canonicalScheme(scheme string) string {
	if strings.EqualFold(scheme, "DPoP") {
		return "DPoP"
	}
	return "Bearer"
}

var noStore = []string{"no-store"}

func fieldOf(p *resource.Principal, f Field) string {
	switch f {
	case Subject:
		return p.Subject
	case Username:
		return p.Username
	case ClientID:
		return p.ClientID
	case Issuer:
		return p.Issuer
	case Scope:
		return strings.Join(p.Scopes, " ")
	case TokenID:
		return p.ID
	}
	return ""
}

// encode makes a value fit for a header: what is not printable ASCII, and what
// would not survive at the ends, is percent-encoded.
func encode(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		atEnd := i == 0 || i == len(value)-1
		plain := c > ' ' && c < 0x7f && c != '%' || c == ' ' && !atEnd
		if !plain && b.Len() == 0 {
			b.Grow(len(value) + 16)
			b.WriteString(value[:i])
		}
		switch {
		case !plain:
			const hex = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		case b.Len() > 0:
			b.WriteByte(c)
		}
	}
	if b.Len() == 0 {
		return value
	}
	return b.String()
}

// forward answers with a refusal in the two codes that all proxies let out: 401
// for a malformed Authorization header, and 403 if the token could not be
// checked, because at a 401 clients throw good tokens away.
func forward(w http.ResponseWriter, f *resource.Refusal) {
	status := f.Status
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
	case http.StatusBadRequest:
		status = http.StatusUnauthorized
	default:
		status = http.StatusForbidden
		w.Header().Set("Retry-After", "1")
	}
	refuse(w, status, f.Challenge, f.Code, f.Description)
}

// deny refuses what cannot be judged.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, level slog.Level, reason string) {
	h.log.LogAttrs(r.Context(), level, "request refused", slog.String("reason", reason))
	refuse(w, http.StatusForbidden, "", oauthdyn.CodeInvalidRequest, "this request cannot be judged")
}

func refuse(w http.ResponseWriter, status int, challenge, code, description string) {
	h := w.Header()
	if challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The proxy may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(oauthdyn.Error{Code: code, Description: description})
}
