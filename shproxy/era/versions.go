// SPDX-License-Identifier: Apache-2.0

package era

import "slices"

// Modern is the protocol version that translators speak to modern peers.
const Modern = "2026-07-28"

// Latest is the legacy protocol version that translators offer to legacy
// servers.
const Latest = "2025-11-25"

var legacyVersions = []string{Latest, "2025-06-18", "2025-03-26", "2024-11-05"}

// LegacyVersions are the protocol versions with initialize, newest first.
func LegacyVersions() []string { return slices.Clone(legacyVersions) }

// IsLegacy reports whether a protocol version is one with initialize.
func IsLegacy(version string) bool { return slices.Contains(legacyVersions, version) }

// Agree is the protocol version to name in the answer to a legacy client that
// offered one and whose server, of the same era, answered with another. A
// client offers the newest version that it speaks, so a newer one would make
// it leave; legacy versions only ever added to each other, so it is told its
// own.
func Agree(offered, answered string) string {
	if IsLegacy(offered) && answered > offered {
		return offered
	}
	return answered
}
