// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options say where spans go.
type Options struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, such as
	// http://127.0.0.1:4318, to which /v1/traces is appended. Empty means what the
	// variables OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
	// say; if they are not set either, nothing is traced.
	Endpoint string
	// Program and Version name the program that traces, unless OTEL_SERVICE_NAME
	// or OTEL_RESOURCE_ATTRIBUTES do.
	Program, Version string
	// LookupEnv finds variables. Those of the exporter, OTEL_SDK_DISABLED and
	// OTEL_TRACES_EXPORTER are looked up here; those of the SDK, such as
	// OTEL_TRACES_SAMPLER and OTEL_BSP_MAX_QUEUE_SIZE, in the environment of the
	// process. Required.
	LookupEnv func(string) (string, bool)
	// Logger hears, once a minute at most, that spans could not be sent, and that
	// the sampler is none that there is. Required.
	Logger *slog.Logger
}

// A Tracer makes spans and sends them. Nil makes none. It is safe for concurrent
// use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// scope names what makes the spans.
const scope = "github.com/atrawog/mcp-oauth-gateway"

// flushTime is how long the last spans may take to be sent. Tests shorten it.
var flushTime = 5 * time.Second

// Start returns a Tracer, or nil if nothing is to be traced. Its errors are about
// settings, and hold no secrets. What OpenTelemetry has to complain about goes to
// the logger of the last Start in the process. Call [Tracer.Close] when done.
func Start(ctx context.Context, o Options) (*Tracer, error) {
	c, err := readConfig(o.Endpoint, o.LookupEnv)
	if err != nil || c.endpoint == "" {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", o.Program), attribute.String("service.version", o.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(&complaints{log: o.Logger})
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithBatcher(newExporter(c)))
	o.Logger.LogAttrs(ctx, slog.LevelInfo, "tracing", slog.String("collector", c.endpoint))
	return &Tracer{provider: provider, tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version))}, nil
}

// Close sends what has not been sent, for five seconds at most.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// complaints logs that a variable is ignored, and seldom that spans are
// lost: a collector that is away for a night must not fill the disk.
type complaints struct {
	log  *slog.Logger
	last atomic.Int64 // when, in nanoseconds since 1970
}

const complaintPause = time.Minute

// Handle is called by the SDK, from any goroutine.
func (c *complaints) Handle(err error) {
	if variable, instead := ignored(err); variable != "" {
		c.log.LogAttrs(context.Background(), slog.LevelWarn, variable+" is ignored", slog.String("error", err.Error()), slog.String("instead", instead))
		return
	}
	now, last := time.Now().UnixNano(), c.last.Load()
	if now-last < int64(complaintPause) || !c.last.CompareAndSwap(last, now) {
		return
	}
	c.log.LogAttrs(context.Background(), slog.LevelWarn, "spans are lost", slog.String("error", err.Error()))
}

// ignored returns the variable of the SDK that an error is about, and what counts
// instead of it. The SDK tells it by the text alone, once for each provider.
func ignored(err error) (variable, instead string) {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "unsupported sampler"):
		return "OTEL_TRACES_SAMPLER", "parentbased_always_on"
	case strings.HasPrefix(text, "parsing sampler argument"), strings.HasPrefix(text, "invalid trace ID ratio"):
		return "OTEL_TRACES_SAMPLER_ARG", "1.0"
	}
	return "", ""
}
