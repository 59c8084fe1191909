// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"net/http"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// The headers of the Streamable HTTP transport.
const (
	headerSession = "Mcp-Session-Id"
	headerVersion = "Mcp-Protocol-Version"
)

// legacyVersions are those with initialize, newest first.
var legacyVersions = era.LegacyVersions()

// primedVersion is the first in which a stream begins with an event without
// data; older clients would try to read a message in it.
const primedVersion = "2025-11-25"

func primed(version string) bool { return version >= primedVersion }

type kind uint8

const (
	legacy kind = iota // with initialize and sessions
	modern             // each request says all (2026-07-28 and later)
)

// eraOf tells how a message is to be read. A protocol version in _meta, or in
// the header, that is none of the legacy ones is the mark of a modern one; but
// initialize is legacy whatever the header says.
func eraOf(r *http.Request, frame []byte, m jsonrpc.Message) (kind, string) {
	if m.ProtocolVersion.Present() {
		if v := jsonrpc.Text(m.ProtocolVersion.Of(frame)); !slices.Contains(legacyVersions, v) {
			return modern, v
		}
		return legacy, ""
	}
	if v := r.Header[headerVersion]; len(v) > 0 && v[0] > legacyVersions[0] && !jsonrpc.Is(frame, m.Method, "initialize") {
		return modern, ""
	}
	return legacy, ""
}

// namesModern reports whether the header names MCP 2026-07-28 or a later
// version. What is no version at all is for checkVersion to refuse.
func namesModern(r *http.Request) bool {
	v := r.Header[headerVersion]
	if len(v) == 0 || v[0] <= legacyVersions[0] {
		return false
	}
	_, err := time.Parse(time.DateOnly, v[0])
	return err == nil
}

// checkVersion refuses a version in the header that cannot be served.
// negotiated is what the session agreed on: it counts as known whatever it is.
// A missing header is no error: older clients do not send it.
func checkVersion(r *http.Request, negotiated string) *problem {
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
