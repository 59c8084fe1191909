// SPDX-License-Identifier: Apache-2.0

package era

import (
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// cut appends the edits that take members out of the object that span covers,
// each with the comma that it leaves behind, and says how many members stay.
func cut(edits []jsonrpc.Edit, frame []byte, object jsonrpc.Span, drop func(name, value jsonrpc.Span) bool) (_ []jsonrpc.Edit, kept int) {
	var hole jsonrpc.Span // behind the last member that stays
	end := object.Start + 1
	for name, value := range jsonrpc.Members(frame, object) {
		if drop(name, value) {
			hole = jsonrpc.Span{Start: end, End: value.End}
			continue
		}
		if hole.Present() {
			if kept == 0 {
				hole.End = name.Start // with the comma, in front of which nothing is left
			}
			edits = append(edits, jsonrpc.Edit{Span: hole})
			hole = jsonrpc.Span{}
		}
		kept++
		end = value.End
	}
	if hole.Present() {
		edits = append(edits, jsonrpc.Edit{Span: hole})
	}
	return edits, kept
}

// put appends the edits that replace members of the object that span covers:
// those that drop names are taken out, and members, raw JSON without braces,
// are put at the end.
func put(edits []jsonrpc.Edit, frame []byte, object jsonrpc.Span, drop func(name, value jsonrpc.Span) bool, members []byte) []jsonrpc.Edit {
	edits, kept := cut(edits, frame, object, drop)
	end := jsonrpc.Span{Start: object.End - 1, End: object.End - 1}
	if kept > 0 {
		edits = append(edits, jsonrpc.Edit{Span: end, With: comma})
	}
	return append(edits, jsonrpc.Edit{Span: end, With: members})
}

var comma = []byte{','}
