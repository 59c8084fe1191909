// SPDX-License-Identifier: Apache-2.0

package era

import "github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"

// The type of a result, and its values (MCP 2026-07-28, basic protocol,
// "ResultType").
const (
	memberResultType = "resultType"
	resultComplete   = "complete"
	resultInput      = "input_required"
)

// completed takes the result of a call to the client, as legacy versions have
// it: without the type, and without how long it is good for. Results of tools
// may be of any type in the modern era, but must be objects in the legacy one.
func (t *ToModern) completed(c *modernCall, frame []byte, m jsonrpc.Message, out *Output) {
	var kind, tools jsonrpc.Span
	var room [8]jsonrpc.Edit
	edits := append(room[:0], jsonrpc.Edit{Span: m.ID, With: c.id})
	edits, _ = cut(edits, frame, m.Result, func(name, value jsonrpc.Span) bool {
		switch {
		case jsonrpc.Is(frame, name, memberResultType):
			kind = value
			return true
		case jsonrpc.Is(frame, name, "ttlMs"), jsonrpc.Is(frame, name, "cacheScope"):
			return requests[c.method].cached
		case jsonrpc.Is(frame, name, "structuredContent"):
			return c.method == "tools/call" && !isObject(frame, value)
		case jsonrpc.Is(frame, name, "tools"):
			tools = value
		}
		return false
	})
	switch {
	case jsonrpc.Is(frame, kind, resultInput):
		t.inputRequired(c, frame, m, out)
		return
	case kind.Present() && !jsonrpc.Is(frame, kind, resultComplete):
		t.fail(c, jsonrpc.InternalError, "the server answered with resultType "+shown(frame, kind)+", which legacy clients do not know", out)
		return
	case c.method == "tools/list":
		edits = legacyTools(edits, frame, tools)
	}
	t.forget(c)
	out.answer(frame, m, edits)
}

// legacyTools takes out the schemas of results that are no objects, which
// legacy clients refuse, and with them all of the list.
func legacyTools(edits []jsonrpc.Edit, frame []byte, tools jsonrpc.Span) []jsonrpc.Edit {
	for tool := range jsonrpc.Items(frame, tools) {
		edits, _ = cut(edits, frame, tool, func(name, value jsonrpc.Span) bool {
			return jsonrpc.Is(frame, name, "outputSchema") && textAt(frame, value, "type") != "object"
		})
	}
	return edits
}

// codeNotFound is the error for resources that do not exist (2025-11-25,
// resources, "Error Handling"). In the modern era that is InvalidParams.
const codeNotFound = "-32002"

// legacyError is an error of the server as the answer to a call.
func legacyError(c *modernCall, frame []byte, m jsonrpc.Message) []byte {
	edits := append(make([]jsonrpc.Edit, 0, 2), jsonrpc.Edit{Span: m.ID, With: c.id})
	code, _ := jsonrpc.ErrorCode(frame, m)
	if c.method == "resources/read" && code == jsonrpc.InvalidParams && lookup(frame, m.Error, "data", "uri").Present() {
		edits = append(edits, jsonrpc.Edit{Span: lookup(frame, m.Error, "code"), With: []byte(codeNotFound)})
	}
	return splice(frame, edits)
}
