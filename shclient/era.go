// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Era names kinds of protocol versions, see
// https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning.
type Era uint8

// The eras.
const (
	EraAuto   Era = iota // either
	EraLegacy            // those with initialize, 2024-11-05 to 2025-11-25
	EraModern            // those without, since 2026-07-28
)

// accepts reports whether the program may speak as it does.
func (r *router) accepts(m message) bool {
	switch r.limits.ClientEra {
	case EraLegacy:
		return !m.modern()
	case EraModern:
		return m.modern() || m.Kind == jsonrpc.Notification && m.method() != methodInitialized
	}
	return true
}

// wrongEra answers a request of an era that the program must not speak, in a
// way that programs of that era understand.
func (r *router) wrongEra(m message) []byte {
	switch {
	case m.modern():
		return unsupportedVersion(m, m.version(), era.LegacyVersions())
	case m.method() == methodInitialize:
		return unsupportedVersion(m, m.param("protocolVersion"), []string{era.Modern})
	}
	return jsonrpc.AppendError(nil, m.id(), jsonrpc.InvalidParams,
		`params._meta must hold "`+jsonrpc.MetaProtocolVersion+`": the bridge was told to take MCP `+era.Modern+" alone", nil)
}

// unsupportedVersion is UnsupportedProtocolVersionError of MCP 2026-07-28.
// Legacy programs, which know none of its members, can show its text.
func unsupportedVersion(m message, requested string, supported []string) []byte {
	data := []byte(`{"supported":["` + strings.Join(supported, `","`) + `"],"requested":`)
	data = append(jsonrpc.AppendString(data, requested), '}')
	return jsonrpc.AppendError(nil, m.id(), jsonrpc.UnsupportedProtocolVersion,
		"unsupported protocol version: the bridge was told to take MCP "+strings.Join(supported, ", ")+" alone", data)
}
