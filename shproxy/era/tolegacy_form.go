// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// filledIn reports whether content is what the form of an elicitation asks
// for: all that is required, and each value of its type. Modern servers ask
// again for what is not; a legacy server has but one try, so it is done here.
func (q question) filledIn(frame []byte, content jsonrpc.Span) bool {
	if content.Present() && !isObject(frame, content) {
		return false
	}
	schema := lookup(q.params, whole(q.params), "requestedSchema")
	given := membersOf(frame, content)
	for required := range jsonrpc.Items(q.params, lookup(q.params, schema, "required")) {
		if _, ok := given[jsonrpc.Text(required.Of(q.params))]; !ok {
			return false
		}
	}
	properties := membersOf(q.params, lookup(q.params, schema, "properties"))
	for name, value := range given {
		if !isOfType(value.Of(frame), textAt(q.params, properties[name], "type")) {
			return false
		}
	}
	return true
}

// isOfType reports whether a value is of a type of JSON Schema. Every value is
// of a type that forms do not have.
func isOfType(value []byte, kind string) bool {
	number := value[0] == '-' || value[0] >= '0' && value[0] <= '9'
	switch kind {
	case "string":
		return value[0] == '"'
	case "number":
		return number
	case "integer":
		return number && !bytes.ContainsAny(value, "eE") && !fraction(value)
	case "boolean":
		return value[0] == 't' || value[0] == 'f'
	case "array":
		return value[0] == '['
	}
	return true
}

// fraction reports whether a number has decimals other than zero.
func fraction(number []byte) bool {
	_, decimals, _ := bytes.Cut(number, []byte("."))
	return len(bytes.Trim(decimals, "0")) > 0
}
