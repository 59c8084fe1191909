// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

const headerDPoP = "DPoP"

// Values of token_type.
const (
	typeBearer = "Bearer"
	typeDPoP   = "DPoP"
)

// provenKey returns the thumbprint of the key that a token request proves to
// have (RFC 9449 section 5); empty if it proves none.
func (s *Server) provenKey(r *http.Request, client *store.Client) (string, *oauthdyn.Error) {
	values := r.Header.Values(headerDPoP)
	if len(values) == 0 {
		if client.Metadata.DPoPBoundAccessTokens {
			return "", invalidProof("the client registered for tokens that are bound to a key (dpop_bound_access_tokens), and sent no proof of one")
		}
		return "", nil
	}
	proof, err := jwt.ParseProof(values)
	if err != nil {
		return "", invalidProof(err.Error())
	}
	now := time.Now()
	if err := proof.Check(jwt.Proof{Method: r.Method, URL: s.url(pathToken)}, now); err != nil {
		return "", invalidProof(err.Error())
	}
	if !s.proofs.Use(proof, now) {
		return "", invalidProof("the DPoP proof was used before")
	}
	return proof.Thumbprint, nil
}

func invalidProof(description string) *oauthdyn.Error {
	return fail(http.StatusBadRequest, oauthdyn.CodeInvalidDPoPProof, description)
}

// validThumbprint checks for the base64url form of a SHA-256.
func validThumbprint(s string) bool { return validChallenge(s) }

// tokenType names the type of an access token.
func tokenType(keyThumbprint string) string {
	if keyThumbprint != "" {
		return typeDPoP
	}
	return typeBearer
}
