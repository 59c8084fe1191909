// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// grantTypes are those that somebody can use here, and that the metadata tells.
func (o *Options) grantTypes() []string {
	types := slices.Clone(defaultGrantTypes)
	if o.DeviceFlow {
		types = append(types, oauthdyn.GrantDeviceCode)
	}
	if slices.ContainsFunc(o.Clients, func(c Client) bool { return slices.Contains(c.GrantTypes, oauthdyn.GrantClientCredentials) }) {
		types = append(types, oauthdyn.GrantClientCredentials)
	}
	if len(o.IdentityProviders) > 0 || slices.ContainsFunc(o.Clients, func(c Client) bool { return c.Workload != nil }) {
		types = append(types, oauthdyn.GrantJWTBearer)
	}
	return types
}

// registrable are those that a client can register: all but those of programs
// that the operator has to name.
func (o *Options) registrable() []string {
	return slices.DeleteFunc(o.grantTypes(), func(t string) bool {
		return t == oauthdyn.GrantClientCredentials || t == oauthdyn.GrantJWTBearer && len(o.IdentityProviders) == 0
	})
}
