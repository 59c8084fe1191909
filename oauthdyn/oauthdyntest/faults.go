// SPDX-License-Identifier: Apache-2.0

package oauthdyntest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// Faults make the authorization server misbehave, as servers do. The zero value
// is a server in good health.
//
// Refresh tokens rotate without any fault; set RefreshGrace of the options to
// -1, with Options.Adjust, for a server that has no patience with a second use.
type Faults struct {
	// Path narrows Delay and Status to requests for this path, such as "/token"
	// or oauthdyn.WellKnownServer. Empty: all.
	Path string

	// Delay passes before an answer, or until the client gives up.
	Delay time.Duration

	// Status answers requests, such as 503. 0: no.
	Status int

	// Issuer stands in the metadata for the true one. Empty: no.
	Issuer string

	// NoS256 takes PKCE with S256 out of the metadata.
	NoS256 bool

	// RefreshRevoked refuses every refresh token: invalid_grant.
	RefreshRevoked bool

	// UnknownClient refuses every client at the token endpoint, as a server
	// does that has lost its registrations: invalid_client.
	UnknownClient bool
}

// SetFaults makes the authorization server misbehave from now on, in place of
// earlier faults. It can be called at any time.
func (s *Server) SetFaults(f Faults) { s.faults.Store(&f) }

// RevokeAccess makes the resource refuse all access tokens that the person has
// so far, without a word to the authorization server, in whole seconds: a new one
// is good from the next second on.
func (s *Server) RevokeAccess() error {
	return s.revocations.Add(resource.Revocation{Issuer: s.Issuer, Subject: "local:" + Username})
}

// RevokeGrants ends what the person has allowed clients so far, with all access
// and refresh tokens, as an administrator would.
func (s *Server) RevokeGrants(ctx context.Context) error {
	_, err := s.AuthServer.RevokeGrants(ctx, store.Owner{Subject: "local:" + Username})
	return err
}

// misbehave puts the faults before the authorization server.
func (s *Server) misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := s.faults.Load()
		if f == nil || *f == (Faults{}) {
			next.ServeHTTP(w, r)
			return
		}
		if f.Path == "" || f.Path == r.URL.Path {
			select {
			case <-time.After(f.Delay):
			case <-r.Context().Done():
				return
			}
			if f.Status != 0 {
				http.Error(w, http.StatusText(f.Status), f.Status)
				return
			}
		}
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, oauthdyn.WellKnownServer), strings.HasPrefix(path, oauthdyn.WellKnownOpenID):
			f.serveMetadata(w, r, next)
		case path == "/token" && f.UnknownClient:
			refuse(w, http.StatusUnauthorized, oauthdyn.CodeInvalidClient)
		case path == "/token" && f.RefreshRevoked && r.PostFormValue("grant_type") == oauthdyn.GrantRefreshToken:
			refuse(w, http.StatusBadRequest, oauthdyn.CodeInvalidGrant)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// serveMetadata serves the true metadata, but for what is faulty.
func (f *Faults) serveMetadata(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	var md map[string]any
	if json.Unmarshal(rec.Body.Bytes(), &md) == nil {
		if f.Issuer != "" {
			md["issuer"] = f.Issuer
		}
		if f.NoS256 {
			delete(md, "code_challenge_methods_supported")
		}
	}
	writeJSON(w, rec.Code, md)
}

func refuse(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, oauthdyn.Error{Code: code, Description: "this is a fault on request"})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}
