// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "slices"

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

// Cuts returns the edits that take the elements which keep refuses out of the
// array that span covers in a frame that [Scan] accepted, each with one of its
// commas. All other bytes stay. Of anything but an array there are none.
func Cuts(frame []byte, span Span, keep func(element Span) bool) []Edit {
	items := slices.Collect(Items(frame, span))
	var cuts []Edit
	kept := false
	for i, cut := range items {
		switch {
		case keep(cut):
			kept = true
			continue
		case kept: // with the comma before it
			cut.Start = items[i-1].End
		case i+1 < len(items): // with the comma after it
			cut.End = items[i+1].Start
		}
		cuts = append(cuts, Edit{Span: cut})
	}
	return cuts
}

// Moved returns the message that [AppendSplice] makes of m's frame with the same
// edits, without another scan. Each edit must leave valid JSON that m still
// describes: it replaces a member that m names, or lies inside or outside of
// all of them.
func (m Message) Moved(edits ...Edit) Message {
	for _, s := range [...]*Span{
		&m.ID, &m.Method, &m.Params, &m.Result, &m.Error,
		&m.Meta, &m.ProgressToken, &m.ProtocolVersion, &m.LogLevel, &m.SubscriptionID,
	} {
		*s = s.moved(edits)
	}
	return m
}

func (s Span) moved(edits []Edit) Span {
	if !s.Present() {
		return s
	}
	to := s
	for _, e := range edits {
		grown := len(e.With) - (e.Span.End - e.Span.Start)
		if e.Span.End <= s.Start {
			to.Start += grown
		}
		if e.Span.Start < s.End {
			to.End += grown
		}
	}
	return to
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
