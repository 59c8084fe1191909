// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// caller identifies who holds the access token, whatever token it is.
func caller(r *http.Request) string {
	p, ok := resource.FromContext(r.Context())
	if !ok {
		return ""
	}
	return p.Issuer + "\n" + p.Subject
}

// vouchedFor lets requests pass in which a proxy says who calls: in one header,
// once. A proxy that forgot to would else make one caller of all.
func vouchedFor(header string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if values := r.Header.Values(header); len(values) != 1 || values[0] == "" {
			http.Error(w, "the reverse proxy has to say who calls, in one "+header+" header", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// claimNames are the claims that --claim-env knows: those of RFC 9068 that
// tell who calls, and not those that differ from token to token.
var claimNames = []string{"sub", "preferred_username", "client_id", "iss", "scope"}

func claim(p *resource.Principal, name string) string {
	switch name {
	case "sub":
		return p.Subject
	case "preferred_username":
		return p.Username
	case "client_id":
		return p.ClientID
	case "iss":
		return p.Issuer
	case "scope":
		return strings.Join(p.Scopes, " ")
	}
	return ""
}

func checkClaims(claims pairs) error {
	for _, variable := range slices.Sorted(maps.Keys(claims)) {
		if !slices.Contains(claimNames, claims[variable]) {
			return fmt.Errorf("variable %s: there is no claim %q; there are %s", variable, claims[variable], strings.Join(claimNames, ", "))
		}
	}
	return nil
}

func checkHeaders(headers pairs) error {
	for _, variable := range slices.Sorted(maps.Keys(headers)) {
		if !consistsOf(headers[variable], tchar) {
			return fmt.Errorf("variable %s: %q is not the name of a header", variable, headers[variable])
		}
	}
	return nil
}

// perCaller returns what the environment of a process takes from the request
// that it is started for, or nil if that is nothing. A header or a claim that
// is absent leaves its variable alone.
func (s *settings) perCaller() func(*http.Request) []string {
	if len(s.headerEnv)+len(s.claimEnv) == 0 {
		return nil
	}
	return func(r *http.Request) []string {
		env := make(map[string]string)
		for variable, header := range s.headerEnv {
			if value := r.Header.Get(header); value != "" {
				env[variable] = value
			}
		}
		if p, ok := resource.FromContext(r.Context()); ok {
			for variable, name := range s.claimEnv {
				if value := claim(p, name); value != "" {
					env[variable] = value
				}
			}
		}
		return list(env)
	}
}
