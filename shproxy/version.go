// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
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
func (p *Proxy) checkVersion(r *http.Request, negotiated string) *problem {
	if v := r.Header[headerVersion]; len(v) > 0 && v[0] != negotiated && !slices.Contains(legacyVersions, v[0]) {
		return p.unsupportedVersion(v[0])
	}
	return nil
}

// serves reports whether clients of an era are served.
func (p *Proxy) serves(k kind) bool {
	switch p.opts.Clients {
	case EraLegacy:
		return k == legacy
	case EraModern:
		return k == modern
	}
	return true
}

// requested is the version that a message asks for, by its _meta, by
// initialize, or by the header.
func requested(r *http.Request, frame []byte, m jsonrpc.Message, version string) string {
	if version == "" && jsonrpc.Is(frame, m.Method, "initialize") {
		span, _ := jsonrpc.Lookup(frame, m.Params, "protocolVersion")
		version = jsonrpc.Text(span.Of(frame))
	}
	return cmp.Or(version, r.Header.Get(headerVersion))
}

// unsupportedVersion is UnsupportedProtocolVersionError of MCP 2026-07-28.
// Clients that speak both eras find in it the one to use.
func (p *Proxy) unsupportedVersion(requested string) *problem {
	supported := append([]string{era.Modern}, legacyVersions...)
	switch p.opts.Clients {
	case EraLegacy:
		supported = legacyVersions
	case EraModern:
		supported = supported[:1]
	}
	refused := fail(http.StatusBadRequest, jsonrpc.UnsupportedProtocolVersion, "unsupported protocol version %q; supported are %s", requested, strings.Join(supported, ", "))
	data := append([]byte(nil), `{"supported":[`...)
	for i, v := range supported {
		if i > 0 {
			data = append(data, ',')
		}
		data = jsonrpc.AppendString(data, v)
	}
	data = append(data, `],"requested":`...)
	refused.data = append(jsonrpc.AppendString(data, requested), '}')
	return refused
}
