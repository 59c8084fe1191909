// SPDX-License-Identifier: Apache-2.0

package era

import (
	"cmp"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// member is a member of an object; value is raw JSON.
type member struct {
	name  string
	value []byte
}

// without appends the object that span covers to dst, but for the members that
// drop names, and with further members at its end. Of anything but an object
// only the further members are left.
func without(dst, frame []byte, span jsonrpc.Span, drop func(name string) bool, more ...member) []byte {
	dst = append(dst, '{')
	first := true
	comma := func() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
	}
	for name, value := range jsonrpc.Members(frame, span) {
		if drop(jsonrpc.Text(name.Of(frame))) {
			continue
		}
		comma()
		dst = append(dst, name.Of(frame)...)
		dst = append(dst, ':')
		dst = append(dst, value.Of(frame)...)
	}
	for _, m := range more {
		comma()
		dst = jsonrpc.AppendString(dst, m.name)
		dst = append(dst, ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}')
}

// prepend is the edit that puts members, raw JSON without braces, in front of
// those of an object.
func prepend(frame []byte, object jsonrpc.Span, members []byte) jsonrpc.Edit {
	at := object.Start + 1
	for at < object.End && (frame[at] == ' ' || frame[at] == '\t' || frame[at] == '\n' || frame[at] == '\r') {
		at++
	}
	if frame[at] != '}' {
		members = append(members, ',')
	}
	return jsonrpc.Edit{Span: jsonrpc.Span{Start: at, End: at}, With: members}
}

// isObject reports whether span covers an object.
func isObject(frame []byte, span jsonrpc.Span) bool {
	return span.Present() && frame[span.Start] == '{'
}

// lookup finds a member of a member, and so on.
func lookup(frame []byte, span jsonrpc.Span, path ...string) jsonrpc.Span {
	for _, name := range path {
		span, _ = jsonrpc.Lookup(frame, span, name)
	}
	return span
}

// membersOf are the members of an object by name, for who looks for many.
func membersOf(frame []byte, span jsonrpc.Span) map[string]jsonrpc.Span {
	all := make(map[string]jsonrpc.Span)
	for name, value := range jsonrpc.Members(frame, span) {
		all[jsonrpc.Text(name.Of(frame))] = value
	}
	return all
}

// whole is the span of raw JSON that was cut out of a frame.
func whole(raw []byte) jsonrpc.Span { return jsonrpc.Span{Start: 0, End: len(raw)} }

// textAt is the text of a member of a member, or empty.
func textAt(frame []byte, span jsonrpc.Span, path ...string) string {
	return jsonrpc.Text(lookup(frame, span, path...).Of(frame))
}

// trueAt reports whether a member of a member is true.
func trueAt(frame []byte, span jsonrpc.Span, path ...string) bool {
	return string(lookup(frame, span, path...).Of(frame)) == "true"
}

// splice applies edits in whatever order they are.
func splice(frame []byte, edits []jsonrpc.Edit) []byte {
	room := len(frame)
	for _, e := range edits {
		room += len(e.With)
	}
	return jsonrpc.AppendSplice(make([]byte, 0, room), frame, inPlace(edits)...)
}

// inPlace sorts edits by where they are.
func inPlace(edits []jsonrpc.Edit) []jsonrpc.Edit {
	slices.SortStableFunc(edits, func(a, b jsonrpc.Edit) int { return cmp.Compare(a.Span.Start, b.Span.Start) })
	return edits
}
