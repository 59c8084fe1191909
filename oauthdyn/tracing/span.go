// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Kind is the part that a span plays in a conversation.
type Kind int

// The kinds of spans.
const (
	Internal Kind = iota // between no programs
	Server               // answers another program
	Client               // waits for another program
)

var kinds = map[Kind]trace.SpanKind{Internal: trace.SpanKindInternal, Server: trace.SpanKindServer, Client: trace.SpanKindClient}

// Attr is an attribute of a span. Value is a string, an int or a bool; what is
// longer than 256 bytes is cut, and an empty string left out.
type Attr struct {
	Key   string
	Value any
}

const maxValue = 256

// Parent is where a span belongs that did not come over HTTP, in the form of W3C
// Trace Context. The zero value is none.
type Parent struct{ TraceParent, TraceState string }

// Begin says what a span is about.
type Begin struct {
	Name string
	Kind Kind
	// At is when it began; zero means now.
	At time.Time
	// Parent wins over the span of the context, which becomes a link then.
	Parent Parent
	Attrs  []Attr
}

// Span is what [Tracer.Begin] returns. Nil does nothing. It is safe for
// concurrent use.
type Span struct{ span trace.Span }

// w3c carries a context from one program to another.
var w3c propagation.TraceContext

// Begin begins a span, in the context of which what belongs to it is done.
func (t *Tracer) Begin(ctx context.Context, b Begin) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(kinds[b.Kind]), trace.WithAttributes(attributes(b.Attrs)...)}
	if !b.At.IsZero() {
		options = append(options, trace.WithTimestamp(b.At))
	}
	if b.Parent.TraceParent != "" {
		within := trace.SpanContextFromContext(ctx)
		remote := w3c.Extract(context.Background(), propagation.MapCarrier{"traceparent": b.Parent.TraceParent, "tracestate": b.Parent.TraceState})
		if parent := trace.SpanContextFromContext(remote); parent.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
			if within.IsValid() {
				options = append(options, trace.WithLinks(trace.Link{SpanContext: within}))
			}
		}
	}
	ctx, span := t.tracer.Start(ctx, strings.ToValidUTF8(b.Name, "\ufffd"), options...)
	return ctx, &Span{span}
}

// Context is what another program needs to continue the trace.
func (s *Span) Context() Parent {
	if s == nil {
		return Parent{}
	}
	carrier := propagation.MapCarrier{}
	w3c.Inject(trace.ContextWithSpan(context.Background(), s.span), carrier)
	return Parent{carrier["traceparent"], carrier["tracestate"]}
}

// Rename gives the span the name that was not known when it began.
func (s *Span) Rename(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// End ends the span. errorType is a word for what went wrong, of few, and empty
// if nothing did.
func (s *Span) End(errorType string, attrs ...Attr) {
	if s == nil {
		return
	}
	if errorType != "" {
		s.span.SetStatus(codes.Error, "")
		attrs = append(attrs, Attr{"error.type", errorType})
	}
	s.span.SetAttributes(attributes(attrs)...)
	s.span.End()
}

func attributes(attrs []Attr) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		switch value := a.Value.(type) {
		case string:
			if value != "" {
				all = append(all, attribute.String(a.Key, strings.ToValidUTF8(value[:min(len(value), maxValue)], "")))
			}
		case int:
			all = append(all, attribute.Int(a.Key, value))
		case bool:
			all = append(all, attribute.Bool(a.Key, value))
		}
	}
	return all
}

// Logger returns a logger that also writes in which trace something happened, as
// trace_id and span_id, if it is one that is sent.
func (t *Tracer) Logger(log *slog.Logger) *slog.Logger {
	if t == nil {
		return log
	}
	return slog.New(withTraceID{log.Handler()})
}

type withTraceID struct{ slog.Handler }

func (h withTraceID) Handle(ctx context.Context, r slog.Record) error {
	if c := trace.SpanContextFromContext(ctx); c.IsSampled() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h withTraceID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withTraceID{h.Handler.WithAttrs(attrs)}
}

func (h withTraceID) WithGroup(name string) slog.Handler {
	return withTraceID{h.Handler.WithGroup(name)}
}

// Within reports whether ctx is that of a span that is sent, for what makes sense
// as a part of something only.
func (t *Tracer) Within(ctx context.Context) bool {
	return t != nil && trace.SpanContextFromContext(ctx).IsSampled()
}
