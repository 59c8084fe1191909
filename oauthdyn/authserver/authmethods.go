// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// documentMethods are those that a client can have whose client ID metadata
// document makes it: it shares no secret with the server.
var documentMethods = []string{oauthdyn.AuthMethodNone, oauthdyn.AuthMethodPrivateKeyJWT}

// completeClientAuth checks how clients may authenticate. Where no document can
// make a client, none is announced.
func (o *Options) completeClientAuth() error {
	for _, method := range o.ClientAuthMethods {
		if !slices.Contains(authMethods, method) {
			return fmt.Errorf("clients cannot authenticate by %q; there are %s", method, strings.Join(authMethods, ", "))
		}
	}
	if len(o.ClientAuthMethods) == 0 {
		o.ClientAuthMethods = authMethods
	}
	o.ClientAuthMethods = slices.Clone(o.ClientAuthMethods)
	if !slices.ContainsFunc(documentMethods, o.acceptsAuth) {
		o.ClientDocuments.Off = true
	}
	return nil
}

func (o *Options) acceptsAuth(method string) bool {
	return slices.Contains(o.ClientAuthMethods, method)
}

// defaultAuth is what RFC 7591 section 2 says of clients that name none, if that
// is accepted.
func (o *Options) defaultAuth() string {
	if o.acceptsAuth(oauthdyn.AuthMethodClientSecretBasic) {
		return oauthdyn.AuthMethodClientSecretBasic
	}
	return o.ClientAuthMethods[0]
}
