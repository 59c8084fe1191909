// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

const (
	authorization = "basic/authorization"
	discovery     = "basic/authorization/authorization-server-discovery"
)

// inAuthorization are the sections of before the page became several.
func inAuthorization(anchor string) map[string]string {
	return map[string]string{V20250618: authorization + anchor, V20251125: authorization + anchor}
}

// oauthRules are about a server that wants a login, and the authorization
// servers that it names. They ask without the login of the user.
func oauthRules() []Rule {
	rules := []Rule{
		{
			ID: "oauth.unauthorized", Level: Must,
			Section: authorization + "#error-handling",
			Demand:  "a request without a token is answered with 401",
			Check: protected(func(p *Probe, w *wall) {
				p.Show(w.exchange)
				if w.status != http.StatusUnauthorized {
					p.Brokenf("the status is %d", w.status)
				}
			}),
		}, {
			ID: "oauth.challenge", Level: Must,
			Section:   discovery + "#protected-resource-metadata-discovery-requirements",
			Elsewhere: map[string]string{V20250618: authorization + "#authorization-server-location", V20251125: authorization + "#authorization-server-location"},
			Demand:    "the answer 401 has a WWW-Authenticate header with a Bearer challenge",
			Check: protected(func(p *Probe, w *wall) {
				p.Show(w.exchange)
				if w.status == http.StatusUnauthorized && w.bearer == nil {
					p.Brokenf("the header is %q", w.header.Values("WWW-Authenticate"))
				}
			}),
		}, {
			ID: "oauth.challenge-metadata", Level: Must, Until: V20250618,
			Section: authorization + "#authorization-server-location",
			Demand:  "the challenge has the URL of the resource's metadata as resource_metadata",
			Check: protected(func(p *Probe, w *wall) {
				p.Show(w.exchange)
				if w.bearer != nil && w.bearer["resource_metadata"] == "" {
					p.Brokenf("the challenge is %q", w.header.Values("WWW-Authenticate"))
				}
			}),
		}, {
			ID: "oauth.challenge-scope", Level: Should, Since: V20251125,
			Section: authorization + "#scope-selection-strategy", Elsewhere: map[string]string{V20251125: authorization + "#protected-resource-metadata-discovery-requirements"},
			Demand: "the challenge has the scope that is needed",
			Check: protected(func(p *Probe, w *wall) {
				p.Show(w.exchange)
				if w.bearer != nil && w.bearer["scope"] == "" {
					p.Brokenf("the challenge is %q", w.header.Values("WWW-Authenticate"))
				}
			}),
		}, {
			ID: "oauth.offline-access", Level: Should, Since: V20260728,
			Section: authorization + "#refresh-tokens",
			Demand:  "neither the challenge nor the metadata of the resource has the scope offline_access",
			Check: protected(func(p *Probe, w *wall) {
				if p.Show(w.exchange); slices.Contains(strings.Fields(w.bearer["scope"]), "offline_access") {
					p.Brokenf("it is in the challenge")
				}
				p.Forget()
				if w.resource.show(p); slices.Contains(w.resource.list("scopes_supported"), "offline_access") {
					p.Brokenf("it is in scopes_supported")
				}
			}),
		}, {
			ID: "oauth.token-checked", Level: Must,
			Section: authorization + "#token-handling",
			Demand:  "a request with an invalid token is answered with 401",
			Check: func(ctx context.Context, p *Probe) error {
				if _, err := p.wall(ctx); err != nil {
					return err
				}
				resp, err := p.Do(ctx, anonymous(http.MethodPost, p.Version, "Bearer no-such-token"))
				if err == nil && resp.Status != http.StatusUnauthorized {
					p.Brokenf("the status is %d", resp.Status)
				}
				return err
			},
		}, {
			ID: "oauth.every-request", Level: Must, Until: V20251125,
			Section: authorization + "#token-requirements",
			Demand:  "GET without a token opens no stream",
			Check: func(ctx context.Context, p *Probe) error {
				if _, err := p.wall(ctx); err != nil {
					return err
				}
				r := anonymous(http.MethodGet, p.Version, "")
				r.HeadOnly = true
				resp, err := p.Do(ctx, r)
				if err == nil && (resp.Status < 300 || resp.Status == http.StatusBadRequest || resp.Status == http.StatusNotFound) {
					p.Brokenf("the status is %d", resp.Status)
				}
				return err
			},
		},
		resourceRule("oauth.resource-metadata", "the metadata of the resource is found by the challenge or at a well-known path, as JSON", func(p *Probe, w *wall) {
			for _, failure := range w.resource.failures {
				p.Show(failure)
			}
			if w.resource.members == nil {
				p.Brokenf("it is nowhere")
			}
		}),
		resourceRule("oauth.resource-metadata-url", "resource_metadata of the challenge leads to the metadata of the resource", func(p *Probe, w *wall) {
			if url := w.bearer["resource_metadata"]; url != "" && w.resource.url != url {
				for _, failure := range w.resource.failures {
					p.Show(failure)
				}
				p.Brokenf("there is none at %s", bound(url, 200))
			}
		}),
		resourceRule("oauth.resource", "resource in the metadata is the URL of the server", func(p *Probe, w *wall) {
			if w.resource.members == nil {
				return
			}
			w.resource.show(p)
			if got := w.resource.text("resource"); !slices.Contains(w.names, strings.TrimSuffix(got, "/")) {
				p.Brokenf("it is %q, and the server is %s", got, w.names[0])
			}
		}),
		resourceRule("oauth.authorization-servers", "the metadata of the resource names an authorization server", func(p *Probe, w *wall) {
			if w.resource.members == nil {
				return
			}
			if w.resource.show(p); len(w.resource.list("authorization_servers")) == 0 {
				p.Brokenf("authorization_servers is %s", shown(w.resource.members["authorization_servers"]))
			}
		}),
		resourceRule("oauth.no-query-tokens", "the metadata does not offer tokens in the query", func(p *Probe, w *wall) {
			if w.resource.show(p); slices.Contains(w.resource.list("bearer_methods_supported"), "query") {
				p.Brokenf("bearer_methods_supported is %s", shown(w.resource.members["bearer_methods_supported"]))
			}
		}),
		serverRule("oauth.server-metadata", Must, "", "an authorization server has metadata of RFC 8414 or OpenID Connect, as JSON", func(p *Probe, _ *wall, as *document) {
			if as.members == nil {
				for _, failure := range as.failures {
					p.Show(failure)
				}
				p.Brokenf("those of %s are nowhere", as.issuer)
			}
		}),
		serverRule("oauth.issuer", Must, "", "the issuer in the metadata is the one that led there, character by character", func(p *Probe, _ *wall, as *document) {
			if issuer := as.text("issuer"); as.members != nil && issuer != as.issuer {
				p.Brokenf("it is %q, and the resource names %q", issuer, as.issuer)
			}
		}),
		serverRule("oauth.endpoints", Must, "", "the metadata has an authorization_endpoint, a token_endpoint and response_types_supported", func(p *Probe, _ *wall, as *document) {
			if as.members == nil {
				return
			}
			for _, name := range []string{"authorization_endpoint", "token_endpoint"} {
				if as.text(name) == "" {
					p.Brokenf("%s is %s", name, shown(as.members[name]))
				}
			}
			if !slices.Contains(as.list("response_types_supported"), "code") {
				p.Brokenf("response_types_supported is %s", shown(as.members["response_types_supported"]))
			}
		}),
		serverRule("oauth.endpoints-https", Must, "", "the endpoints are https", func(p *Probe, _ *wall, as *document) {
			for name := range as.members {
				if at := as.text(name); strings.HasSuffix(name, "_endpoint") && at != "" && !p.safe(at) {
					p.Brokenf("%s is %s", name, bound(at, 200))
				}
			}
		}),
		serverRule("oauth.pkce", Must, "", "the metadata has S256 in code_challenge_methods_supported", func(p *Probe, _ *wall, as *document) {
			if as.members != nil && !slices.Contains(as.list("code_challenge_methods_supported"), "S256") {
				p.Brokenf("it is %s, so clients refuse", shown(as.members["code_challenge_methods_supported"]))
			}
		}),
		serverRule("oauth.iss", Should, V20260728, "the metadata announces iss in responses", func(p *Probe, _ *wall, as *document) {
			if name := "authorization_response_iss_parameter_supported"; as.members != nil && string(as.members[name]) != "true" {
				p.Brokenf("%s is %s", name, shown(as.members[name]))
			}
		}),
		serverRule("oauth.client-documents", Should, V20251125, "the metadata announces client ID metadata documents", func(p *Probe, _ *wall, as *document) {
			if name := "client_id_metadata_document_supported"; as.members != nil && string(as.members[name]) != "true" {
				p.Brokenf("%s is %s", name, shown(as.members[name]))
			}
		}),
	}
	rules = append(rules, oauthEndpointRules()...)
	for i := range rules {
		r := &rules[i]
		r.Transports, r.Anonymous = HTTP, true
		if r.Since == "" {
			r.Since = V20250618
		}
	}
	return rules
}

