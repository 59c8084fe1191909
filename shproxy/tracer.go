// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/tracecontext"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// A TraceContext is where in a trace something stands, as the values of the
// headers traceparent and tracestate of W3C Trace Context. Both are empty if it
// is in none.
type TraceContext struct{ TraceParent, TraceState string }

// A TracedCall is what a tracer is told of a request or a notification of a
// client that goes to the server: see [Options.Trace]. It holds neither arguments
// nor what could be used to call.
type TracedCall struct {
	Server  string // its name
	Method  string // as MCP defines it, or "other"
	Tool    string // that tools/call names, at most 128 bytes of it
	Prompt  string // that prompts/get names, likewise
	ID      string // of the request, at most 64 bytes of it; empty for a notification
	Session string // tells the client's sessions apart, but cannot be used as one; empty if there is none
	Version string // of the protocol, as the client names it, if it is one like 2026-07-28; may be empty
	// Parent is the context that the message itself names in params._meta, which
	// goes before that of the HTTP request.
	Parent TraceContext
}

// A CallSpan is what a tracer returns.
type CallSpan struct {
	// Context is what the server finds in params._meta instead of what the client
	// sent. Without a TraceParent it is what it would be without a tracer.
	Context TraceContext
	// End, unless it is nil, is called once, when the call has ended, with its
	// outcome as in [MethodStatus.Outcomes] and the code of the JSON-RPC error,
	// which is 0 if there is none. A notification, and a call whose answer goes to the stream of
	// a batch or of the HTTP+SSE transport, ends when the server has it.
	End func(outcome string, code int)
}

const (
	maxTracedName = 128
	maxTracedID   = 64
)

// span is the CallSpan of a message. The zero span does nothing.
type span struct{ CallSpan }

// end ends the span, unless it has ended.
func (s *span) end(outcome stats.Outcome, code int) {
	if s.End != nil {
		s.End(outcome.String(), code)
		s.End = nil
	}
}

// startSpan tells the tracer, if there is one, of a message that goes to the
// server.
func (p *Proxy) startSpan(r *http.Request, frame []byte, m jsonrpc.Message) span {
	if p.opts.Trace == nil || m.Kind != jsonrpc.Request && m.Kind != jsonrpc.Notification {
		return span{}
	}
	c := TracedCall{
		Server: p.server.Name, Method: tracedMethod(frame, m), Version: r.Header.Get(headerVersion),
		Session: sessionName(r), Parent: metaContext(frame, m),
	}
	if m.ProtocolVersion.Present() {
		c.Version = jsonrpc.Text(m.ProtocolVersion.Of(frame))
	}
	if _, err := time.Parse(time.DateOnly, c.Version); err != nil {
		c.Version = ""
	}
	if m.Kind == jsonrpc.Request {
		c.ID = cut(strings.Trim(string(m.ID.Of(frame)), `"`), maxTracedID)
	}
	switch c.Method {
	case "tools/call":
		c.Tool = cut(textMember(frame, m.Params, "name"), maxTracedName)
	case "prompts/get":
		c.Prompt = cut(textMember(frame, m.Params, "name"), maxTracedName)
	}
	return span{p.opts.Trace(r.Context(), c)}
}

// tracedMethod is the method if it is one of MCP.
func tracedMethod(frame []byte, m jsonrpc.Message) string {
	if known := stats.MethodOf(m.Method.Of(frame)); known != stats.Other {
		return known.String()
	}
	if m.Kind == jsonrpc.Notification {
		for _, name := range []string{"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed"} {
			if jsonrpc.Is(frame, m.Method, name) {
				return name
			}
		}
	}
	return stats.Other.String()
}

// sessionName is a hash of the session id, which itself opens the session where
// nobody has to sign in.
func sessionName(r *http.Request) string {
	id := r.Header.Get(headerSession)
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}

// metaContext is the trace context in params._meta, if it is valid.
func metaContext(frame []byte, m jsonrpc.Message) TraceContext {
	h := http.Header{}
	for name, header := range map[string]string{"traceparent": "Traceparent", "tracestate": "Tracestate"} {
		if value := textMember(frame, m.Meta, name); value != "" {
			h[header] = []string{value}
		}
	}
	c, _ := tracecontext.FromHeader(h)
	return TraceContext{c.TraceParent, c.TraceState}
}

// textMember is a string in an object, or "".
func textMember(frame []byte, object jsonrpc.Span, name string) string {
	value, ok := jsonrpc.Lookup(frame, object, name)
	if !ok || frame[value.Start] != '"' || value.End-value.Start > jsonrpc.MaxID {
		return ""
	}
	return jsonrpc.Text(value.Of(frame))
}

func cut(s string, limit int) string {
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}

// spanEdit returns the edit that puts the context of a span into params._meta of
// a message, instead of the one that is there, and the baggage of the headers.
func spanEdit(h http.Header, frame []byte, m jsonrpc.Message, c TraceContext) (jsonrpc.Edit, bool) {
	var members []byte
	members = appendMember(members, "traceparent", c.TraceParent)
	members = appendMember(members, "tracestate", c.TraceState)
	if trace, ok := tracecontext.FromHeader(h); ok && !hasMember(frame, m.Meta, "baggage") {
		members = appendMember(members, "baggage", trace.Baggage)
	}
	if !hasMember(frame, m.Meta, "traceparent") && !hasMember(frame, m.Meta, "tracestate") {
		return metaEdit(frame, m, members)
	}
	with := append([]byte{'{'}, members...)
	for name, value := range jsonrpc.Members(frame, m.Meta) {
		if jsonrpc.Is(frame, name, "traceparent") || jsonrpc.Is(frame, name, "tracestate") {
			continue
		}
		with = append(append(with, ','), frame[name.Start:value.End]...)
	}
	return jsonrpc.Edit{Span: m.Meta, With: append(with, '}')}, true
}

// traced begins the span of a message, unless it has none, and returns the message
// with the context of the span in it, or the edit that puts that of the HTTP
// request there.
func (p *Proxy) traced(r *http.Request, frame []byte, m jsonrpc.Message) (span, []byte, jsonrpc.Message, jsonrpc.Edit) {
	s := p.startSpan(r, frame, m)
	if s.Context.TraceParent == "" {
		edit, _ := traceEdit(r.Header, frame, m)
		return s, frame, m, edit
	}
	if edit, ok := spanEdit(r.Header, frame, m, s.Context); ok {
		frame, m = spliced(frame, m, edit)
	}
	return s, frame, m, jsonrpc.Edit{}
}

// sent is traced for a message that passes without other edits, and whose span
// ends when the server has it.
func (p *Proxy) sent(r *http.Request, frame []byte, m jsonrpc.Message) (span, []byte, jsonrpc.Message) {
	s, frame, m, edit := p.traced(r, frame, m)
	if edit.With != nil {
		frame, m = spliced(frame, m, edit)
	}
	return s, frame, m
}

// spliced is the message with an edit, or as it was if it is at a bound then.
func spliced(frame []byte, m jsonrpc.Message, edit jsonrpc.Edit) ([]byte, jsonrpc.Message) {
	with := jsonrpc.AppendSplice(nil, frame, edit)
	again, err := jsonrpc.Scan(with)
	if err != nil {
		return frame, m
	}
	return with, again
}
