// SPDX-License-Identifier: Apache-2.0

package jsonrpc

// Edit replaces the bytes of one span.
type Edit struct {
	Span Span
	With []byte
}

// AppendSplice appends frame to dst with every edit applied and all other
// bytes unchanged. Edits must be in ascending order and must not overlap.
func AppendSplice(dst, frame []byte, edits ...Edit) []byte {
	at := 0
	for _, e := range edits {
		dst = append(dst, frame[at:e.Span.Start]...)
		dst = append(dst, e.With...)
		at = e.Span.End
	}
	return append(dst, frame[at:]...)
}

// Fold turns the raw line breaks of a frame that [Scan] accepted into spaces,
// in place, so that the frame fits on one line of the stdio transport. Such
// line breaks can only be whitespace between tokens.
func Fold(frame []byte) {
	for i, c := range frame {
		if c == '\n' || c == '\r' {
			frame[i] = ' '
		}
	}
}
