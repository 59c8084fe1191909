// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// A Refusal is the answer to a request that may not pass.
type Refusal struct {
	// Status is 401 without a valid token or the proof that it needs, 403 if a
	// scope is missing, 400 if the Authorization header is malformed, and 503 if
	// the token could not be checked.
	Status int

	// Code is an error code of RFC 6750, invalid_request also if there was no
	// token; invalid_dpop_proof (RFC 9449) if the proof is wrong; and with 503
	// temporarily_unavailable.
	Code string

	Description string // for people
	Challenge   string // value of WWW-Authenticate; empty for 503
}

// Write answers a request with the refusal.
func (f *Refusal) Write(w http.ResponseWriter) {
	if f.Challenge != "" {
		w.Header().Set("WWW-Authenticate", f.Challenge)
	}
	if f.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeError(w, f.Status, f.Code, f.Description)
}

// Check decides about a request without answering it: one of the results is
// nil. It looks at the Authorization header; for a token that is bound to a key
// at the DPoP header, method and path; for [Rule] at method, path and MCP headers;
// at nothing else.
func (r *Resource) Check(req *http.Request) (*Principal, *Refusal) {
	scheme, token, err := accessToken(req.Header["Authorization"])
	if err != nil {
		return nil, r.refusal(req, scheme, http.StatusBadRequest, oauthdyn.CodeInvalidRequest, err.Error())
	}
	if token == "" {
		return nil, r.refusal(req, scheme, http.StatusUnauthorized, "", "")
	}
	ctx := req.Context()
	if scheme == schemeDPoP {
		ctx = toBeProved(ctx)
	}
	p, err := r.verify(ctx, token)
	if err == nil {
		err = r.prove(req, scheme, token, p)
	}
	switch {
	case errors.Is(err, errInvalidProof), errors.Is(err, errBound), errors.Is(err, errUnbound):
		return nil, r.refuseProof(req, err)
	case errors.Is(err, ErrInvalidToken):
		r.log.LogAttrs(req.Context(), slog.LevelInfo, "access token refused",
			slog.String("resource", r.id), slog.String("reason", err.Error()))
		return nil, r.refusal(req, scheme, http.StatusUnauthorized, oauthdyn.CodeInvalidToken,
			"the access token is expired, revoked, malformed or not for this resource")
	case err != nil:
		r.log.LogAttrs(req.Context(), slog.LevelError, "access token could not be checked",
			slog.String("resource", r.id), slog.String("error", err.Error()))
		return nil, &Refusal{
			Status: http.StatusServiceUnavailable, Code: oauthdyn.CodeTemporarilyUnavailable,
			Description: "the access token cannot be checked right now",
		}
	case !r.policy.satisfied(p, r.policy.needs(req)):
		return nil, r.refusal(req, scheme, http.StatusForbidden, oauthdyn.CodeInsufficientScope, "the access token lacks a required scope")
	}
	return p, nil
}

// refuseProof refuses a token for want of a proof. A proof that is wrong is told
// apart from a token that came in the wrong way: RFC 9449 section 7.1.
func (r *Resource) refuseProof(req *http.Request, reason error) *Refusal {
	r.log.LogAttrs(req.Context(), slog.LevelInfo, "access token refused",
		slog.String("resource", r.id), slog.String("reason", reason.Error()))
	scheme, code := schemeDPoP, oauthdyn.CodeInvalidToken
	switch {
	case errors.Is(reason, errInvalidProof):
		code = oauthdyn.CodeInvalidDPoPProof
	case errors.Is(reason, errUnbound):
		scheme = schemeBearer
	}
	return r.refusal(req, scheme, http.StatusUnauthorized, code, reason.Error())
}

// refusal makes a refusal with a challenge: RFC 6750 section 3, RFC 9449 section
// 7.1, RFC 9728 section 5.1. It names all scopes that the request needs. Without
// a code it says nothing of an error, because no token was sent.
func (r *Resource) refusal(req *http.Request, scheme string, status int, code, description string) *Refusal {
	params := map[string]string{"resource_metadata": r.metadataURL}
	if code != "" {
		params["error"] = code
		params["error_description"] = description
	}
	if scopes := r.policy.needs(req); len(scopes) > 0 {
		params["scope"] = strings.Join(scopes, " ")
	}
	if code == "" {
		code, description = oauthdyn.CodeInvalidRequest, "this resource needs an access token; the WWW-Authenticate header says where to get one"
	}
	scheme = r.challengeScheme(scheme)
	challenge := oauthdyn.Challenge{Scheme: scheme, Params: params}.String()
	if scheme != schemeBearer {
		challenge += `, algs="` + proofAlgorithms + `"`
	}
	return &Refusal{Status: status, Code: code, Description: description, Challenge: challenge}
}

// accessToken returns the token of an Authorization header and its scheme in
// lower case. The token is "" if there is none of a scheme that we know. It
// refuses what two readers could read differently.
func accessToken(values []string) (scheme, token string, err error) {
	if len(values) == 0 {
		return "", "", nil
	}
	if len(values) > 1 {
		return "", "", errors.New("more than one Authorization header")
	}
	scheme, token, _ = strings.Cut(values[0], " ")
	switch {
	case strings.EqualFold(scheme, schemeBearer):
		scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		scheme = schemeDPoP
	default:
		return "", "", nil
	}
	token = strings.Trim(token, " ")
	if token == "" || strings.Trim(token, token68) != "" {
		return scheme, "", errors.New("the Authorization header is not one access token")
	}
	return scheme, token, nil
}

// token68 are the characters of a token: RFC 6750 section 2.1, RFC 9449 section
// 7.1.
const token68 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

func writeError(w http.ResponseWriter, status int, code, description string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(oauthdyn.Error{Code: code, Description: description})
}
