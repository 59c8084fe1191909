// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "bytes"

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
	ProtocolVersion Span // params._meta[MetaProtocolVersion]
	LogLevel        Span // params._meta[MetaLogLevel]
	SubscriptionID  Span // params._meta[MetaSubscriptionID]
}

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
	if err == nil {
		err = s.classify()
	}
	if err == nil {
		return s.m, nil
	}
	return Message{ID: s.m.ID}, err
}

type scanner struct {
	b         []byte
	i         int
	depth     int
	trusted   bool   // the frame was scanned before
	escaped   bool   // the last string had an escape
	version   bool   // a jsonrpc member that says "2.0"
	disguises uint32 // bits of the fields of params that are there in another case
	m         Message
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
		return s.noObject()
	}
	if err := s.object(top); err != nil {
		return err
	}
	return s.end()
}

// noObject tells JSON that is no message from what is not JSON.
func (s *scanner) noObject() error {
	const text = "a message must be a JSON object"
	if s.scalar() != nil || s.end() != nil {
		return s.syntax(text)
	}
	return invalid(text)
}

// end demands that nothing but whitespace follows.
func (s *scanner) end() error {
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
	if name, ok := s.disguised(); ok {
		return invalid(`a member of "params" differs from "` + name + `" in case only`)
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

// object scans the object at s.i, whose members are those of level l.
func (s *scanner) object(l level) error {
	if err := s.open(); err != nil {
		return err
	}
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
		f, err := s.nameOf(l, name, &names)
		if err != nil {
			return err
		}
		if err := s.colon(); err != nil {
			return err
		}
		if err := s.member(l, f); err != nil {
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

// nameOf finds out which field the name just scanned is, and refuses names
// that two programs could take for different ones.
func (s *scanner) nameOf(l level, name Span, names *nameSet) (field, error) {
	text := s.b[name.Start+1 : name.End-1]
	if s.escaped {
		text = []byte(Text(name.Of(s.b)))
	}
	f, exact := find(l, text)
	switch {
	case !names.add(text, s.escaped):
		return f, s.ambiguous("duplicate member", f, name)
	case s.escaped && bytes.IndexByte(text, 0) >= 0:
		return f, s.ambiguous("NUL in the name of member", f, name)
	case exact:
		return f, nil
	case l == params && f != fieldMeta:
		s.disguises |= 1 << f
		return unknown, nil
	}
	return f, s.ambiguous("member that differs from one of the protocol in case only:", f, name)
}

// member scans the value of a field and records it when it is one to report.
func (s *scanner) member(l level, f field) error {
	start := s.i
	var err error
	switch {
	case !s.at('{'):
		err = s.value()
	case l == top && f == fieldParams:
		err = s.object(params)
	case l == params && f == fieldMeta:
		err = s.object(meta)
		s.m.Meta = Span{start, s.i}
	default:
		err = s.value()
	}
	if err != nil {
		return err
	}
	switch span := (Span{start, s.i}); l {
	case top:
		return s.topMember(f, span)
	case meta:
		s.metaMember(f, span)
	}
	return nil
}

func (s *scanner) metaMember(f field, span Span) {
	switch f {
	case fieldProgressToken:
		s.m.ProgressToken = span
	case fieldProtocolVersion:
		s.m.ProtocolVersion = span
	case fieldLogLevel:
		s.m.LogLevel = span
	case fieldSubscriptionID:
		s.m.SubscriptionID = span
	}
}

func (s *scanner) topMember(f field, span Span) error {
	first := s.b[span.Start]
	switch f {
	case fieldVersion:
		s.version = first == '"' && Is(s.b, span, "2.0")
	case fieldID:
		if first != '"' && first != 'n' && first != '-' && (first < '0' || first > '9') {
			return invalid(`"id" must be a string or a number`)
		}
		if span.End-span.Start > MaxID {
			return invalid(`"id" is too long`)
		}
		s.m.ID = span
	case fieldMethod:
		if first != '"' {
			return invalid(`"method" must be a string`)
		}
		s.m.Method = span
	case fieldParams:
		if first != '{' && first != '[' && first != 'n' {
			return invalid(`"params" must be an object`)
		}
		s.m.Params = span
	case fieldResult:
		s.m.Result = span
	case fieldError:
		s.m.Error = span
	}
	return nil
}

// ambiguous reports a member that two programs could read differently. An id
// of which that is true is no id.
func (s *scanner) ambiguous(text string, f field, name Span) error {
	if f == fieldID {
		s.m.ID = Span{}
	}
	const shown = 100 // bytes of a name
	raw := name.Of(s.b)
	return invalid(text + " " + string(raw[:min(len(raw), shown)]))
}

func (s *scanner) syntax(text string) error {
	return &Error{Code: ParseError, Message: text, Offset: s.i}
}

func invalid(text string) error {
	return &Error{Code: InvalidRequest, Message: text}
}
