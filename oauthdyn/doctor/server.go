// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
)

// server is what discovery did with one authorization server.
type server struct {
	issuer    string
	documents []step                   // in the order in which they were tried
	verdict   error                    // why it cannot be used
	metadata  *oauthdyn.ServerMetadata // nil without a document that may be used
}

// servers returns the authorization servers that discovery came to, in order.
func (x *examination) servers() []*server {
	var list []*server
	at := func(issuer string) *server {
		for _, s := range list {
			if s.issuer == issuer {
				return s
			}
		}
		list = append(list, &server{issuer: issuer})
		return list[len(list)-1]
	}
	for _, s := range x.steps {
		switch s.Kind {
		case oauthdyn.StepServerMetadata:
			on := at(s.Issuer)
			on.documents = append(on.documents, s)
			if s.Err == nil {
				on.metadata = s.ServerMetadata
			}
		case oauthdyn.StepServer:
			at(s.Issuer).verdict = s.Err
		}
	}
	return list
}

// examineServers makes the checks of each authorization server. What is wrong
// with one is a warning if a client can use another.
func (x *examination) examineServers(ctx context.Context) {
	servers := x.servers()
	if x.guessed() {
		servers = nil
	}
	if len(servers) == 0 {
		x.skip("no authorization server is named", "", checkServerMetadata, checkIssuer, checkPKCE, checkEndpoints, checkIdentity,
			checkIssParameter, checkRefresh, checkAuthorizationEndpoint, checkTokenEndpoint)
	}
	for _, s := range servers {
		first := len(x.report.Checks)
		x.examineServer(ctx, s)
		spare := x.found != nil && x.found.Issuer != s.issuer
		for i := range x.report.Checks[first:] {
			c := &x.report.Checks[first+i]
			if len(servers) > 1 {
				c.Server = s.issuer
			}
			if spare && c.Result == Fail {
				c.Result = Warning
			}
		}
	}
	x.reachesOnlyPublic()
}

func (x *examination) examineServer(ctx context.Context, s *server) {
	if !x.serverMetadata(s) {
		x.skip("there is no metadata that can be used", "", checkPKCE, checkEndpoints, checkIdentity, checkIssParameter, checkRefresh,
			checkAuthorizationEndpoint, checkTokenEndpoint)
		return
	}
	m := s.metadata
	x.announcesPKCE(m)
	usable := x.announcesEndpoints(s)
	x.givesIdentity(m)
	if m.AuthorizationResponseIssParameterSupported {
		x.add(checkIssParameter, Check{Result: Pass, Found: "authorization_response_iss_parameter_supported is true"})
	} else {
		x.add(checkIssParameter, Check{
			Result: Warning, Found: "authorization_response_iss_parameter_supported is not announced",
			Remedy: "Add iss to the redirects of the authorization endpoint and announce it: clients can then tell authorization servers apart.",
		})
	}
	x.refreshes(m)
	if !usable {
		x.skip("their addresses cannot be used", "", checkAuthorizationEndpoint, checkTokenEndpoint)
		return
	}
	x.tryAuthorization(ctx, m.AuthorizationEndpoint)
	x.tryToken(ctx, m.TokenEndpoint)
}

// serverMetadata judges the documents of an authorization server, and reports
// whether one can be used.
func (x *examination) serverMetadata(s *server) bool {
	var tried []string
	remedy := "Publish metadata at " + s.firstAddress() + ", reachable without a token. If the issuer is another one, name that in authorization_servers."
	for _, d := range s.documents {
		if d.Err == nil {
			x.add(checkServerMetadata, Check{Result: Pass, Found: d.URL})
			x.add(checkIssuer, Check{Result: Pass, Found: s.metadata.Issuer})
			return true
		}
		if d.ServerMetadata.Issuer != "" && d.ServerMetadata.Issuer != s.issuer {
			x.add(checkServerMetadata, Check{Result: Pass, Found: d.URL})
			x.add(checkIssuer, Check{
				Result: Fail, Found: d.Err.Error(),
				Remedy: "Make both the same, letter by letter: issuer in the metadata of the authorization server, and authorization_servers in that of the resource. A slash at the end counts.",
			})
			return false
		}
		found, more := outcome(d)
		if more != "" {
			remedy = more
		}
		tried = append(tried, found)
	}
	if tried == nil && s.verdict != nil {
		tried = []string{s.verdict.Error()}
		remedy = "Name an https address that clients can reach."
	}
	x.add(checkServerMetadata, Check{Result: Fail, Found: s.issuer + " has none: " + strings.Join(tried, "; "), Remedy: remedy})
	x.skip("there is no metadata", "", checkIssuer)
	return false
}

func (s *server) firstAddress() string {
	if len(s.documents) == 0 {
		return oauthdyn.WellKnownServer
	}
	return s.documents[0].URL
}

