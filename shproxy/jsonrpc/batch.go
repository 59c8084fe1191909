// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "strconv"

// MaxBatch is how many messages a batch may hold.
const MaxBatch = 100

// Elements finds the messages of a batch (JSON-RPC 2.0 section 6, in MCP
// 2025-03-26 only): frame must hold exactly one JSON array. The elements are
// values of any kind; give each to [Scan], with which every byte of the frame
// has been checked.
//
// The error is an [*Error] whose code is [ParseError] if frame is not JSON
// and [InvalidRequest] if it is no array, an empty one, or one of more than
// [MaxBatch] elements.
func Elements(frame []byte) ([]Span, error) {
	s := scanner{b: frame}
	s.space()
	if !s.at('[') {
		if s.value() != nil || s.end() != nil {
			return nil, s.syntax("a batch must be a JSON array")
		}
		return nil, invalid("a batch must be a JSON array")
	}
	s.i++
	s.space()
	if s.at(']') {
		s.i++
		if err := s.end(); err != nil {
			return nil, err
		}
		return nil, invalid("an empty batch")
	}
	var spans []Span
	for {
		if len(spans) == MaxBatch {
			return nil, invalid("a batch of more than " + strconv.Itoa(MaxBatch) + " messages")
		}
		start := s.i
		if err := s.value(); err != nil {
			return nil, err
		}
		spans = append(spans, Span{start, s.i})
		s.space()
		if s.at(']') {
			s.i++
			if err := s.end(); err != nil {
				return nil, err
			}
			return spans, nil
		}
		if !s.at(',') {
			return nil, s.syntax("no comma between messages")
		}
		s.i++
		s.space()
	}
}