// resourceRule is a MUST on the metadata of the resource (RFC 9728).
func resourceRule(id, demand string, look func(*Probe, *wall)) Rule {
	return Rule{
		ID: id, Level: Must, Demand: demand, Check: protected(look),
		Section: discovery + "#authorization-server-location", Elsewhere: inAuthorization("#authorization-server-location"),
	}
}

// serverRule is a demand on the metadata of each authorization server (RFC 8414).
func serverRule(id string, level Level, since, demand string, look func(*Probe, *wall, *document)) Rule {
	return Rule{
		ID: id, Level: level, Since: since, Demand: demand, Check: eachServer(func(_ context.Context, p *Probe, w *wall, as *document) error {
			as.show(p)
			look(p, w, as)
			return nil
		}),
		Section:   discovery + "#authorization-server-metadata-discovery",
		Elsewhere: map[string]string{V20250618: authorization + "#server-metadata-discovery", V20251125: authorization + "#authorization-server-metadata-discovery"},
	}
}

// oauthEndpointRules are about what an authorization server makes of requests
// that it has to refuse.
func oauthEndpointRules() []Rule {
	security := "basic/authorization/security-considerations"
	return []Rule{
		{
			ID: "oauth.open-redirect", Level: Must,
			Section: security + "#open-redirection", Elsewhere: inAuthorization("#open-redirection"),
			Demand: "the authorization endpoint sends nobody to an address that is not registered",
			Check: eachServer(func(ctx context.Context, p *Probe, _ *wall, as *document) error {
				const stranger = "https://stranger.example/callback"
				at := as.text("authorization_endpoint")
				if !p.safe(at) {
					return nil
				}
				resp, err := p.Do(ctx, HTTPRequest{Method: http.MethodGet, URL: withQuery(at, map[string]string{
					"response_type": "code", "client_id": "no-such-client", "redirect_uri": stranger, "state": "s",
					"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
				}), Anonymous: true})
				if err == nil && strings.HasPrefix(resp.Header.Get("Location"), stranger) {
					p.Brokenf("the browser is sent to %s", bound(resp.Header.Get("Location"), 200))
				}
				return err
			}),
		}, {
			ID: "oauth.token-error", Level: Must,
			Section: authorization + "#standards-compliance",
			Demand:  "the token endpoint refuses with status 400 or 401 and a JSON object that has an error",
			Check: eachServer(func(ctx context.Context, p *Probe, _ *wall, as *document) error {
				at := as.text("token_endpoint")
				if !p.safe(at) {
					return nil
				}
				resp, err := p.Do(ctx, HTTPRequest{URL: at, Anonymous: true, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
					Body: []byte("grant_type=authorization_code&code=no-such-code&client_id=no-such-client&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")})
				if err == nil && (resp.Status != http.StatusBadRequest && resp.Status != http.StatusUnauthorized && resp.Status != http.StatusTooManyRequests || text(members(resp.Body)["error"]) == "") {
					p.Brokenf("an unknown code is answered with status %d and %s", resp.Status, bound(string(resp.Body), 200))
				}
				return err
			}),
		}, {
			ID: "oauth.registered-redirects", Level: Must,
			Section: security + "#communication-security", Elsewhere: inAuthorization("#communication-security"),
			Demand: "no redirect URI is registered that is plain http, away from the user's machine",
			Check: eachServer(func(ctx context.Context, p *Probe, _ *wall, as *document) error {
				at := as.text("registration_endpoint")
				if at == "" {
					return Skipf("%s registers no clients", as.issuer)
				}
				if !p.safe(at) {
					return nil
				}
				resp, err := p.Do(ctx, HTTPRequest{URL: at, Anonymous: true, Header: http.Header{"Content-Type": {"application/json"}},
					Body: encode(map[string]any{"client_name": "shclient check", "redirect_uris": []string{"http://stranger.example/callback"},
						"grant_types": []string{"authorization_code"}, "token_endpoint_auth_method": "none"})})
				if err == nil && resp.Status < 300 {
					p.Brokenf("http://stranger.example/callback is registered")
				}
				return err
			}),
		},
	}
}
