// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
)

// A server tells a collector of its requests, and of what it does about them.
func ExampleStart() {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("the collector gets", r.Header.Get("Content-Type"), "at", r.URL.Path)
	}))
	defer collector.Close()
	tracer, err := tracing.Start(context.Background(), tracing.Options{
		Endpoint: collector.URL, Program: "example", Version: "v1.0.0", Logger: slog.New(slog.DiscardHandler),
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := tracer.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, span := tracer.Begin(r.Context(), tracing.Begin{
			Name: "brew", Kind: tracing.Client, Attrs: []tracing.Attr{{Key: "pot", Value: 3}},
		})
		var forPot tracing.Parent = span.Context() // for the headers of another request
		fmt.Println("trace of the pot:", forPot.TraceParent[:35])
		span.End("")
	}), func(*http.Request) string { return "/brew" })

	r := httptest.NewRequest("POST", "/brew", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	h.ServeHTTP(httptest.NewRecorder(), r)
	tracer.Close()
	// Output:
	// trace of the pot: 00-0af7651916cd43dd8448eb211c80319c
	// the collector gets application/x-protobuf at /v1/traces
}

// Without a collector there is no tracer, and nothing is traced.
func ExampleTracer() {
	tracer, err := tracing.Start(context.Background(), tracing.Options{LookupEnv: func(string) (string, bool) { return "", false }})
	fmt.Println(tracer == nil, err)
	_, span := tracer.Begin(context.Background(), tracing.Begin{Name: "brew", Kind: tracing.Kind(tracing.Server)})
	var none *tracing.Span = span
	none.End("cold")
	tracer.Close()
	// Output: true <nil>
}
