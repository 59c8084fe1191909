// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// at reports whether the next byte is c.
func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

// space skips JSON whitespace.
func (s *scanner) space() {
	for s.i < len(s.b) && s.b[s.i] <= ' ' && isSpace(s.b[s.i]) {
		s.i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// value scans any value.
func (s *scanner) value() error {
	if s.at('{') || s.at('[') {
		return s.container()
	}
	return s.scalar()
}

// scalar scans a string, a number or a literal.
func (s *scanner) scalar() error {
	if s.i == len(s.b) {
		return s.syntax("unexpected end")
	}
	switch c := s.b[s.i]; {
	case c == '"':
		_, err := s.str()
		return err
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

// container scans an array or an object and all that is in it. It keeps the
// kinds of what is open in a stack of bits instead of recursing: an input
// cannot grow the stack of the goroutine, and this is the hot path.
func (s *scanner) container() error {
	var objects bitStack
	outside := s.depth
	for {
		if s.at('{') || s.at('[') {
			object := s.b[s.i] == '{'
			if err := s.open(); err != nil {
				return err
			}
			objects.set(s.depth, object)
			if !s.at('}') && !s.at(']') {
				if object {
					if err := s.name(); err != nil {
						return err
					}
				}
				continue
			}
		} else if err := s.scalar(); err != nil {
			return err
		}
		if err := s.close(&objects, outside); err != nil || s.depth == outside {
			return err
		}
	}
}

// open enters an array or an object and stands at the first byte in it.
func (s *scanner) open() error {
	if s.depth == MaxDepth {
		return s.syntax("nested too deep")
	}
	s.depth++
	s.i++
	s.space()
	return nil
}

// close leaves every array and object that ends here, down to the depth
// outside, and stands at the next value if one follows.
func (s *scanner) close(objects *bitStack, outside int) error {
	for {
		s.space()
		object := objects.get(s.depth)
		switch {
		case s.at(','):
			s.i++
			s.space()
			if object {
				return s.name()
			}
			return nil
		case object && s.at('}'), !object && s.at(']'):
			s.i++
			s.depth--
			if s.depth == outside {
				return nil
			}
		case object:
			return s.syntax("no comma between members")
		default:
			return s.syntax("no comma between elements")
		}
	}
}

// bitStack has a bit for each depth from 1 to MaxDepth.
type bitStack [MaxDepth/64 + 1]uint64

func (b *bitStack) get(depth int) bool { return b[depth/64]&(1<<(depth%64)) != 0 }

func (b *bitStack) set(depth int, bit bool) {
	if bit {
		b[depth/64] |= 1 << (depth % 64)
	} else {
		b[depth/64] &^= 1 << (depth % 64)
	}
}

// name scans the name of a member and the colon, and stands at its value.
func (s *scanner) name() error {
	if _, err := s.str(); err != nil {
		return err
	}
	return s.colon()
}

func (s *scanner) colon() error {
	s.space()
	if !s.at(':') {
		return s.syntax("no colon after a member name")
	}
	s.i++
	s.space()
	return nil
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
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i > start
}

// str scans a string and returns its span, quotes included. It leaves in
// s.escaped whether there are escapes in it.
func (s *scanner) str() (Span, error) {
	if !s.at('"') {
		return Span{}, s.syntax("no string")
	}
	start := s.i
	s.i++
	if s.trusted {
		return s.skip(start)
	}
	s.escaped = false
	var seen uint64
	for {
		var word uint64
		s.i, word = plain(s.b, s.i)
		seen |= word
		if s.i == len(s.b) {
			return Span{}, s.syntax("unexpected end")
		}
		switch s.b[s.i] {
		case '"':
			s.i++
			// UTF-8 beyond ASCII occurs in strings only, so this is the
			// one place that has to look.
			if seen&highs != 0 && !utf8.Valid(s.b[start:s.i]) {
				return Span{}, s.syntax("invalid UTF-8")
			}
			return Span{start, s.i}, nil
		case '\\':
			s.escaped = true
			if err := s.escape(); err != nil {
				return Span{}, err
			}
		default:
			return Span{}, s.syntax("control character in a string")
		}
	}
}

// skip finds the end of a string, from its opening quote, without a look at
// what is in it.
func (s *scanner) skip(start int) (Span, error) {
	for {
		quote := bytes.IndexByte(s.b[s.i:], '"')
		if quote < 0 {
			s.i = len(s.b)
			return Span{}, s.syntax("unexpected end")
		}
		s.i += quote
		before := s.i - 1
		for s.b[before] == '\\' {
			before--
		}
		s.i++
		if (s.i-before)%2 == 0 { // an even number of backslashes
			return Span{start, s.i}, nil
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain returns the index of the next quote, backslash or control character
// at or after i, or len(b), and the union of the bytes that it looked at. Most
// strings are short, so it looks at eight bytes before it looks at 32 a time.
func plain(b []byte, i int) (next int, seen uint64) {
	if len(b)-i >= 8 {
		seen = binary.LittleEndian.Uint64(b[i:])
		if m := special(seen); m != 0 {
			return i + bits.TrailingZeros64(m)/8, seen
		}
		i += 8
	}
	for len(b)-i >= 32 {
		c := b[i : i+32 : i+32]
		w0, w1 := binary.LittleEndian.Uint64(c), binary.LittleEndian.Uint64(c[8:])
		w2, w3 := binary.LittleEndian.Uint64(c[16:]), binary.LittleEndian.Uint64(c[24:])
		seen |= w0 | w1 | w2 | w3
		m0, m1, m2, m3 := special(w0), special(w1), special(w2), special(w3)
		switch {
		case m0|m1|m2|m3 == 0:
			i += 32
		case m0 != 0:
			return i + bits.TrailingZeros64(m0)/8, seen
		case m1 != 0:
			return i + 8 + bits.TrailingZeros64(m1)/8, seen
		case m2 != 0:
			return i + 16 + bits.TrailingZeros64(m2)/8, seen
		default:
			return i + 24 + bits.TrailingZeros64(m3)/8, seen
		}
	}
	for ; len(b)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		seen |= w
		if m := special(w); m != 0 {
			return i + bits.TrailingZeros64(m)/8, seen
		}
	}
	for ; i < len(b); i++ {
		c := b[i]
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		seen |= uint64(c)
	}
	return i, seen
}

// special marks the quotes, backslashes and control characters among the
// eight bytes of w with their high bit; the lowest mark is exact. Flipping
// bit 1 makes the quote a space and leaves control characters below it.
func special(w uint64) uint64 {
	return ((w ^ ones*0x02 - ones*0x21) | (w ^ ones*'\\' - ones)) &^ w & highs
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
