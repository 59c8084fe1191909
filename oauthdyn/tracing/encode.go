// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"encoding/binary"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The numbers below are those of the fields in opentelemetry/proto/trace/v1 and
// common/v1, version 1.

// appendRequest appends an ExportTraceServiceRequest. All spans are of one
// provider, thus of one resource.
func appendRequest(b []byte, spans []sdktrace.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return b
	}
	return appendMessage(b, 1, func(b []byte) []byte { // ResourceSpans
		b = appendMessage(b, 1, func(b []byte) []byte { return appendAttributes(b, 1, spans[0].Resource().Attributes()) })
		return appendMessage(b, 2, func(b []byte) []byte { // ScopeSpans
			b = appendMessage(b, 1, func(b []byte) []byte {
				b = appendString(b, 1, spans[0].InstrumentationScope().Name)
				return appendString(b, 2, spans[0].InstrumentationScope().Version)
			})
			for _, s := range spans {
				b = appendMessage(b, 2, func(b []byte) []byte { return appendSpan(b, s) })
			}
			return b
		})
	})
}

func appendSpan(b []byte, s sdktrace.ReadOnlySpan) []byte {
	b = appendIDs(b, s.SpanContext())
	if parent := s.Parent(); parent.HasSpanID() {
		id := parent.SpanID()
		b = appendBytes(b, 4, id[:])
	}
	b = appendString(b, 5, s.Name())
	b = appendNumber(b, 6, uint64(s.SpanKind())) // of which the numbers are the same
	b = appendTime(b, 7, s.StartTime())
	b = appendTime(b, 8, s.EndTime())
	b = appendAttributes(b, 9, s.Attributes())
	b = appendNumber(b, 10, uint64(s.DroppedAttributes()))
	for _, l := range s.Links() {
		b = appendMessage(b, 13, func(b []byte) []byte {
			b = appendIDs(b, l.SpanContext)
			b = appendAttributes(b, 4, l.Attributes)
			return appendFixed32(b, 6, flags(l.SpanContext, l.SpanContext))
		})
	}
	b = appendNumber(b, 14, uint64(s.DroppedLinks()))
	if status := s.Status(); status.Code != codes.Unset {
		b = appendMessage(b, 15, func(b []byte) []byte {
			b = appendString(b, 2, status.Description)
			return appendNumber(b, 3, map[codes.Code]uint64{codes.Ok: 1, codes.Error: 2}[status.Code])
		})
	}
	return appendFixed32(b, 16, flags(s.SpanContext(), s.Parent()))
}

func appendIDs(b []byte, c trace.SpanContext) []byte {
	traceID, spanID := c.TraceID(), c.SpanID()
	b = appendBytes(b, 1, traceID[:])
	b = appendBytes(b, 2, spanID[:])
	return appendString(b, 3, c.TraceState().String())
}

// flags are those of the trace, and whether the other side of the edge is in
// another process.
func flags(c, other trace.SpanContext) uint32 {
	const known, remote = 0x100, 0x200
	f := uint32(c.TraceFlags()) | known
	if other.IsRemote() {
		f |= remote
	}
	return f
}

func appendAttributes(b []byte, field uint64, attributes []attribute.KeyValue) []byte {
	for _, a := range attributes {
		b = appendMessage(b, field, func(b []byte) []byte {
			b = appendString(b, 1, string(a.Key))
			return appendMessage(b, 2, func(b []byte) []byte { return appendValue(b, a.Value) })
		})
	}
	return b
}

// appendValue appends the one field of an AnyValue, which is there even if it is
// zero. Of lists, which nobody here uses, there is the text.
func appendValue(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.BOOL:
		n := uint64(0)
		if v.AsBool() {
			n = 1
		}
		return binary.AppendUvarint(appendTag(b, 2, varint), n)
	case attribute.INT64:
		return binary.AppendUvarint(appendTag(b, 3, varint), uint64(v.AsInt64()))
	case attribute.FLOAT64:
		return binary.LittleEndian.AppendUint64(appendTag(b, 4, fixed64), math.Float64bits(v.AsFloat64()))
	}
	text := v.String()
	return append(binary.AppendUvarint(appendTag(b, 1, delimited), uint64(len(text))), text...)
}

// The wire types of Protocol Buffers.
const (
	varint    = 0
	fixed64   = 1
	delimited = 2
	fixed32   = 5
)

func appendTag(b []byte, field uint64, wire uint64) []byte {
	return binary.AppendUvarint(b, field<<3|wire)
}

func appendNumber(b []byte, field, n uint64) []byte {
	if n == 0 {
		return b
	}
	return binary.AppendUvarint(appendTag(b, field, varint), n)
}

func appendTime(b []byte, field uint64, t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, fixed64), uint64(max(t.UnixNano(), 0)))
}

func appendFixed32(b []byte, field uint64, n uint32) []byte {
	return binary.LittleEndian.AppendUint32(appendTag(b, field, fixed32), n)
}

func appendBytes(b []byte, field uint64, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return append(binary.AppendUvarint(appendTag(b, field, delimited), uint64(len(value))), value...)
}

func appendString(b []byte, field uint64, value string) []byte {
	return appendBytes(b, field, []byte(value))
}

// appendMessage appends what fill appends, with its length before it.
func appendMessage(b []byte, field uint64, fill func([]byte) []byte) []byte {
	content := fill(nil)
	return append(binary.AppendUvarint(appendTag(b, field, delimited), uint64(len(content))), content...)
}
