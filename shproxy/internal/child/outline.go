// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// outline is what can be made out of a message that is not well-formed, or of
// which only the two ends are known. It is a guess about whose message it is.
type outline struct {
	id      []byte // raw; empty if there is none, or more than one
	ids     int
	method  bool // it is a request or a notification
	version bool // it has a member "jsonrpc"
}

// outlineOf looks at the outermost members of an object, from its beginning
// on and from its end back, as far as the quotes and brackets make sense. Both
// may be the whole text.
func outlineOf(beginning, end []byte) outline {
	var o outline
	o.forward(beginning)
	o.backward(end)
	if o.ids != 1 {
		o.id = nil
	}
	return o
}

// forward takes the members that are complete in the beginning of an object.
func (o *outline) forward(b []byte) {
	var last, name []byte // string; member name
	depth, start := 0, 0  // of a value
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			n := closing(b[i:])
			if n < 0 {
				return
			}
			last = b[i : i+n+1]
			i += n
		case '{', '[':
			depth++
		case ':':
			if depth == 1 {
				name, start = last, i+1
			}
		case ',', '}', ']':
			if depth == 1 && name != nil {
				o.member(name, bytes.TrimSpace(b[start:i]))
				name = nil
			}
			if c != ',' {
				depth--
			}
			if depth == 0 {
				return
			}
		}
	}
}

// backward takes the members that are complete in the end of an object.
func (o *outline) backward(b []byte) {
	depth, end := 0, 0 // of a value
	for i := len(b) - 1; i >= 0; i-- {
		switch b[i] {
		case '"':
			if i = opening(b[:i]); i < 0 {
				return
			}
		case '}', ']':
			if depth == 0 {
				end = i
			}
			depth++
		case '{', '[':
			if depth--; depth <= 0 {
				return
			}
		case ',':
			if depth == 1 {
				end = i
			}
		case ':':
			if depth != 1 {
				continue
			}
			name := bytes.TrimSpace(b[:i])
			if n := len(name) - 1; n > 0 && name[n] == '"' {
				if start := opening(name[:n]); start >= 0 {
					o.member(name[start:], bytes.TrimSpace(b[i+1:max(i+1, end)]))
				}
			}
		}
	}
}

func (o *outline) member(name, value []byte) {
	switch string(name) {
	case `"id"`:
		usable := len(value) > 0 && len(value) <= jsonrpc.MaxID && (value[0] == '"' || value[0] == '-' || '0' <= value[0] && value[0] <= '9')
		if usable && !bytes.Equal(value, o.id) {
			o.id = value
			o.ids++
		}
	case `"method"`:
		o.method = true
	case `"jsonrpc"`:
		o.version = true
	}
}

// closing finds the quote that ends the string at the beginning of b, or -1.
func closing(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// opening finds the quote that begins the string that ends where b ends, or
// -1: inside, quotes follow an odd number of backslashes.
func opening(b []byte) int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '"' && (i-len(bytes.TrimRight(b[:i], `\`)))%2 == 0 {
			return i
		}
	}
	return -1
}
