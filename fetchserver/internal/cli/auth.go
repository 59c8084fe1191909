// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"log/slog"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// protect makes the server demand access tokens, if the flags say so, and
// serves the metadata that tells clients where to get one (RFC 9728).
func (c *config) protect(o *fetchserver.Options, mux *http.ServeMux, log *slog.Logger) error {
	if len(c.authIssuers) == 0 {
		if len(c.requiredScopes) > 0 {
			return &usageError{"--required-scope needs --auth-issuer and --resource"}
		}
		return nil
	}
	r, err := resource.New(resource.Options{
		Resource:             c.resource,
		AuthorizationServers: c.authIssuers,
		Name:                 "Web fetch",
		Scopes:               c.requiredScopes,
		RequiredScopes:       c.requiredScopes,
		Logger:               log,
	})
	if err != nil {
		return &usageError{err.Error()}
	}
	o.Middleware = r.Middleware
	mux.Handle(r.MetadataPath(), r.MetadataHandler())
	return nil
}
