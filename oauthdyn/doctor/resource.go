// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// address judges the URL itself; err is why a client refuses it.
func (x *examination) address(err error) {
	if err == nil {
		x.add(checkAddress, Check{Result: Pass, Found: x.target()})
		return
	}
	x.add(checkAddress, Check{
		Result: Fail, Found: strings.TrimPrefix(err.Error(), "oauthdyn: "),
		Remedy: "Use the https address that clients see, without a fragment. Plain http is for loopback addresses.",
	})
}

func (x *examination) target() string {
	if x.options.Resource != "" {
		return x.options.Resource
	}
	return x.options.AuthServer
}

// examineResource makes the checks of the protected resource.
func (x *examination) examineResource() {
	if x.options.Resource == "" {
		return
	}
	probes := x.of(oauthdyn.StepChallenge)
	if !x.answers(probes) {
		x.skip("the server does not answer", "", checkChallenge, checkChallengeMetadata, checkResourceMetadata, checkResource, checkServers, checkScopes)
		return
	}
	challenge := x.challenges(probes)
	x.namesMetadata(challenge)
	m := x.resourceMetadata()
	x.namesServers(m)
	x.namesScopes(challenge, m)
}

// answers judges whether there is a server at all.
func (x *examination) answers(probes []step) bool {
	var late bool
	for _, p := range probes {
		switch {
		case p.Response != nil && p.Response.StatusCode >= 500:
			x.add(checkAnswer, Check{
				Result: Fail, Found: request(p) + " is answered " + p.Response.Status,
				Remedy: "See the log of the server, and of the proxy in front of it.",
			})
			return true
		case p.Err == nil:
		case p.Response != nil: // a redirect that is not followed
			x.add(checkAnswer, Check{Result: Fail, Found: p.Err.Error(), Remedy: "Use the address that it is redirected to."})
			return false
		default:
			found, remedy := Trouble(p.Err)
			if late = p == probes[0] && len(probes) > 1; late {
				continue // the next one was answered
			}
			x.add(checkAnswer, Check{Result: Fail, Found: found, Remedy: remedy})
			return false
		}
	}
	if late {
		x.add(checkAnswer, Check{
			Result: Warning, Found: "GET without a token is not answered in time",
			Remedy: "Ask for a token before opening a stream.",
		})
		return true
	}
	var told []string
	for _, p := range probes {
		told = append(told, fmt.Sprintf("%s is answered %s", p.Response.Request.Method, p.Response.Status))
	}
	x.add(checkAnswer, Check{Result: Pass, Found: strings.Join(told, ", ")})
	return true
}

func request(p step) string { return p.Response.Request.Method + " " + p.URL }

// challenges judges the answer to a request without a token, and returns the
// challenge in it.
func (x *examination) challenges(probes []step) *oauthdyn.Challenge {
	last := probes[len(probes)-1].Response
	if last == nil {
		x.add(checkChallenge, Check{Result: Fail, Found: "no answer in time", Remedy: "Answer requests without a token at once: 401."})
		return nil
	}
	if last.StatusCode == http.StatusUnauthorized {
		for _, ch := range oauthdyn.ParseChallenges(last.Header) {
			if ch.Scheme == "bearer" || ch.Scheme == "dpop" {
				x.add(checkChallenge, Check{Result: Pass, Found: last.Request.Method + " is answered " + ch.String()})
				return &ch
			}
		}
		found := "401 without WWW-Authenticate"
		if h := last.Header.Get("WWW-Authenticate"); h != "" {
			found = "401 with WWW-Authenticate: " + h
		}
		x.add(checkChallenge, Check{
			Result: Fail, Found: found,
			Remedy: `Add the header WWW-Authenticate: Bearer resource_metadata="` + x.wellKnown() + `" to each 401, and let the proxy pass it on.`,
		})
		return nil
	}
	x.add(checkChallenge, x.unprotected(last))
	return nil
}

// unprotected explains an answer without a token that is not 401.
func (x *examination) unprotected(last *http.Response) Check {
	c := Check{Result: Fail, Found: last.Request.Method + " without a token is answered " + last.Status}
	switch status := last.StatusCode; {
	case status < 300, status == http.StatusBadRequest, status == http.StatusNotAcceptable:
		c.Result = Warning
		x.open = true
		c.Remedy = "If the server is to be protected, answer 401 to requests without a token. If not, clients need no login."
	case status < 400:
		c.Found += ", to " + last.Header.Get("Location")
		c.Remedy = "Answer 401 instead of sending programs to a page. If the address has moved, use the new one."
	case status == http.StatusForbidden:
		c.Remedy = "Answer 401 to requests without a token; 403 is for tokens that do not suffice. A firewall may be in the way, too."
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		c.Remedy = "Check the path of the URL; it often ends in /mcp."
	default:
		c.Remedy = "Answer 401 to requests without a token."
	}
	return c
}

