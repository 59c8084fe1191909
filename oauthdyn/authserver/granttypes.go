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
	if len(o.Clients) > 0 {
		types = append(types, oauthdyn.GrantClientCredentials)
	}
	return types
}

// registrable are those that a client can register, or name in its document.
func (o *Options) registrable() []string {
	return slices.DeleteFunc(o.grantTypes(), func(t string) bool { return t == oauthdyn.GrantClientCredentials })
}
