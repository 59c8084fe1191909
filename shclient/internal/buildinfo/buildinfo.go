// SPDX-License-Identifier: Apache-2.0

// Package buildinfo knows the version of this module in the running program.
package buildinfo

import "runtime/debug"

const module = "github.com/atrawog/mcp-oauth-gateway/shclient"

// Version returns the module's version as the toolchain recorded it, such as
// "v0.3.1", or "(devel)" when it did not.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" {
			return m.Version
		}
	}
	return "(devel)"
}
