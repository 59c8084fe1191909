// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// Options configure a protected resource.
type Options struct {
	// Resource is the URL at which clients reach the resource: the resource
	// identifier of RFC 9728 and the audience of its tokens. Required.
	Resource string

	// AuthorizationServers are the issuers whose tokens are accepted, exactly
	// as in their metadata. At least one is required.
	AuthorizationServers []string

	// OtherAudiences are as good as Resource in the audience of a token,
	// compared byte by byte: what an authorization server calls this resource
	// otherwise, be it the same URL with a slash at the end. Optional.
	OtherAudiences []string

	// Name is a human-readable name for the metadata. Optional.
	Name string

	// Scopes are the scopes_supported of the metadata, beside those that
	// requests can need. offline_access is refused here, as MCP asks.
	Scopes []string

	// RequiredScopes must all be granted, and are named in challenges. Empty:
	// any valid token passes.
	RequiredScopes []string

	// Rules name further scopes that some requests need. Optional.
	Rules []Rule

	// Implies names the scopes that a scope includes, directly or through
	// others: with {"admin": {"write"}, "write": {"read"}}, a token with admin
	// may read. Challenges name the least scopes that do. Optional.
	Implies map[string][]string

	// Verifier checks tokens. Nil: a JWTVerifier for AuthorizationServers,
	// which fetches their keys when the first token arrives. Resources may share
	// one whose audiences are those of them all: each of them accepts only the
	// tokens that are for itself.
	Verifier Verifier

	// Revocations are refused whatever the verifier says. Optional.
	Revocations *Revocations

	// DPoPRequired refuses bearer tokens: all must be bound to a key of the
	// client (RFC 9449). Otherwise both are accepted, and of a bound one a proof
	// of the key is demanded.
	DPoPRequired bool

	// Logger gets a line per refused token, without the token. Nil: none.
	Logger *slog.Logger
}

// A Resource protects one MCP server. It is safe for concurrent use.
type Resource struct {
	id          string
	others      []string // further audiences
	policy      *policy
	verifier    Verifier
	revocations *Revocations

	dpopRequired bool
	proofs       jwt.Replays
	origin       string // scheme and host of id

	log         *slog.Logger
	metadataURL string
	path        string // of metadataURL
	metadata    []byte
	etag        string
}

// New checks the options and makes a Resource. It does no network requests.
func New(o Options) (*Resource, error) {
	id, err := oauthdyn.CanonicalResource(o.Resource)
	if err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	if len(o.AuthorizationServers) == 0 {
		return nil, errors.New("resource: no authorization server is named (RFC 9728 needs at least one for MCP)")
	}
	scopes, err := newPolicy(&o)
	if err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	r := &Resource{
		id: id, others: o.OtherAudiences, policy: scopes,
		verifier: o.Verifier, revocations: o.Revocations, dpopRequired: o.DPoPRequired, log: o.Logger,
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.verifier == nil {
		v, err := NewJWTVerifier(JWTOptions{
			Issuers: o.AuthorizationServers, Audience: id, OtherAudiences: o.OtherAudiences, Logger: r.log,
		})
		if err != nil {
			return nil, err
		}
		r.verifier = v
	}
	return r, r.encodeMetadata(o)
}

// encodeMetadata prepares the metadata document, which never changes.
func (r *Resource) encodeMetadata(o Options) (err error) {
	if r.metadataURL, err = oauthdyn.ResourceMetadataURL(r.id); err != nil {
		return err
	}
	u, err := url.Parse(r.metadataURL)
	if err != nil {
		return err
	}
	r.path = u.Path
	r.origin = u.Scheme + "://" + u.Host
	r.metadata, err = json.Marshal(oauthdyn.ResourceMetadata{
		Resource:               r.id,
		AuthorizationServers:   o.AuthorizationServers,
		ScopesSupported:        r.policy.all(o.Scopes),
		BearerMethodsSupported: []string{"header"},
		ResourceName:           o.Name,

		DPoPBoundAccessTokensRequired: o.DPoPRequired,
		DPoPSigningAlgValuesSupported: jwt.Algorithms,
	})
	sum := sha256.Sum256(r.metadata)
	r.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return err
}

// ID returns the canonical resource identifier: the audience of its tokens.
func (r *Resource) ID() string { return r.id }

// MetadataPath returns the path at which MetadataHandler belongs:
// /.well-known/oauth-protected-resource and the path of the resource (RFC 9728
// section 3.1). It must be reachable without a token.
func (r *Resource) MetadataPath() string { return r.path }

// MetadataHandler serves the protected resource metadata: RFC 9728 section 3.2.
// It does not look at the request's path or host.
func (r *Resource) MetadataHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		switch req.Method {
		case http.MethodGet, http.MethodHead:
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "public, max-age=300")
			h.Set("ETag", r.etag)
			h.Set("X-Content-Type-Options", "nosniff")
			http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(r.metadata))
		case http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "MCP-Protocol-Version")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		default:
			h.Set("Allow", "GET, HEAD, OPTIONS")
			writeError(w, http.StatusMethodNotAllowed, oauthdyn.CodeInvalidRequest, "metadata is read with GET")
		}
	})
}
