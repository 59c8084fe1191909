// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// Middleware lets requests with a valid access token for this resource pass to
// next, with the principal in their context and without the Authorization
// header, so that next cannot hand the token on. Tokens in the query, the body
// or a cookie are not looked at.
func (r *Resource) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p := r.authenticate(w, req)
		if p == nil {
			return
		}
		inner := req.WithContext(NewContext(req.Context(), p))
		inner.Header = maps.Clone(req.Header)
		inner.Header.Del("Authorization")
		next.ServeHTTP(w, inner)
	})
}

// authenticate returns the principal of a request, or nil after it has answered
// the request itself.
func (r *Resource) authenticate(w http.ResponseWriter, req *http.Request) *Principal {
	token, err := bearerToken(req.Header.Values("Authorization"))
	if err != nil {
		r.refuse(w, http.StatusBadRequest, oauthdyn.CodeInvalidRequest, err.Error())
		return nil
	}
	if token == "" {
		r.refuse(w, http.StatusUnauthorized, "", "")
		return nil
	}
	p, err := r.verifier.Verify(req.Context(), token)
	if err == nil {
		err = r.accepts(p)
	}
	switch {
	case errors.Is(err, ErrInvalidToken):
		r.log.LogAttrs(req.Context(), slog.LevelInfo, "access token refused",
			slog.String("resource", r.id), slog.String("reason", err.Error()))
		r.refuse(w, http.StatusUnauthorized, oauthdyn.CodeInvalidToken,
			"the access token is expired, revoked, malformed or not for this resource")
	case err != nil:
		r.log.LogAttrs(req.Context(), slog.LevelError, "access token could not be checked",
			slog.String("resource", r.id), slog.String("error", err.Error()))
		w.Header().Set("Retry-After", "1")
		writeError(w, http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable,
			"the access token cannot be checked right now")
	case !p.HasScopes(r.required...):
		r.refuse(w, http.StatusForbidden, oauthdyn.CodeInsufficientScope, "the access token lacks a required scope")
	default:
		return p
	}
	return nil
}

// accepts repeats the checks that must hold whatever the verifier is.
func (r *Resource) accepts(p *Principal) error {
	if p == nil || !slices.Contains(p.Audience, r.id) || !p.Expires.IsZero() && !time.Now().Before(p.Expires.Add(clockSkew)) {
		return ErrInvalidToken
	}
	return nil
}

// bearerToken returns the token of an Authorization header, or "" if there is no
// bearer token. It refuses what two readers could read differently.
func bearerToken(values []string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", errors.New("more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return "", nil
	}
	token = strings.Trim(token, " ")
	if token == "" || strings.Trim(token, token68) != "" {
		return "", errors.New("the Authorization header is not one bearer token")
	}
	return token, nil
}

// token68 are the characters of a bearer token: RFC 6750 section 2.1.
const token68 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

// refuse answers with a challenge: RFC 6750 section 3, RFC 9728 section 5.1.
// Without a code it says nothing of an error, because no token was sent.
func (r *Resource) refuse(w http.ResponseWriter, status int, code, description string) {
	params := map[string]string{"resource_metadata": r.metadataURL}
	if code != "" {
		params["error"] = code
		params["error_description"] = description
	}
	if len(r.required) > 0 {
		params["scope"] = strings.Join(r.required, " ")
	}
	w.Header().Set("WWW-Authenticate", oauthdyn.Challenge{Scheme: "bearer", Params: params}.String())
	if code == "" {
		code, description = oauthdyn.CodeInvalidRequest, "this resource needs an access token; the WWW-Authenticate header says where to get one"
	}
	writeError(w, status, code, description)
}

func writeError(w http.ResponseWriter, status int, code, description string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(oauthdyn.Error{Code: code, Description: description})
}
