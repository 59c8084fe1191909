// SPDX-License-Identifier: Apache-2.0

package era

import (
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

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

// IsModern reports whether the answer to server/discover, or to any request of
// the modern era, shows that the server speaks a modern version: it lists one,
// or it gives an error that only modern servers have (MCP 2026-07-28, stdio,
// "Backward Compatibility"), unless that lists legacy versions alone.
func IsModern(frame []byte, m jsonrpc.Message) bool {
	if !m.Error.Present() {
		versions := lookup(frame, m.Result, "supportedVersions")
		return lists(frame, versions, func(version string) bool { return !IsLegacy(version) })
	}
	switch code, _ := jsonrpc.ErrorCode(frame, m); code {
	case jsonrpc.HeaderMismatch, jsonrpc.MissingRequiredClientCapability:
		return true
	case jsonrpc.UnsupportedProtocolVersion:
		versions := lookup(frame, m.Error, "data", "supported")
		return !lists(frame, versions, IsLegacy) || lists(frame, versions, func(version string) bool { return !IsLegacy(version) })
	}
	return false
}

// lists reports whether an array has a version of a kind.
func lists(frame []byte, versions jsonrpc.Span, kind func(version string) bool) bool {
	for version := range jsonrpc.Items(frame, versions) {
		if text := jsonrpc.Text(version.Of(frame)); text != "" && kind(text) {
			return true
		}
	}
	return false
}
