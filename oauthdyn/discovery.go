// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// probeTimeout bounds the question whether a resource has a challenge. A
	// server may answer GET with a stream that stays silent.
	probeTimeout = 5 * time.Second

	maxAuthServers = 10 // of one resource that are tried
)

// Discovery is what a [Client] found out about its resource.
type Discovery struct {
	// Resource is the resource indicator (RFC 8707), spelled as the resource's
	// metadata spells it. Empty without Config.Resource.
	Resource string

	// Issuer is the chosen authorization server.
	Issuer string

	// Server is the validated metadata of the authorization server.
	Server *ServerMetadata

	// ResourceMetadata is the validated metadata of the resource, and
	// ResourceMetadataURL where it was found. Both are empty when the resource
	// publishes none.
	ResourceMetadata    *ResourceMetadata
	ResourceMetadataURL string

	// Scopes are those of the resource's challenge, if it sent one.
	Scopes []string

	// DPoP tells that the resource takes only tokens that are bound to a key
	// (RFC 9449).
	DPoP bool

	// Legacy tells that the resource publishes no metadata, so that its origin
	// is taken for the authorization server, as MCP 2025-03-26 had it.
	Legacy bool
}

// Discover finds the authorization server of the resource and validates its
// metadata: RFC 9728, RFC 8414, OpenID Connect Discovery. It asks the resource
// for its challenge first, which may name an address of the metadata that
// cannot be guessed: by a GET, and if that is not refused with 401, by posting a
// ping. The error tells what was missing or did not fit; Config.Trace is told of
// each step.
func (c *Client) Discover(ctx context.Context) (*Discovery, error) {
	d, err := c.discover(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: discovery for %s: %w", c.cfg.target(), err)
	}
	return d, nil
}

// discover is Discover with the challenge of a refused request, if there was
// one. The result is remembered and must not be changed.
func (c *Client) discover(ctx context.Context, ch *Challenge) (*Discovery, error) {
	if ch == nil {
		var err error
		if ch, err = c.probe(ctx); err != nil {
			return nil, err
		}
	}
	d := &Discovery{Resource: c.cfg.Resource, Scopes: ch.Scopes(), DPoP: ch.Scheme == schemeDPoP}
	var candidates []string
	if c.resource != nil {
		if err := c.findResourceMetadata(ctx, ch.ResourceMetadata(), d); err != nil {
			return nil, err
		}
	}
	if d.ResourceMetadata != nil {
		candidates = d.ResourceMetadata.AuthorizationServers
	}
	if err := c.chooseServer(ctx, candidates, d); err != nil {
		return nil, err
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "discovered authorization server",
		slog.String("issuer", d.Issuer), slog.String("resource", d.Resource), slog.Bool("legacy", d.Legacy))
	c.mu.Lock()
	c.found = d
	c.mu.Unlock()
	return d, nil
}

// probe asks the resource for its challenge. Without one it returns an empty
// challenge. Some resources want a token of messages only, which are posted.
func (c *Client) probe(ctx context.Context) (*Challenge, error) {
	if c.resource == nil {
		return &Challenge{}, nil
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		resp, err := c.probeWith(ctx, method)
		switch {
		case err != nil:
			return nil, err
		case resp == nil || resp.StatusCode != http.StatusUnauthorized:
			continue
		}
		if ch, ok := oauthChallenge(resp.Header); ok {
			return &ch, nil
		}
		break
	}
	return &Challenge{}, nil
}

// probeMessage asks for nothing and changes nothing.
const probeMessage = `{"jsonrpc":"2.0","id":0,"method":"ping"}`

// probeWith makes one request without a token and returns the header of the
// answer, nil if none came in time.
func (c *Client) probeWith(ctx context.Context, method string) (*http.Response, error) {
	probeCtx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(probeMessage)
	}
	req, err := http.NewRequestWithContext(probeCtx, method, c.cfg.Resource, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	c.trace(DiscoveryStep{Kind: StepChallenge, URL: c.cfg.Resource, Response: resp, Err: err})
	switch {
	case err != nil && ctx.Err() == nil && probeCtx.Err() != nil:
		return nil, nil
	case err != nil:
		return nil, err
	}
	_ = resp.Body.Close() // it may be a stream; only the header counts
	return resp, nil
}

