// SPDX-License-Identifier: Apache-2.0

// Package buildinfo knows which version of this module is running.
package buildinfo

import "runtime/debug"

const module = "github.com/atrawog/mcp-oauth-gateway/fetchserver"

// Version returns the version of this module in the running program, such as
// "v0.1.0", or "(devel)" when it was not built from a released one.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	version := ""
	if info.Main.Path == module {
		version = info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			version = dep.Version
		}
	}
	if version == "" {
		return "(devel)"
	}
	return version
}