func (x *examination) announcesPKCE(m *oauthdyn.ServerMetadata) {
	methods := m.CodeChallengeMethodsSupported
	if slices.Contains(methods, "S256") {
		x.add(checkPKCE, Check{Result: Pass, Found: "code_challenge_methods_supported: " + strings.Join(methods, ", ")})
		return
	}
	found := "code_challenge_methods_supported is absent"
	if methods != nil {
		found = "code_challenge_methods_supported is " + strings.Join(methods, ", ")
	}
	x.add(checkPKCE, Check{
		Result: Fail, Found: found,
		Remedy: `Add "code_challenge_methods_supported": ["S256"] to the metadata, if the server has PKCE; clients must refuse to sign in without it.`,
	})
}

// announcesEndpoints is about what else can keep a client from a server with
// metadata. It reports whether the endpoints can be tried.
func (x *examination) announcesEndpoints(s *server) bool {
	m := s.metadata
	switch pkce := slices.Contains(m.CodeChallengeMethodsSupported, "S256"); {
	case m.AuthorizationEndpoint == "" || m.TokenEndpoint == "":
		x.add(checkEndpoints, Check{
			Result: Fail, Found: "authorization_endpoint or token_endpoint is absent",
			Remedy: "Add both to the metadata.",
		})
		return false
	case s.verdict != nil && pkce:
		x.add(checkEndpoints, Check{
			Result: Fail, Found: s.verdict.Error(),
			Remedy: "Announce https addresses, under the name that clients see. Behind a proxy, tell the server its public address.",
		})
		return false
	case !x.secure(m.AuthorizationEndpoint) || !x.secure(m.TokenEndpoint): // discovery stops before that without PKCE
		x.add(checkEndpoints, Check{
			Result: Fail, Found: m.AuthorizationEndpoint + ", " + m.TokenEndpoint,
			Remedy: "Announce https addresses.",
		})
		return false
	}
	x.add(checkEndpoints, Check{Result: Pass, Found: m.AuthorizationEndpoint + ", " + m.TokenEndpoint})
	return true
}

// secure holds endpoints to TLS, unless all of it is on this machine.
func (x *examination) secure(endpoint string) bool {
	return strings.HasPrefix(endpoint, "https://") || strings.HasPrefix(x.target(), "http://")
}

func (x *examination) givesIdentity(m *oauthdyn.ServerMetadata) {
	documents, registration := m.ClientIDMetadataDocumentSupported, m.RegistrationEndpoint != ""
	switch {
	case documents && registration:
		x.add(checkIdentity, Check{Result: Pass, Found: "client ID metadata documents, and registration at " + m.RegistrationEndpoint})
	case documents:
		x.add(checkIdentity, Check{
			Result: Warning, Found: "client ID metadata documents, but no registration",
			Remedy: "Add a registration_endpoint (RFC 7591) for clients from before MCP 2025-11-25 and for those that have no web address.",
		})
	case registration:
		x.add(checkIdentity, Check{
			Result: Warning, Found: "registration at " + m.RegistrationEndpoint + ", but no client ID metadata documents",
			Remedy: "Support client ID metadata documents and announce client_id_metadata_document_supported: MCP 2026-07-28 prefers them, and deprecates registration.",
		})
	default:
		x.add(checkIdentity, Check{
			Result: Fail, Found: "neither client ID metadata documents nor registration",
			Remedy: "Support one of them, or register each client by hand and give its users the client id (oauthdyn login --client-id).",
		})
	}
}

func (x *examination) refreshes(m *oauthdyn.ServerMetadata) {
	if slices.Contains(m.GrantTypesSupported, oauthdyn.GrantRefreshToken) {
		x.add(checkRefresh, Check{Result: Pass, Found: "grant_types_supported: " + strings.Join(m.GrantTypesSupported, ", ")})
		return
	}
	x.add(checkRefresh, Check{
		Result: Warning, Found: "grant_types_supported does not have refresh_token",
		Remedy: "Issue refresh tokens and announce it, or people have to sign in each time that a token ends.",
	})
}

// reachesOnlyPublic tells of addresses that a client did not connect to.
func (x *examination) reachesOnlyPublic() {
	if !slices.ContainsFunc(x.steps, func(s step) bool {
		return s.Kind == oauthdyn.StepServerMetadata || s.Kind == oauthdyn.StepResourceMetadata
	}) {
		x.skip("no metadata was read", "", checkPublic)
		return
	}
	for _, s := range x.steps {
		if refused, ok := errors.AsType[*safedial.NotPublicError](s.Err); ok && s.URL != "" {
			x.add(checkPublic, Check{
				Result: Fail, Found: s.URL + " leads to " + refused.Address.String(),
				Remedy: "Name addresses in metadata that clients outside can reach; they must not follow others.",
			})
			return
		}
	}
	x.add(checkPublic, Check{Result: Pass})
}
