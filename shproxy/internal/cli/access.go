// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// access decides who may call. Each path is a resource of its own (RFC 8707),
// so that a token for one server is none for another.
type access struct {
	tokens   *staticTokens // nil: none
	embedded *embedded     // nil: none
	issuers  []string      // with that of the embedded server
	scopes   []string
	base     string // URL of this program
	vouched  string // header in which a proxy says who calls; empty: none
	resource string // instead of the base and the path
	log      *slog.Logger

	made map[string]*resource.Resource // by path
}

// defaultScope is what tokens of the embedded server need.
const defaultScope = "mcp"

func (c *config) newAccess(listener net.Listener, log *slog.Logger) (*access, error) {
	a := &access{
		issuers: slices.Clone(c.authIssuers), scopes: c.requiredScopes, resource: c.resource, base: c.baseURL(listener),
		vouched: c.identityHeader, log: log, made: make(map[string]*resource.Resource),
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); ok && addr.IP.IsUnspecified() && c.publicURL == "" &&
		(c.authEmbedded || len(c.authIssuers) > 0 && c.resource == "") {
		return nil, &usageError{text: "--auth-issuer and --auth-embedded need --public-url, since clients cannot reach " + c.host}
	}
	var err error
	if c.tokenFile != "" {
		if a.tokens, err = openTokens(c.tokenFile); err != nil {
			return nil, fileError("--token-file", "token", c.tokenFile, err)
		}
	}
	if c.authEmbedded {
		if len(a.scopes) == 0 {
			a.scopes = []string{defaultScope}
		}
		if a.embedded, err = openEmbedded(c.authData, c.authUsers, a.base, log); err != nil {
			return nil, err
		}
		a.issuers = append(a.issuers, a.base)
	}
	return a, nil
}

// close lets go of the embedded server.
func (a *access) close() error {
	if a.embedded == nil {
		return nil
	}
	return a.embedded.close()
}

// identify tells callers apart, or is nil if nobody is known.
func (a *access) identify() func(*http.Request) string {
	switch {
	case a.vouched != "":
		return func(r *http.Request) string { return r.Header.Get(a.vouched) }
	case a.tokens == nil && len(a.issuers) == 0:
		return nil
	}
	return caller
}

// protection is what stands before one path.
type protection struct {
	wrap func(http.Handler) http.Handler
	// resource has the metadata that tells clients where to get a token; nil
	// if there is no such place.
	resource *resource.Resource
}

// protect makes the protection of a path, or returns the one it has had.
func (a *access) protect(path, server string) (protection, error) {
	if len(a.issuers) == 0 {
		if a.tokens != nil {
			return protection{wrap: a.tokens.middleware}, nil
		}
		if a.vouched != "" {
			return protection{wrap: func(h http.Handler) http.Handler { return vouchedFor(a.vouched, h) }}, nil
		}
		return protection{wrap: func(h http.Handler) http.Handler { return h }}, nil
	}
	r, ok := a.made[path]
	if !ok {
		var err error
		if r, err = a.newResource(path, server); err != nil {
			return protection{}, &usageError{text: err.Error()}
		}
		a.made[path] = r
	}
	wrap := r.Middleware
	if a.tokens != nil {
		wrap = func(h http.Handler) http.Handler { return r.Middleware(a.tokens.whileValid(h)) }
	}
	return protection{wrap: wrap, resource: r}, nil
}

func (a *access) newResource(path, server string) (*resource.Resource, error) {
	id := a.resource
	if id == "" {
		id = a.base + path
	}
	id, err := oauthdyn.CanonicalResource(id)
	if err != nil {
		return nil, err
	}
	jwt := resource.JWTOptions{Issuers: a.issuers, Audience: id, Logger: a.log}
	if a.embedded != nil {
		jwt.HTTPClient = a.embedded.client()
	}
	verifier, err := resource.NewJWTVerifier(jwt)
	if err != nil {
		return nil, err
	}
	o := resource.Options{
		Resource: id, AuthorizationServers: a.issuers, Name: server,
		Scopes: a.scopes, RequiredScopes: a.scopes, Verifier: verifier, Logger: a.log,
	}
	if a.embedded != nil {
		o.Revocations = &a.embedded.revocations
	}
	if a.tokens != nil {
		o.Verifier = &alsoStatic{tokens: a.tokens, audience: id, scopes: a.scopes, next: verifier}
	}
	return resource.New(o)
}

// offer tells the embedded server which tokens it can issue.
func (a *access) offer(ctx context.Context, resources []authserver.Resource) error {
	if a.embedded == nil {
		return nil
	}
	return a.embedded.offer(ctx, resources)
}

// hosts are the names under which clients reach this program, as far as they
// are known from URLs.
func (c *config) hosts() []string {
	hosts := append([]string(nil), c.allowHosts...)
	hosts = append(hosts, c.certs.Hosts...)
	for _, address := range []string{c.publicURL, c.resource} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

// origins are those whose web pages may call.
func (c *config) origins() []string { return slices.Concat(c.allowOrigins, c.corsOrigins) }
