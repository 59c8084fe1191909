// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "iter"

// Lookup finds the value of the member name of the object that span covers in
// a frame that [Scan] accepted. Of a duplicate member it finds the last one.
func Lookup(frame []byte, span Span, name string) (Span, bool) {
	var found Span
	for member, value := range Members(frame, span) {
		if Is(frame, member, name) {
			found = value
		}
	}
	return found, found.Present()
}

// Members ranges over the names and values of the object that span covers in
// a frame that [Scan] accepted. Of anything but an object there are none.
func Members(frame []byte, span Span) iter.Seq2[Span, Span] {
	return func(yield func(name, value Span) bool) {
		if !span.Present() || frame[span.Start] != '{' {
			return
		}
		s := scanner{b: frame[:span.End], i: span.Start + 1, trusted: true}
		for s.space(); !s.at('}'); s.space() {
			name, err := s.str()
			if err != nil || s.colon() != nil {
				return
			}
			value, ok := s.next()
			if !ok || !yield(name, value) {
				return
			}
		}
	}
}

// Items ranges over the elements of the array that span covers in a frame
// that [Scan] accepted. Of anything but an array there are none.
func Items(frame []byte, span Span) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		if !span.Present() || frame[span.Start] != '[' {
			return
		}
		s := scanner{b: frame[:span.End], i: span.Start + 1, trusted: true}
		for s.space(); !s.at(']'); s.space() {
			value, ok := s.next()
			if !ok || !yield(value) {
				return
			}
		}
	}
}

// next scans a value and the comma that may follow.
func (s *scanner) next() (Span, bool) {
	start := s.i
	if s.value() != nil {
		return Span{}, false
	}
	span := Span{start, s.i}
	s.space()
	if s.at(',') {
		s.i++
	}
	return span, true
}
