// SPDX-License-Identifier: Apache-2.0

package doctor

import "strings"

// A requirement is what a check is about.
type requirement struct {
	name    string
	numbers []string // in docs/requirements.md
	words   string
}

// The requirements, in the order of the report.
var (
	checkAddress = requirement{"address", []string{"C19"},
		"the address is one that tokens can be bound to"}
	checkAnswer = requirement{"answer", nil,
		"the server answers at this address"}
	checkChallenge = requirement{"challenge", []string{"C2"},
		"a request without a token is answered 401 with WWW-Authenticate"}
	checkChallengeMetadata = requirement{"challenge-metadata", []string{"C3"},
		"the challenge says where the resource metadata is"}
	checkResourceMetadata = requirement{"resource-metadata", []string{"C1", "C3"},
		"the resource publishes metadata (RFC 9728)"}
	checkResource = requirement{"resource", []string{"C6"},
		"the metadata describes this resource and no other"}
	checkServers = requirement{"authorization-servers", []string{"C7"},
		"the metadata names an authorization server"}
	checkScopes = requirement{"scopes", []string{"C21"},
		"clients learn which scopes to ask for"}
	checkServerMetadata = requirement{"server-metadata", []string{"C4"},
		"the authorization server publishes metadata (RFC 8414)"}
	checkIssuer = requirement{"issuer", []string{"C5"},
		"its metadata names exactly the issuer that was asked for"}
	checkPKCE = requirement{"pkce", []string{"C14"},
		"PKCE with S256 is announced"}
	checkEndpoints = requirement{"endpoints", []string{"C20"},
		"authorization and token endpoint are announced, at addresses that clients may use"}
	checkIdentity = requirement{"client-identity", []string{"C8", "C10", "C11"},
		"clients get a client id without a person who registers them"}
	checkIssParameter = requirement{"iss-parameter", []string{"C16"},
		"answers to logins name their issuer (RFC 9207)"}
	checkRefresh = requirement{"refresh", []string{"C26"},
		"tokens can be refreshed, so that people sign in rarely"}
	checkAuthorizationEndpoint = requirement{"authorization-endpoint", nil,
		"the authorization endpoint is there"}
	checkTokenEndpoint = requirement{"token-endpoint", nil,
		"the token endpoint is there, and refuses as OAuth has it"}
	checkPublic = requirement{"public-addresses", []string{"C27"},
		"metadata leads to no address that only this network can reach"}
	checkContentType = requirement{"content-type", nil,
		"metadata is served as application/json"}
	checkRedirects = requirement{"redirects", nil,
		"nothing is redirected"}
	checkCORS = requirement{"cors", nil,
		"clients that are web pages can read the metadata (CORS)"}
	checkClock = requirement{"clock", nil,
		"the clocks of the servers agree with that of this machine"}
	checkDiscovery = requirement{"discovery", []string{"C1", "C4"},
		"a client finds all that it needs for a login"}
)

// add puts a check into the report.
func (x *examination) add(r requirement, c Check) {
	c.Name, c.Requirements, c.Requirement = r.name, r.numbers, r.words
	c.Found, c.Remedy = clean(x.withoutQuery(c.Found)), x.withoutQuery(c.Remedy)
	x.report.Checks = append(x.report.Checks, c)
}

// withoutQuery takes the query of the resource out of a text, since keys may
// hide in it and reports are shown around.
func (x *examination) withoutQuery(text string) string {
	if _, query, ok := strings.Cut(x.options.Resource, "?"); ok && query != "" {
		return strings.ReplaceAll(text, query, "…")
	}
	return text
}

// skip puts checks into the report that cannot be made.
func (x *examination) skip(why, server string, list ...requirement) {
	for _, r := range list {
		x.add(r, Check{Result: Skipped, Found: why, Server: server})
	}
}
