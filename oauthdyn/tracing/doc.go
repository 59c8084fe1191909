// SPDX-License-Identifier: Apache-2.0

// Package tracing has a command tell an OpenTelemetry collector what it does:
// spans for HTTP requests and for what the command does about them, sent as OTLP
// over HTTP. Nothing of OpenTelemetry is in its interface, and a nil [Tracer] does
// nothing, so that a command without a collector is written like one with it.
//
//	tracer, err := tracing.Start(ctx, tracing.Options{
//		Program: "example", Version: "v1.0.0", LookupEnv: os.LookupEnv, Logger: slog.Default(),
//	})
//	if err != nil { … }
//	defer tracer.Close()
//	handler = tracer.Handler(handler, func(r *http.Request) string { return r.Pattern })
//
// The spans, sampling and the standard variables are those of the OpenTelemetry
// SDK. The exporter is here, because the official one brings gRPC with it: 7 MB of
// program, and memory that is taken even if nothing is traced.
//
// No attribute holds a token, a query of a URL or an argument of a tool. What is
// not sent in time, because the collector is slow or away, is dropped: it costs no
// call time, and memory only up to the limit of the queue (2048 spans, unless
// OTEL_BSP_MAX_QUEUE_SIZE says otherwise).
//
// It is made for the commands of this project, and changes with them.
package tracing
