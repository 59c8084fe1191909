// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

const (
	headerDPoP = "DPoP"

	// Schemes of the Authorization header, in lower case.
	schemeBearer = "bearer"
	schemeDPoP   = "dpop"
)

// Why a request does not pass although its access token may be good (RFC 9449).
var (
	errInvalidProof = errors.New("DPoP proof is not valid")
	errBound        = fmt.Errorf("%w: it is bound to a key; send it with the DPoP scheme and a proof of the key", ErrInvalidToken)
	errUnbound      = errors.New("access token is not bound to a key")
)

// prove checks that who sends a request has the key that its token is bound to:
// RFC 9449 section 7. The URL of the request is the origin of the resource and
// the path of the request; what it says of its host does not count.
func (r *Resource) prove(req *http.Request, scheme, token string, p *Principal) error {
	bound := p.KeyThumbprint != ""
	switch {
	case !bound && r.dpopRequired:
		return fmt.Errorf("%w; this resource takes no others", errUnbound)
	case !bound && scheme == schemeDPoP:
		return fmt.Errorf("%w; send it as a bearer token", errUnbound)
	case !bound:
		return nil
	case scheme != schemeDPoP:
		return errBound
	}
	proof, err := jwt.ParseProof(req.Header[http.CanonicalHeaderKey(headerDPoP)])
	if err != nil {
		return fmt.Errorf("%w: %w", errInvalidProof, err)
	}
	now := time.Now()
	want := jwt.Proof{Method: req.Method, URL: r.origin + req.URL.EscapedPath(), Token: token}
	switch err := proof.Check(want, now); {
	case err != nil:
		return fmt.Errorf("%w: %w", errInvalidProof, err)
	case proof.Thumbprint != p.KeyThumbprint:
		return fmt.Errorf("%w: it is by another key than the access token's", errInvalidProof)
	case !r.proofs.Use(proof, now):
		return fmt.Errorf("%w: it was used before", errInvalidProof)
	}
	return nil
}

type provenKey struct{}

// toBeProved returns a context in which the verifiers of this package accept
// bound tokens, because the caller looks at the proof. To all other callers a
// token that they cannot use as it is shall not look good.
func toBeProved(ctx context.Context) context.Context {
	return context.WithValue(ctx, provenKey{}, true)
}

// provable returns the principal, unless its token is bound and nobody looks at
// a proof.
func provable(ctx context.Context, p *Principal) (*Principal, error) {
	if p.KeyThumbprint != "" && ctx.Value(provenKey{}) == nil {
		return nil, errBound
	}
	return p, nil
}

// challengeScheme is the scheme in which a request is asked for a token: that in
// which it sent one, if this resource takes both.
func (r *Resource) challengeScheme(sent string) string {
	if r.dpopRequired || sent == schemeDPoP {
		return "DPoP"
	}
	return schemeBearer
}

// proofAlgorithms is what challenges and metadata say of proofs.
var proofAlgorithms = strings.Join(jwt.Algorithms, " ")