// metadataURLs lists where the metadata of the resource can be, in the order in
// which MCP wants them tried.
func (c *Client) metadataURLs(fromChallenge string) []string {
	var list []string
	if fromChallenge != "" {
		list = append(list, fromChallenge)
	}
	if remembered := c.rememberedMetadataURL(); remembered != "" && fromChallenge == "" {
		list = append(list, remembered)
	}
	root := url.URL{Scheme: c.resource.Scheme, Host: c.resource.Host}
	for _, u := range []string{wellKnown(c.resource, WellKnownResource), wellKnown(&root, WellKnownResource)} {
		if !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	return list
}

// rememberedMetadataURL is where the metadata was when the grant was made.
func (c *Client) rememberedMetadataURL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grant == nil {
		return ""
	}
	return c.grant.Grant.MetadataURL
}

// findResourceMetadata fills in the metadata of the resource. A document that
// describes another resource ends the search with an error. Only when every
// address answered that there is no document does d stay without one; a failure
// must not lead to the weaker discovery of 2025-03-26.
func (c *Client) findResourceMetadata(ctx context.Context, fromChallenge string, d *Discovery) error {
	var failed []error
	for _, at := range c.metadataURLs(fromChallenge) {
		m := new(ResourceMetadata)
		resp, err := c.getJSON(ctx, at, m)
		found := err == nil
		if found {
			err = c.checkResource(m.Resource, at)
		}
		c.trace(DiscoveryStep{Kind: StepResourceMetadata, URL: at, Response: resp, ResourceMetadata: m, Err: err})
		switch {
		case found && err != nil:
			return fmt.Errorf("resource metadata %s: %w", at, err)
		case found:
			d.Resource, d.ResourceMetadata, d.ResourceMetadataURL = m.Resource, m, at
			d.DPoP = d.DPoP || m.DPoPBoundAccessTokensRequired
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !absent(err) {
			failed = append(failed, err)
		}
	}
	if failed != nil {
		return fmt.Errorf("resource metadata: %w", errors.Join(failed...))
	}
	d.Legacy = true
	return nil
}

// checkResource compares the resource of a metadata document with the one that
// was asked for (RFC 9728 section 3.3). They are equal but for a last slash; a
// parent on the same origin is accepted if the document was found where that
// parent publishes its metadata, which is the case after the fallback to the
// root.
func (c *Client) checkResource(named, at string) error {
	canonical, err := CanonicalResource(named)
	if err != nil {
		return err
	}
	if trimSlash(canonical) == trimSlash(c.cfg.Resource) {
		return nil
	}
	u, _ := url.Parse(canonical) // CanonicalResource parsed it
	parent := trimSlash(u.EscapedPath()) + "/"
	if origin(u) == origin(c.resource) && u.RawQuery == "" && wellKnown(u, WellKnownResource) == at &&
		strings.HasPrefix(c.resource.EscapedPath(), parent) {
		return nil
	}
	return fmt.Errorf("it describes %q, not %q: the server's configuration is wrong or the document is forged", named, c.cfg.Resource)
}

// chooseServer picks the authorization server and fills in its metadata.
func (c *Client) chooseServer(ctx context.Context, candidates []string, d *Discovery) error {
	switch {
	case d.ResourceMetadata == nil && c.cfg.AuthServer != "":
		d.Legacy = false
		return c.useServer(ctx, c.cfg.AuthServer, d)
	case d.ResourceMetadata == nil:
		return c.useOrigin(ctx, d)
	case len(candidates) == 0:
		return fmt.Errorf("resource metadata %s lists no authorization server", d.ResourceMetadataURL)
	}
	candidates, err := c.order(candidates)
	if err != nil {
		return err
	}
	var failed []error
	for _, issuer := range candidates {
		err := c.useServer(ctx, issuer, d)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// order puts the configured server alone, else the one that the grant came from
// first (RFC 9728 section 7.6 leaves the choice to the client).
func (c *Client) order(candidates []string) ([]string, error) {
	if want := c.cfg.AuthServer; want != "" {
		for _, issuer := range candidates {
			if trimSlash(issuer) == trimSlash(want) {
				return []string{issuer}, nil
			}
		}
		return nil, fmt.Errorf("resource does not accept tokens of the configured authorization server %s, but of %s",
			want, peerText(strings.Join(candidates, ", ")))
	}
	candidates = slices.Clone(candidates[:min(len(candidates), maxAuthServers)])
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grant != nil {
		if i := slices.Index(candidates, c.grant.Issuer); i > 0 {
			candidates[0], candidates[i] = candidates[i], candidates[0]
		}
	}
	return candidates, nil
}

// useServer reads the metadata of an authorization server and takes it over.
func (c *Client) useServer(ctx context.Context, issuer string, d *Discovery) error {
	m, err := c.serverMetadata(ctx, issuer)
	if err == nil {
		err = c.adopt(issuer, m, d)
	}
	c.trace(DiscoveryStep{Kind: StepServer, Issuer: issuer, ServerMetadata: m, Err: err})
	return err
}

// serverMetadata reads and checks the metadata of an authorization server.
func (c *Client) serverMetadata(ctx context.Context, issuer string) (*ServerMetadata, error) {
	if err := checkIssuer(issuer, c.local()); err != nil {
		return nil, err
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("authorization server %q is not a URL", issuer)
	}
	var failed []error
	for _, at := range serverMetadataURLs(u) {
		m := new(ServerMetadata)
		resp, err := c.getJSON(ctx, at, m)
		found := err == nil
		if found && m.Issuer != issuer {
			err = wrongIssuer(at, m.Issuer, issuer)
		}
		c.trace(DiscoveryStep{Kind: StepServerMetadata, URL: at, Response: resp, Issuer: issuer, ServerMetadata: m, Err: err})
		switch {
		case found && err != nil:
			return nil, err
		case found:
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("authorization server %s has no usable metadata: %w", issuer, errors.Join(failed...))
}

// serverMetadataURLs lists the addresses of an issuer's metadata in the order
// that MCP prescribes.
func serverMetadataURLs(issuer *url.URL) []string {
	list := []string{wellKnown(issuer, WellKnownServer), wellKnown(issuer, WellKnownOpenID)}
	if path := trimSlash(issuer.EscapedPath()); path != "" {
		list = append(list, origin(issuer)+path+WellKnownOpenID)
	}
	return list
}

// useOrigin is the discovery of MCP 2025-03-26: the origin of the resource is
// the authorization server, with default endpoints when it has no metadata.
func (c *Client) useOrigin(ctx context.Context, d *Discovery) error {
	base := origin(c.resource)
	at := base + WellKnownServer
	m := new(ServerMetadata)
	resp, err := c.getJSON(ctx, at, m)
	if err == nil && trimSlash(m.Issuer) != base {
		err = wrongIssuer(at, m.Issuer, base)
	}
	c.trace(DiscoveryStep{Kind: StepServerMetadata, URL: at, Response: resp, Issuer: base, ServerMetadata: m, Err: err})
	switch {
	case err != nil && !absent(err):
		return err
	case err != nil:
		m = &ServerMetadata{
			Issuer:                        base,
			AuthorizationEndpoint:         base + "/authorize",
			TokenEndpoint:                 base + "/token",
			RegistrationEndpoint:          base + "/register",
			CodeChallengeMethodsSupported: []string{"S256"}, // required of every server of that time
		}
	}
	err = c.adopt(m.Issuer, m, d)
	c.trace(DiscoveryStep{Kind: StepServer, Issuer: m.Issuer, ServerMetadata: m, Err: err})
	return err
}

func wrongIssuer(at, named, want string) error {
	return fmt.Errorf("metadata %s names the issuer %q, not %q, and must not be used (RFC 8414 section 3.3)", at, named, want)
}

// adopt takes over validated metadata once it allows a safe login.
func (c *Client) adopt(issuer string, m *ServerMetadata, d *Discovery) error {
	if err := c.flow.usable(m); err != nil {
		return fmt.Errorf("authorization server %s %w", issuer, err)
	}
	if m.TokenEndpoint == "" {
		return fmt.Errorf("authorization server %s announces no token_endpoint", issuer)
	}
	for _, e := range []struct{ name, url string }{
		{"authorization_endpoint", m.AuthorizationEndpoint},
		{"token_endpoint", m.TokenEndpoint},
		{"registration_endpoint", m.RegistrationEndpoint},
	} {
		if e.url == "" {
			continue
		}
		if err := c.checkURL(e.url); err != nil {
			return fmt.Errorf("authorization server %s: %s: %w", issuer, e.name, err)
		}
	}
	d.Issuer, d.Server = issuer, m
	return nil
}

// checkIssuer accepts an issuer identifier: RFC 8414 section 2.
func checkIssuer(issuer string, local bool) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("authorization server %q: want an https URL without user name, query and fragment", peerText(issuer))
	}
	if err := secureScheme(u, local); err != nil {
		return fmt.Errorf("authorization server %s: %w", u, err)
	}
	return nil
}

// origin returns scheme, host and port (RFC 6454), default ports left out.
func origin(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.TrimSuffix(strings.ToLower(u.Host), ":")
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// trimSlash drops one slash at the end, for comparisons that forgive it.
func trimSlash(s string) string { return strings.TrimSuffix(s, "/") }
