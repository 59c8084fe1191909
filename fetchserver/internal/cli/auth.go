// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// callerFlags say who may call.
type callerFlags struct {
	authIssuers     []string
	resource        string
	requiredScopes  []string
	introspectAs    string
	secretFile      string
	clientAsSubject bool
	acceptTypeJWT   bool
}

func (c *config) addCallerFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&c.authIssuers, "auth-issuer", nil, "demand access tokens of the authorization server at `URL`; repeatable")
	f.StringVar(&c.resource, "resource", "", "`URL` of the endpoint as clients see it, the audience of their tokens (default the public URL with the path)")
	f.StringArrayVar(&c.requiredScopes, "required-scope", nil, "`SCOPE` that tokens must have; repeatable")
	f.StringVar(&c.introspectAs, "introspect-as", "", "`CLIENT_ID` with which to ask the issuer about tokens (RFC 7662)")
	f.StringVar(&c.secretFile, "secret-file", "", "`FILE` with the secret of that client; read again on SIGHUP")
	f.BoolVar(&c.clientAsSubject, "client-as-subject", false, "a token of which the issuer names no person speaks for its client; only with an issuer that names every person")
	f.BoolVar(&c.acceptTypeJWT, "accept-type-jwt", false, "accept tokens of type JWT too, which RFC 9068 forbids but some servers issue")
}

func (c *config) checkCallerFlags() error {
	switch {
	case len(c.authIssuers) == 0 && (c.resource != "" || len(c.requiredScopes) > 0 || c.introspectAs != "" || c.acceptTypeJWT):
		return &usageError{text: "--resource, --required-scope, --introspect-as and --accept-type-jwt need --auth-issuer"}
	case c.introspectAs != "" && len(c.authIssuers) > 1:
		return &usageError{text: "--introspect-as works with one --auth-issuer, since an opaque token does not name its own"}
	case c.clientAsSubject && c.introspectAs == "":
		return &usageError{text: "--client-as-subject belongs to --introspect-as"}
	case (c.introspectAs == "") != (c.secretFile == ""):
		return &usageError{text: "--introspect-as and --secret-file belong together"}
	}
	return nil
}

// protection demands tokens of callers, or is nil if everybody may call.
func (c *config) protection(listening net.Addr, log *slog.Logger) (*resource.Resource, error) {
	if len(c.authIssuers) == 0 {
		return nil, nil
	}
	id := c.resource
	if id == "" {
		if addr, ok := listening.(*net.TCPAddr); ok && addr.IP.IsUnspecified() && c.publicURL == "" {
			return nil, &usageError{text: "--auth-issuer needs --public-url or --resource, since clients cannot reach " + c.host}
		}
		id = c.baseURL(listening) + c.path
	}
	id, err := oauthdyn.CanonicalResource(id)
	if err != nil {
		return nil, &usageError{text: "--resource: " + err.Error()}
	}
	verifier, err := c.verifier(id, log)
	if err != nil {
		return nil, err
	}
	r, err := resource.New(resource.Options{
		Resource: id, AuthorizationServers: c.authIssuers, Name: "Web fetch",
		Scopes: c.requiredScopes, RequiredScopes: c.requiredScopes, Verifier: verifier, Logger: log,
	})
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return r, nil
}

func (c *config) verifier(audience string, log *slog.Logger) (v resource.Verifier, err error) {
	if c.introspectAs == "" {
		v, err = resource.NewJWTVerifier(resource.JWTOptions{
			Issuers: c.authIssuers, Audience: audience, AcceptTypeJWT: c.acceptTypeJWT, Logger: log,
		})
	} else {
		secret := ""
		if secret, err = signin.ReadSecret(c.secretFile, nil); err != nil {
			return nil, fmt.Errorf("--secret-file: %w", err)
		}
		v, err = resource.NewIntrospectionVerifier(resource.IntrospectionOptions{
			Issuer: c.authIssuers[0], ClientID: c.introspectAs, ClientSecret: secret, Audience: audience,
			ClientAsSubject: c.clientAsSubject, Logger: log,
		})
	}
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return v, nil
}

// route serves an endpoint at a path, also with a slash at the end.
func route(mux *http.ServeMux, path string, h http.Handler) {
	mux.Handle(path, h)
	if path != "/" {
		mux.Handle(path+"/{$}", h)
	}
}
