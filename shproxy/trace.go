// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/tracecontext"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// traceEdit returns the edit that puts the trace context of the headers into
// params._meta of a request or a notification, where a server on stdio looks
// for it (MCP 2026-07-28, basic protocol, "OpenTelemetry trace context";
// SEP-414). It reports false if there is nothing to do: no valid traceparent,
// or a message that names its own context.
//
// There is no way back, since no standard has one: neither SEP-414 nor Trace
// Context levels 1 and 2 know a context of responses. What a server writes into
// _meta reaches the client as it is.
func traceEdit(h http.Header, frame []byte, m jsonrpc.Message) (jsonrpc.Edit, bool) {
	trace, ok := tracecontext.FromHeader(h)
	if !ok || m.Kind != jsonrpc.Request && m.Kind != jsonrpc.Notification {
		return jsonrpc.Edit{}, false
	}
	var members []byte
	// A state means nothing without the parent that it came with.
	if !hasMember(frame, m.Meta, "traceparent") && !hasMember(frame, m.Meta, "tracestate") {
		members = appendMember(members, "traceparent", trace.TraceParent)
		members = appendMember(members, "tracestate", trace.TraceState)
	}
	if !hasMember(frame, m.Meta, "baggage") {
		members = appendMember(members, "baggage", trace.Baggage)
	}
	if members == nil {
		return jsonrpc.Edit{}, false
	}
	return metaEdit(frame, m, members)
}

func hasMember(frame []byte, object jsonrpc.Span, name string) bool {
	_, ok := jsonrpc.Lookup(frame, object, name)
	return ok
}

// appendMember appends one member of an object, after a comma unless it is the
// first. No value means no member.
func appendMember(members []byte, name, value string) []byte {
	if value == "" {
		return members
	}
	if len(members) > 0 {
		members = append(members, ',')
	}
	members = jsonrpc.AppendString(members, name)
	members = append(members, ':')
	return jsonrpc.AppendString(members, value)
}

// metaEdit inserts members at the beginning of params._meta, and makes that and
// params if they are not there. Of another type than an object they stay as
// they are: the server shall see the mistake.
func metaEdit(frame []byte, m jsonrpc.Message, members []byte) (jsonrpc.Edit, bool) {
	switch {
	case m.Meta.Present():
		return insertMembers(frame, m.Meta, members), true
	case !m.Params.Present():
		at := jsonrpc.Span{Start: m.Method.End, End: m.Method.End}
		return jsonrpc.Edit{Span: at, With: slices.Concat([]byte(`,"params":{"_meta":{`), members, []byte("}}"))}, true
	case frame[m.Params.Start] != '{' || hasMember(frame, m.Params, "_meta"):
		return jsonrpc.Edit{}, false
	}
	return insertMembers(frame, m.Params, slices.Concat([]byte(`"_meta":{`), members, []byte("}"))), true
}

// insertMembers puts members before those that an object has.
func insertMembers(frame []byte, object jsonrpc.Span, members []byte) jsonrpc.Edit {
	at := object.Start + 1
	if rest := bytes.TrimLeft(frame[at:object.End], " \t\r\n"); rest[0] != '}' {
		members = append(members, ',')
	}
	return jsonrpc.Edit{Span: jsonrpc.Span{Start: at, End: at}, With: members}
}
