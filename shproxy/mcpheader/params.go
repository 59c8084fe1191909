// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"errors"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// MaxTools is how many tools with annotations a [Params] holds.
const MaxTools = 10_000

// Params knows the x-mcp-header annotations of a server's tools ("Custom
// Headers from Tool Parameters"). The zero value and a nil pointer know none.
// [Params.Add] must not run at the same time as another method; the others
// may.
type Params struct {
	tools map[string]tool // those with annotations
}

// Add reads the tools in frame, a response to tools/list, and returns the
// cursor of the next page, or the empty string if this was the last. A tool
// that was added before is replaced.
//
// A tool of which an annotation breaks the rules of the specification counts
// as one without: nothing is derived or checked for it, and [Params.Invalid]
// lists it. An error means that the frame is no such response, or that there
// are more than [MaxTools].
func (p *Params) Add(frame []byte, m jsonrpc.Message) (nextCursor string, err error) {
	list, ok := tools(frame, m)
	if !ok {
		return "", errors.New("mcpheader: no list of tools")
	}
	for item := range jsonrpc.Items(frame, list) {
		name, t, ok := readTool(frame, item)
		switch {
		case !ok:
			continue
		case t.invalid == "" && t.params == nil:
			delete(p.tools, name)
			continue
		case p.tools == nil:
			p.tools = make(map[string]tool)
		}
		if _, known := p.tools[name]; !known && len(p.tools) == MaxTools {
			return "", errors.New("mcpheader: more than " + strconv.Itoa(MaxTools) + " tools with headers")
		}
		p.tools[name] = t
	}
	cursor, _ := jsonrpc.Lookup(frame, m.Result, "nextCursor")
	return jsonrpc.Text(cursor.Of(frame)), nil
}

// tools finds the array of tools in a response to tools/list.
func tools(frame []byte, m jsonrpc.Message) (jsonrpc.Span, bool) {
	if m.Kind != jsonrpc.Response {
		return jsonrpc.Span{}, false
	}
	list, ok := jsonrpc.Lookup(frame, m.Result, "tools")
	return list, ok && frame[list.Start] == '['
}

// Invalid ranges over the names of the tools whose annotations are invalid,
// in order, and the reasons.
func (p *Params) Invalid() iter.Seq2[string, string] {
	return func(yield func(tool, reason string) bool) {
		if p == nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(p.tools)) {
			if t := p.tools[name]; t.invalid != "" && !yield(name, t.invalid) {
				return
			}
		}
	}
}

// AppendValid appends frame, a response to tools/list, to dst without the
// tools whose annotations are invalid: a client must not show them. All other
// bytes stay as they are, and so does a frame that is no such response.
func AppendValid(dst, frame []byte, m jsonrpc.Message) []byte {
	list, _ := tools(frame, m)
	return jsonrpc.AppendSplice(dst, frame, jsonrpc.Cuts(frame, list, func(item jsonrpc.Span) bool {
		_, t, _ := readTool(frame, item)
		return t.invalid == ""
	})...)
}

// Check compares the Mcp-Param headers of a POST with the arguments of the
// tools/call request in its body. An annotated argument that is there and not
// null needs its header with an equal value: texts and booleans to the byte,
// integers as numbers. Without the argument there must be no header. An
// argument that no header can repeat, such as an object, is refused. Headers
// without an annotation, and all other messages, are not looked at.
//
// The error is a [*Mismatch]. It names arguments, but shows no values.
func (p *Params) Check(h http.Header, frame []byte, m jsonrpc.Message) error {
	params, arguments := p.of(frame, m)
	for _, param := range params {
		span, err := param.find(frame, arguments)
		if err == nil {
			err = param.check(h, frame, span)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Derive sets the headers in h that [Params.Check] wants to see for a
// tools/call request, and removes those whose argument is absent, null or
// nothing that a header can repeat. Other messages get none.
func (p *Params) Derive(h http.Header, frame []byte, m jsonrpc.Message) {
	params, arguments := p.of(frame, m)
	for _, param := range params {
		h.Del(param.header)
		if span, err := param.find(frame, arguments); err == nil {
			if text, ok := convert(span.Of(frame)); ok {
				h.Set(param.header, Encode(text))
			}
		}
	}
}

// of returns the annotations of the tool that is called, and its arguments.
func (p *Params) of(frame []byte, m jsonrpc.Message) ([]param, jsonrpc.Span) {
	if p == nil || len(p.tools) == 0 || m.Kind != jsonrpc.Request || !jsonrpc.Is(frame, m.Method, "tools/call") {
		return nil, jsonrpc.Span{}
	}
	name, _ := jsonrpc.Lookup(frame, m.Params, "name")
	arguments, _ := jsonrpc.Lookup(frame, m.Params, "arguments")
	return p.tools[jsonrpc.Text(name.Of(frame))].params, arguments
}

// find follows the path to the argument, and returns no span if it is absent
// or null. A name that is there twice is an error, since the server may read
// another value than the one compared. Case matters, as in JSON Schema.
func (p param) find(frame []byte, at jsonrpc.Span) (jsonrpc.Span, error) {
	for _, name := range p.path {
		var found jsonrpc.Span
		for member, value := range jsonrpc.Members(frame, at) {
			if !jsonrpc.Is(frame, member, name) {
				continue
			}
			if found.Present() {
				return jsonrpc.Span{}, p.mismatch("is for a duplicate of")
			}
			found = value
		}
		at = found
	}
	if at.Present() && frame[at.Start] == 'n' {
		at = jsonrpc.Span{}
	}
	return at, nil
}

// check compares the header with the argument at span.
func (p param) check(h http.Header, frame []byte, span jsonrpc.Span) error {
	value, present, err := header(h, p.header)
	switch {
	case err != nil:
		return err
	case !span.Present() && present:
		return p.mismatch("is there without")
	case !span.Present():
		return nil
	case !repeatable(frame, span):
		return p.mismatch("can only be a string, boolean or safe integer, unlike")
	case !present:
		return p.mismatch("is missing for")
	}
	text, err := Decode(value)
	if err != nil {
		return &Mismatch{p.header, err.Error()}
	}
	if !equal(frame, span, text) {
		return p.mismatch("does not match")
	}
	return nil
}

func (p param) mismatch(reason string) error {
	return &Mismatch{p.header, reason + " the argument " + quote(strings.Join(p.path, "."))}
}
