// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// That proxies pass on the metadata only is a common mistake, so that the
// endpoints are tried with requests that every server refuses.

const forwardWholeOrigin = "Let the proxy pass on all paths of the authorization server, and announce the address that clients see."

func (x *examination) tryAuthorization(ctx context.Context, at string) {
	resp, err := x.send(ctx, http.MethodGet, at, nil)
	if err != nil {
		found, remedy := Trouble(err)
		x.add(checkAuthorizationEndpoint, Check{Result: Fail, Found: at + ": " + found, Remedy: remedy})
		return
	}
	// What it says of a request without parameters is up to it.
	c := Check{Result: Pass, Found: at + ": " + resp.Status + " to a request without parameters"}
	if missing(resp) {
		c.Result, c.Remedy = Fail, forwardWholeOrigin
	}
	x.add(checkAuthorizationEndpoint, c)
}

func (x *examination) tryToken(ctx context.Context, at string) {
	resp, err := x.send(ctx, http.MethodPost, at, url.Values{"grant_type": {oauthdyn.GrantAuthorizationCode}})
	if err != nil {
		found, remedy := Trouble(err)
		x.add(checkTokenEndpoint, Check{Result: Fail, Found: at + ": " + found, Remedy: remedy})
		return
	}
	var refusal oauthdyn.Error
	readable := json.NewDecoder(resp.Body).Decode(&refusal) == nil && refusal.Code != ""
	c := Check{Result: Pass, Found: at + ": " + resp.Status + " " + refusal.Code + " to a request without a code"}
	switch {
	case missing(resp):
		c.Result, c.Remedy = Fail, forwardWholeOrigin
	case !readable:
		c.Result, c.Found = Warning, at+": "+resp.Status+" without a JSON error"
		c.Remedy = "Refuse with a JSON object that has error (RFC 6749 section 5.2): clients tell by it whether to register or to sign in again."
	}
	x.add(checkTokenEndpoint, c)
}

// missing reports that nobody seems to serve an endpoint.
func missing(resp *http.Response) bool {
	return resp.StatusCode >= 500 || resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed
}
