// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Scope is what a token needs at the endpoint.
const Scope = "mcp"

const (
	resourcePath      = "/.well-known/oauth-protected-resource"
	authorizationPath = "/.well-known/oauth-authorization-server"
)

// authorized lets a request pass that has a token with the scope, or answers it. Without tokens all requests pass.
func (s *Server) authorized(w http.ResponseWriter, r *http.Request) bool {
	if len(s.tokens) == 0 {
		return true
	}
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found && s.on("token-in-query-accepted") {
		token, found = r.URL.Query().Get("access_token"), r.URL.Query().Has("access_token")
	}
	scopes, valid := s.tokens[token]
	switch {
	case !found && s.on("token-not-needed-for-get") && r.Method == http.MethodGet:
		return true
	case !found:
		s.challenge(w, r, http.StatusUnauthorized, "")
		return false
	case !valid && s.on("token-unchecked"):
		return true
	case !valid:
		code := http.StatusUnauthorized
		if s.on("token-invalid-status") {
			code = http.StatusForbidden
		}
		s.challenge(w, r, code, "invalid_token")
		return false
	case !slices.Contains(strings.Fields(scopes), Scope):
		s.challenge(w, r, http.StatusForbidden, "insufficient_scope")
		return false
	}
	return true
}

func base(r *http.Request) string { return "http://" + r.Host }

func (s *Server) challenge(w http.ResponseWriter, r *http.Request, code int, reason string) {
	scope := Scope
	if s.on("challenge-offline-access") {
		scope += " offline_access"
	}
	parts := []string{}
	if reason != "" {
		parts = append(parts, `error="`+reason+`"`)
	}
	if !s.on("challenge-without-metadata") {
		at := base(r) + resourcePath + Path
		if s.on("challenge-metadata-dead") {
			at = base(r) + "/nothing"
		}
		parts = append(parts, `resource_metadata="`+at+`"`)
	}
	if !s.on("challenge-without-scope") {
		parts = append(parts, `scope="`+scope+`"`)
	}
	scheme := "Bearer "
	if s.on("challenge-basic") {
		scheme = "Basic realm=mcp, "
	}
	if !s.on("challenge-missing") {
		w.Header().Set("WWW-Authenticate", scheme+strings.Join(parts, ", "))
	}
	if s.on("challenge-status") {
		code = http.StatusForbidden
	}
	if s.on("challenge-redirect") {
		http.Redirect(w, r, "/authorize", http.StatusFound)
		return
	}
	http.Error(w, http.StatusText(code), code)
}

// serveOAuth serves all that is beside the endpoint: the metadata of the resource, and its authorization server.
func (s *Server) serveOAuth(w http.ResponseWriter, r *http.Request) {
	if len(s.tokens) == 0 {
		http.NotFound(w, r)
		return
	}
	switch path := r.URL.Path; {
	case (path == resourcePath || path == resourcePath+Path) && !s.on("metadata-missing"):
		s.document(w, s.resourceMetadata(base(r)), "metadata")
	case path == authorizationPath && !s.on("as-metadata-missing"):
		s.document(w, s.serverMetadata(base(r)), "as-metadata")
	case path == "/authorize":
		// No client is known, so nobody is ever sent on.
		if s.on("authorize-redirects-anywhere") {
			http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?error=invalid_client", http.StatusFound)
			return
		}
		http.Error(w, "unknown client", http.StatusBadRequest)
	case path == "/token":
		s.token(w, r)
	case path == "/register":
		s.register(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) document(w http.ResponseWriter, m obj, kind string) {
	w.Header().Set("Content-Type", "application/json")
	if s.on(kind + "-not-json") {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<h1>Hello</h1>"))
		return
	}
	_ = json.NewEncoder(w).Encode(m) // a client that left needs no document
}

func (s *Server) resourceMetadata(base string) obj {
	m := obj{"resource": base + Path, "authorization_servers": []string{base}, "scopes_supported": []string{Scope},
		"bearer_methods_supported": []string{"header"}}
	switch {
	case s.on("metadata-resource-mismatch"):
		m["resource"] = "https://other.example/mcp"
	case s.on("metadata-without-resource"):
		delete(m, "resource")
	case s.on("metadata-without-servers"):
		delete(m, "authorization_servers")
	case s.on("metadata-no-servers"):
		m["authorization_servers"] = []string{}
	case s.on("metadata-offline-access"):
		m["scopes_supported"] = []string{Scope, "offline_access"}
	case s.on("metadata-query-tokens"):
		m["bearer_methods_supported"] = []string{"header", "query"}
	}
	return m
}

func (s *Server) serverMetadata(base string) obj {
	m := obj{
		"issuer":                                         base,
		"authorization_endpoint":                         base + "/authorize",
		"token_endpoint":                                 base + "/token",
		"registration_endpoint":                          base + "/register",
		"response_types_supported":                       []string{"code"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"client_id_metadata_document_supported":          true,
		"authorization_response_iss_parameter_supported": true,
	}
	switch {
	case s.on("as-issuer-mismatch"):
		m["issuer"] = base + "/"
	case s.on("as-without-issuer"):
		delete(m, "issuer")
	case s.on("as-without-pkce"):
		delete(m, "code_challenge_methods_supported")
	case s.on("as-without-s256"):
		m["code_challenge_methods_supported"] = []string{"plain"}
	case s.on("as-without-authorization-endpoint"):
		delete(m, "authorization_endpoint")
	case s.on("as-without-token-endpoint"):
		delete(m, "token_endpoint")
	case s.on("as-without-response-types"):
		delete(m, "response_types_supported")
	case s.on("as-plain-http"):
		m["token_endpoint"] = "http://as.example/token"
	case s.on("as-without-iss"):
		delete(m, "authorization_response_iss_parameter_supported")
	case s.on("as-without-client-documents"):
		delete(m, "client_id_metadata_document_supported")
	}
	return m
}

// oauthError is an answer of the token or registration endpoint.
func (s *Server) oauthError(w http.ResponseWriter, code int, name string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(obj{"error": name}) // as in document
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.on("token-error-status"):
		s.oauthError(w, http.StatusOK, "invalid_client")
	case s.on("token-error-not-json"):
		http.Error(w, "no", http.StatusBadRequest)
	case r.Method != http.MethodPost:
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
	default:
		s.oauthError(w, http.StatusUnauthorized, "invalid_client")
	}
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var q struct {
		RedirectURIs []string `json:"redirect_uris"`
	}
	if r.Method != http.MethodPost || json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&q) != nil {
		s.oauthError(w, http.StatusBadRequest, "invalid_client_metadata")
		return
	}
	bad := slices.ContainsFunc(q.RedirectURIs, func(uri string) bool {
		u, err := url.Parse(uri)
		return err != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !local(u.Host))
	})
	if (bad || len(q.RedirectURIs) == 0) && !s.on("register-any-redirect") {
		s.oauthError(w, http.StatusBadRequest, "invalid_redirect_uri")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(obj{"client_id": rand.Text(), "redirect_uris": q.RedirectURIs, "token_endpoint_auth_method": "none"}) // as in document
}