// wellKnown is where the metadata of the resource belongs.
func (x *examination) wellKnown() string {
	u, err := url.Parse(x.options.Resource)
	if err != nil {
		return oauthdyn.WellKnownResource
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return u.Scheme + "://" + u.Host + oauthdyn.WellKnownResource + path
}

func (x *examination) namesMetadata(challenge *oauthdyn.Challenge) {
	switch {
	case challenge == nil:
		x.skip("there is no challenge", "", checkChallengeMetadata)
	case challenge.ResourceMetadata() == "":
		x.add(checkChallengeMetadata, Check{
			Result: Warning, Found: "the challenge has no resource_metadata",
			Remedy: `Add resource_metadata="` + x.wellKnown() + `", since not every client looks there by itself.`,
		})
	default:
		x.add(checkChallengeMetadata, Check{Result: Pass, Found: challenge.ResourceMetadata()})
	}
}

// resourceMetadata judges the metadata of the resource, and returns it unless a
// client must not use it.
func (x *examination) resourceMetadata() *oauthdyn.ResourceMetadata {
	var tried []string
	remedy := "Publish a JSON document with resource and authorization_servers at " + x.wellKnown() + ", reachable without a token."
	for _, s := range x.of(oauthdyn.StepResourceMetadata) {
		if s.Err == nil {
			x.add(checkResourceMetadata, Check{Result: Pass, Found: s.URL})
			x.add(checkResource, Check{Result: Pass, Found: s.ResourceMetadata.Resource})
			return s.ResourceMetadata
		}
		if s.ResourceMetadata.Resource != "" {
			x.add(checkResourceMetadata, Check{Result: Pass, Found: s.URL})
			x.add(checkResource, Check{
				Result: Fail, Found: s.Err.Error(),
				Remedy: "Set resource to " + x.options.Resource + ", the address that clients use, letter by letter.",
			})
			return nil
		}
		found, more := outcome(s)
		if more != "" {
			remedy = more
		}
		tried = append(tried, found)
	}
	if tried == nil {
		tried = []string{"discovery did not come to it"}
	}
	if x.open && x.found != nil && x.found.Legacy {
		x.skip("the server asks nobody to sign in", "", checkResourceMetadata, checkResource)
		return nil
	}
	x.add(checkResourceMetadata, Check{Result: Fail, Found: strings.Join(tried, "; "), Remedy: remedy})
	x.skip("there is no metadata", "", checkResource)
	return nil
}

// outcome tells what came of the request for a document, and what to do if that
// was no answer at all.
func outcome(s step) (found, remedy string) {
	switch {
	case s.Response != nil && s.Response.StatusCode != http.StatusOK:
		return s.URL + ": " + s.Response.Status, ""
	case s.Response != nil && s.Err != nil:
		return s.Err.Error(), ""
	case s.Response != nil:
		return s.URL, ""
	}
	found, remedy = Trouble(s.Err)
	return s.URL + ": " + found, remedy
}

func (x *examination) namesServers(m *oauthdyn.ResourceMetadata) {
	switch {
	case m == nil:
		x.skip("there is no metadata that can be used", "", checkServers)
	case len(m.AuthorizationServers) == 0:
		x.add(checkServers, Check{
			Result: Fail, Found: "authorization_servers is empty or absent",
			Remedy: "List the issuer of your authorization server in authorization_servers.",
		})
	default:
		x.add(checkServers, Check{Result: Pass, Found: strings.Join(m.AuthorizationServers, ", ")})
	}
}

func (x *examination) namesScopes(challenge *oauthdyn.Challenge, m *oauthdyn.ResourceMetadata) {
	switch {
	case challenge != nil && len(challenge.Scopes()) > 0:
		x.add(checkScopes, Check{Result: Pass, Found: "the challenge wants " + strings.Join(challenge.Scopes(), " ")})
	case m != nil && len(m.ScopesSupported) > 0:
		x.add(checkScopes, Check{Result: Pass, Found: "the metadata lists " + strings.Join(m.ScopesSupported, " ")})
	case challenge == nil && m == nil:
		x.skip("there is neither a challenge nor metadata", "", checkScopes)
	default:
		x.add(checkScopes, Check{Result: Pass, Found: "none are named, so that clients ask for none, and the authorization server decides"})
	}
}
