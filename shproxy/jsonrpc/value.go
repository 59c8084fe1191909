// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"encoding/binary"
	"math/bits"
)

// at reports whether the next byte is c.
func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

// space skips JSON whitespace.
func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// value scans any value; l is the level of its members if it is an object.
func (s *scanner) value(l level) error {
	if s.i == len(s.b) {
		return s.syntax("unexpected end")
	}
	switch c := s.b[s.i]; {
	case c == '"':
		_, err := s.str()
		return err
	case c == '{':
		return s.object(l)
	case c == '[':
		return s.array()
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.syntax("no JSON value")
}

func (s *scanner) array() error {
	if s.depth++; s.depth > MaxDepth {
		return s.syntax("nested too deep")
	}
	s.i++
	s.space()
	if s.at(']') {
		s.i++
		s.depth--
		return nil
	}
	for {
		if err := s.value(opaque); err != nil {
			return err
		}
		s.space()
		if s.at(']') {
			s.i++
			s.depth--
			return nil
		}
		if !s.at(',') {
			return s.syntax("no comma between elements")
		}
		s.i++
		s.space()
	}
}

func (s *scanner) literal(text string) error {
	if len(s.b)-s.i < len(text) || string(s.b[s.i:s.i+len(text)]) != text {
		return s.syntax("no JSON value")
	}
	s.i += len(text)
	return nil
}

// number follows the grammar of RFC 8259 section 6.
func (s *scanner) number() error {
	if s.at('-') {
		s.i++
	}
	if s.at('0') {
		s.i++
	} else if !s.digits() {
		return s.syntax("malformed number")
	}
	if s.at('.') {
		s.i++
		if !s.digits() {
			return s.syntax("malformed number")
		}
	}
	if s.at('e') || s.at('E') {
		s.i++
		if s.at('+') || s.at('-') {
			s.i++
		}
		if !s.digits() {
			return s.syntax("malformed number")
		}
	}
	return nil
}

// digits skips a run of digits and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

// str scans a string and returns its span, quotes included.
func (s *scanner) str() (Span, error) {
	if !s.at('"') {
		return Span{}, s.syntax("no string")
	}
	start := s.i
	s.i++
	for {
		s.plain()
		if s.i == len(s.b) {
			return Span{}, s.syntax("unexpected end")
		}
		switch s.b[s.i] {
		case '"':
			s.i++
			return Span{start, s.i}, nil
		case '\\':
			if err := s.escape(); err != nil {
				return Span{}, err
			}
		default:
			return Span{}, s.syntax("control character in a string")
		}
	}
}

// plain advances to the next quote, backslash or control character, eight
// bytes at a time: a set high bit marks a byte of the word that is one of
// them, and the lowest mark is exact.
func (s *scanner) plain() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for s.i+8 <= len(s.b) {
		w := binary.LittleEndian.Uint64(s.b[s.i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		marks := (quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w
		if marks &= highs; marks != 0 {
			s.i += bits.TrailingZeros64(marks) / 8
			return
		}
		s.i += 8
	}
	for s.i < len(s.b) {
		if c := s.b[s.i]; c == '"' || c == '\\' || c < 0x20 {
			return
		}
		s.i++
	}
}

func (s *scanner) escape() error {
	if s.i+1 == len(s.b) {
		return s.syntax("unexpected end")
	}
	switch s.b[s.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i += 2
		return nil
	case 'u':
		if len(s.b)-s.i < 6 {
			s.i = len(s.b)
			return s.syntax("unexpected end")
		}
		for _, c := range s.b[s.i+2 : s.i+6] {
			if !isHex(c) {
				return s.syntax("malformed escape")
			}
		}
		s.i += 6
		return nil
	}
	return s.syntax("malformed escape")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
