// SPDX-License-Identifier: Apache-2.0

package shclient

import "net/http"

// NewHTTPClient returns an HTTP client that makes requests to a server as
// [Client] and [Bridge] do: with the headers and the login of o, and no redirect
// to another origin. It is for whoever needs the responses as they are. Errors
// wrap an [*AuthError] if a login failed.
func NewHTTPClient(o Options) (*http.Client, error) {
	e, err := o.endpoint(nil)
	if err != nil {
		return nil, err
	}
	return e.client, nil
}
