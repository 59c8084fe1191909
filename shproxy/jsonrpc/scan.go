// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "unicode/utf8"

// MaxDepth is how deep arrays and objects may nest in a frame.
const MaxDepth = 1000

// MaxID is how many bytes a raw id may have.
const MaxID = 1024

// Kind tells what a message is.
type Kind uint8

// The kinds of message. Invalid is the zero value.
const (
	Invalid      Kind = iota
	Request           // a method and an id
	Notification      // a method and no id
	Response          // a result or an error
)

// String returns the kind in lower case.
func (k Kind) String() string {
	return [...]string{"invalid", "request", "notification", "response"}[k]
}

// Span is a half-open range of bytes in a frame. The zero Span means that
// the member is absent.
type Span struct{ Start, End int }

// Present reports whether the span covers anything.
func (s Span) Present() bool { return s.End > s.Start }

// Of returns the bytes of frame that s covers.
func (s Span) Of(frame []byte) []byte { return frame[s.Start:s.End] }

// Message says where the members of a frame are. Every span covers the whole
// JSON value; that of a string includes its quotes.
type Message struct {
	Kind   Kind
	ID     Span // absent in a notification
	Method Span
	Params Span
	Result Span
	Error  Span

	Meta            Span // params._meta, when both are objects
	ProgressToken   Span // params._meta.progressToken
	ProtocolVersion Span // params._meta["io.modelcontextprotocol/protocolVersion"]
}

// MetaProtocolVersion is the _meta member with which every request names its
// protocol version since MCP 2026-07-28.
const MetaProtocolVersion = "io.modelcontextprotocol/protocolVersion"

// Scan validates frame, which must hold exactly one message, and finds its
// members. It keeps no reference to frame and does not allocate unless an
// object at a level that is read has many members or escaped names.
//
// The error is an [*Error] whose code is [ParseError] or [InvalidRequest].
// The returned Message then has no kind, but its ID is set if exactly one
// well-formed id was found before the scan ended, so that the error can be
// answered.
func Scan(frame []byte) (Message, error) {
	s := scanner{b: frame}
	err := s.message()
	if err == nil && !utf8.Valid(frame) {
		err = &Error{Code: ParseError, Message: "invalid UTF-8"}
	}
	if err == nil {
		err = s.classify()
	}
	if err == nil {
		return s.m, nil
	}
	if !utf8.Valid(s.m.ID.Of(frame)) {
		s.m.ID = Span{}
	}
	return Message{ID: s.m.ID}, err
}

type level uint8

// The objects whose members are read, and every other value.
const (
	opaque level = iota
	top
	params
	meta
)

type scanner struct {
	b       []byte
	i       int
	depth   int
	version bool // a jsonrpc member that says "2.0"
	m       Message
}

// message scans the whole frame.
func (s *scanner) message() error {
	s.space()
	switch {
	case s.i == len(s.b):
		return s.syntax("empty message")
	case s.b[s.i] == '[':
		return ErrBatch
	case s.b[s.i] != '{':
		return s.syntax("a message must be a JSON object")
	}
	if err := s.object(top); err != nil {
		return err
	}
	s.space()
	if s.i != len(s.b) {
		return s.syntax("bytes after the message")
	}
	return nil
}

// classify decides the kind of a well-formed object and checks what JSON-RPC
// demands of it.
func (s *scanner) classify() error {
	m := &s.m
	method, result, fault := m.Method.Present(), m.Result.Present(), m.Error.Present()
	switch {
	case !s.version:
		return invalid(`"jsonrpc" must be "2.0"`)
	case method && (result || fault):
		return invalid(`"method" together with "result" or "error"`)
	case result && fault:
		return invalid(`both "result" and "error"`)
	case !method && !result && !fault:
		return invalid(`neither "method" nor "result" nor "error"`)
	}
	null := m.ID.Present() && s.b[m.ID.Start] == 'n'
	switch {
	case null && !fault:
		return invalid(`"id" must be a string or a number`)
	case result && !m.ID.Present():
		return invalid(`a result without "id"`)
	case method && m.ID.Present():
		m.Kind = Request
	case method:
		m.Kind = Notification
	default:
		m.Kind = Response
	}
	return nil
}

// object scans the object at s.i and its members.
func (s *scanner) object(l level) error {
	if s.depth++; s.depth > MaxDepth {
		return s.syntax("nested too deep")
	}
	s.i++
	s.space()
	if s.at('}') {
		s.i++
		s.depth--
		return nil
	}
	var names nameSet
	for {
		name, err := s.str()
		if err != nil {
			return err
		}
		if l != opaque && !names.add(s.b, name) {
			return s.duplicate(l, name)
		}
		s.space()
		if !s.at(':') {
			return s.syntax("no colon after a member name")
		}
		s.i++
		s.space()
		if err := s.member(l, name); err != nil {
			return err
		}
		s.space()
		if s.at('}') {
			s.i++
			s.depth--
			return nil
		}
		if !s.at(',') {
			return s.syntax("no comma between members")
		}
		s.i++
		s.space()
	}
}

// member scans one value and records it when it is one that is read.
func (s *scanner) member(l level, name Span) error {
	start := s.i
	inner := s.innerLevel(l, name)
	if err := s.value(inner); err != nil {
		return err
	}
	span := Span{start, s.i}
	switch l {
	case top:
		return s.topMember(name, span)
	case params:
		if inner == meta {
			s.m.Meta = span
		}
	case meta:
		switch {
		case Is(s.b, name, "progressToken"):
			s.m.ProgressToken = span
		case Is(s.b, name, MetaProtocolVersion):
			s.m.ProtocolVersion = span
		}
	}
	return nil
}

// innerLevel is the level of the value that follows name.
func (s *scanner) innerLevel(l level, name Span) level {
	switch {
	case !s.at('{'):
		return opaque
	case l == top && Is(s.b, name, "params"):
		return params
	case l == params && Is(s.b, name, "_meta"):
		return meta
	}
	return opaque
}

func (s *scanner) topMember(name, span Span) error {
	first := s.b[span.Start]
	switch {
	case Is(s.b, name, "jsonrpc"):
		s.version = first == '"' && Is(s.b, span, "2.0")
	case Is(s.b, name, "id"):
		if first != '"' && first != 'n' && first != '-' && (first < '0' || first > '9') {
			return invalid(`"id" must be a string or a number`)
		}
		if span.End-span.Start > MaxID {
			return invalid(`"id" is too long`)
		}
		s.m.ID = span
	case Is(s.b, name, "method"):
		if first != '"' {
			return invalid(`"method" must be a string`)
		}
		s.m.Method = span
	case Is(s.b, name, "params"):
		if first != '{' && first != '[' && first != 'n' {
			return invalid(`"params" must be an object`)
		}
		s.m.Params = span
	case Is(s.b, name, "result"):
		s.m.Result = span
	case Is(s.b, name, "error"):
		s.m.Error = span
	}
	return nil
}

// duplicate reports a repeated member. An id that was repeated is no id.
func (s *scanner) duplicate(l level, name Span) error {
	if l == top && Is(s.b, name, "id") {
		s.m.ID = Span{}
	}
	const shown = 100 // bytes of a name
	raw := name.Of(s.b)
	return invalid("duplicate member " + string(raw[:min(len(raw), shown)]))
}

func (s *scanner) syntax(text string) error {
	return &Error{Code: ParseError, Message: text, Offset: s.i}
}

func invalid(text string) error {
	return &Error{Code: InvalidRequest, Message: text}
}
