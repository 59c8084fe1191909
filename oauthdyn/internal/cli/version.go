// SPDX-License-Identifier: Apache-2.0

package cli

import "runtime/debug"

const module = "github.com/atrawog/mcp-oauth-gateway/oauthdyn"

// version is that of this module in the running program, such as "v0.1.0",
// or "(devel)" when it was not built from a released one.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	found := ""
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			found = m.Version
		}
	}
	if found == "" {
		return "(devel)"
	}
	return found
}
