// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"bytes"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Method is a request's method, reduced to those that MCP knows: what clients
// make up must not become new time series. The zero value is any other.
type Method uint8

// Other is every method that no version of MCP defines.
const Other Method = 0

// methods are the requests of the protocol versions 2024-11-05 to 2026-07-28
// and of the tasks extension, in both directions.
var methods = [...]string{
	Other: "other",
	"initialize", "ping", "server/discover",
	"tools/list", "tools/call",
	"resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe",
	"prompts/list", "prompts/get",
	"completion/complete", "logging/setLevel", "subscriptions/listen",
	"tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update",
	"sampling/createMessage", "elicitation/create", "roots/list",
}

var methodNumbers = func() map[string]Method {
	numbers := make(map[string]Method, len(methods))
	for i, name := range methods[1:] {
		numbers[name] = Method(i + 1)
	}
	return numbers
}()

// longest is more than any known method takes as a JSON string, escaped or not.
const longest = 256

// MethodOf finds the method that a raw JSON string names, quotes included, as
// [jsonrpc.Scan] finds it. It allocates nothing unless the string is escaped.
func MethodOf(raw []byte) Method {
	if len(raw) < 2 || len(raw) > longest || raw[0] != '"' {
		return Other
	}
	if bytes.IndexByte(raw, '\\') >= 0 {
		return methodNumbers[jsonrpc.Text(raw)]
	}
	return methodNumbers[string(raw[1:len(raw)-1])]
}

// String returns the method as it is on the wire, or "other".
func (m Method) String() string {
	if int(m) >= len(methods) {
		m = Other
	}
	return methods[m]
}
