// SPDX-License-Identifier: Apache-2.0

// Package mcpheader derives and checks the request metadata headers of
// Streamable HTTP since MCP 2026-07-28
// (https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#request-metadata).
//
// A client repeats parts of a message in HTTP headers, so that what stands
// between it and the server can route without reading the body. A server must
// refuse a request whose headers say something else than its body. [Derive]
// is the client's half and [Check] the server's; [Params] does the same for
// the arguments that the schemas of a server's tools name for this.
//
// Everything here works on byte spans of a frame that [jsonrpc.Scan] accepted.
package mcpheader

// The names of the headers, in the form that [http.CanonicalHeaderKey] gives
// them. The specification spells the first one MCP-Protocol-Version.
const (
	ProtocolVersion = "Mcp-Protocol-Version"
	Method          = "Mcp-Method"
	Name            = "Mcp-Name"
	ParamPrefix     = "Mcp-Param-" // the name of the annotation follows
)
