// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"net/http"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// The headers of the Streamable HTTP transport.
const (
	headerSession = "Mcp-Session-Id"
	headerVersion = "Mcp-Protocol-Version"
)

// legacyVersions are those with initialize, newest first.
var legacyVersions = []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}

// checkVersion refuses what the proxy cannot carry. negotiated is what the
// session agreed on: it counts as known whatever it is. A missing header is
// no error: older clients do not send it. A version in _meta is the mark of a
// modern request.
func checkVersion(r *http.Request, frame []byte, m jsonrpc.Message, negotiated string) *problem {
	if m.ProtocolVersion.Present() {
		if v := jsonrpc.Text(m.ProtocolVersion.Of(frame)); !slices.Contains(legacyVersions, v) {
			return unsupportedVersion(v)
		}
	}
	if v := r.Header[headerVersion]; len(v) > 0 && v[0] != negotiated && !slices.Contains(legacyVersions, v[0]) {
		return unsupportedVersion(v[0])
	}
	return nil
}

// unsupportedVersion is UnsupportedProtocolVersionError of MCP 2026-07-28.
// Clients that speak both eras take it as the sign to use initialize.
func unsupportedVersion(requested string) *problem {
	p := fail(http.StatusBadRequest, jsonrpc.UnsupportedProtocolVersion, "unsupported protocol version %q", requested)
	p.data = append(p.data, `{"supported":[`...)
	for i, v := range legacyVersions {
		if i > 0 {
			p.data = append(p.data, ',')
		}
		p.data = jsonrpc.AppendString(p.data, v)
	}
	p.data = append(p.data, `],"requested":`...)
	p.data = append(jsonrpc.AppendString(p.data, requested), '}')
	return p
}
