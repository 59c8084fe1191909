// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
)

// environ looks variables up in a map.
func environ(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
}

// A collector takes what it gets, after some answers that it does not.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	refuse   []int // guarded by mu; statuses of the first answers
	requests []*http.Request
	spans    []*trace.Span
}

func newCollector(t *testing.T, refuse ...int) *collector {
	c := &collector{refuse: refuse}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, r)
		if len(c.refuse) > 0 {
			w.WriteHeader(c.refuse[0])
			c.refuse = c.refuse[1:]
			return
		}
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Error(err)
				return
			}
		}
		data, err := io.ReadAll(body)
		var traces trace.TracesData // an ExportTraceServiceRequest has the same fields
		if err == nil {
			err = proto.Unmarshal(data, &traces)
		}
		if err != nil {
			t.Error(err)
		}
		for _, resource := range traces.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func startTracer(t *testing.T, url string, variables map[string]string, log io.Writer) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.Start(t.Context(), tracing.Options{
		Endpoint: url, Program: "prog", Version: "v1", LookupEnv: environ(variables), Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// Everything that a span has arrives as it is, packed and with headers, also when
// the collector has to be asked again; and no header is logged.
func TestSpans(t *testing.T) {
	c := newCollector(t, http.StatusServiceUnavailable)
	var log bytes.Buffer
	tracer := startTracer(t, c.URL, map[string]string{
		"OTEL_EXPORTER_OTLP_HEADERS": "api-key=open%20sesame,x=1", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
	}, &log)
	const parent, parentSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	ctx, outer := tracer.Begin(t.Context(), tracing.Begin{Name: "outer\xff", Kind: tracing.Server})
	start := time.Now().Add(-time.Minute)
	_, inner := tracer.Begin(ctx, tracing.Begin{
		Name: "inner", Kind: tracing.Client, At: start, Parent: tracing.Parent{TraceParent: "00-" + parent + "-" + parentSpan + "-01", TraceState: "a=b"},
		Attrs: []tracing.Attr{{Key: "text", Value: strings.Repeat("é", 200)}, {Key: "none", Value: ""}, {Key: "least", Value: math.MinInt64}, {Key: "yes", Value: true}, {Key: "no", Value: false}},
	})
	inner.End("timeout", tracing.Attr{Key: "zero", Value: 0})
	outer.End("")
	tracer.Close()
	if len(c.spans) != 2 || len(c.requests) != 2 || c.requests[1].Header.Get("Api-Key") != "open sesame" || c.requests[1].URL.Path != "/v1/traces" {
		t.Fatalf("%d spans in %d requests", len(c.spans), len(c.requests))
	}
	in, out := c.spans[0], c.spans[1]
	if hex.EncodeToString(in.TraceId) != parent || hex.EncodeToString(in.ParentSpanId) != parentSpan || in.TraceState != "a=b" || in.Flags != 0x301 ||
		in.Kind != trace.Span_SPAN_KIND_CLIENT || in.StartTimeUnixNano != uint64(start.UnixNano()) || in.EndTimeUnixNano < in.StartTimeUnixNano ||
		in.Status.GetCode() != trace.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", in)
	}
	if len(in.Links) != 1 || !bytes.Equal(in.Links[0].SpanId, out.SpanId) || !bytes.Equal(in.Links[0].TraceId, out.TraceId) {
		t.Errorf("links %v", in.Links)
	}
	if out.Name != "outer\ufffd" || len(out.ParentSpanId) != 0 || out.Kind != trace.Span_SPAN_KIND_SERVER || out.Status != nil || out.Flags != 0x101 {
		t.Errorf("%v", out)
	}
	var got []string
	for _, a := range in.Attributes {
		got = append(got, a.Key+"="+strings.Join(strings.Fields(a.Value.String()), " "))
	}
	want := []string{"text=string_value:\"" + strings.Repeat("é", 128) + "\"", "least=int_value:-9223372036854775808", "yes=bool_value:true", "no=bool_value:false",
		"zero=int_value:0", `error.type=string_value:"timeout"`}
	for i := range want {
		if i >= len(got) || strings.ReplaceAll(got[i], ": ", ":") != want[i] {
			t.Errorf("attributes %q, want %q", got, want)
			break
		}
	}
	if strings.Contains(log.String(), "sesame") {
		t.Error(log.String())
	}
}

// A collector that never answers costs neither the caller's time nor memory
// without bounds, and the end of the program a bounded time.
func TestSlowCollector(t *testing.T) {
	*tracing.FlushTime = 50 * time.Millisecond
	defer func() { *tracing.FlushTime = 5 * time.Second }()
	ended := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ended }))
	defer slow.Close()
	defer close(ended)
	var log bytes.Buffer
	tracer := startTracer(t, slow.URL, nil, &log)
	for range 100_000 { // of which some 2500 are kept; the test would not end if one waited
		_, span := tracer.Begin(t.Context(), tracing.Begin{Name: "x"})
		span.End("")
	}
	tracer.Close()
	if n := strings.Count(log.String(), "spans are lost"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, log.String())
	}
}

// A collector that is away, or refuses, is named once, without secrets.
func TestDeadCollector(t *testing.T) {
	c := newCollector(t, http.StatusUnauthorized, http.StatusUnauthorized)
	var log bytes.Buffer
	tracer := startTracer(t, c.URL, map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "authorization=sesame"}, &log)
	_, span := tracer.Begin(t.Context(), tracing.Begin{Name: "x"})
	span.End("")
	tracer.Close()
	if !strings.Contains(log.String(), "the collector answers with status 401") || strings.Contains(log.String(), "sesame") {
		t.Error(log.String())
	}
}

// A sampler that there is not loses no span, and the log does not say so.
func TestSampler(t *testing.T) {
	for _, test := range []struct{ sampler, arg, want string }{
		{"bogus", "", `msg="OTEL_TRACES_SAMPLER is ignored" error="unsupported sampler: bogus" instead=parentbased_always_on`},
		{"traceidratio", "half", `msg="OTEL_TRACES_SAMPLER_ARG is ignored" error="parsing sampler argument: `},
		{"parentbased_traceidratio", "2", `msg="OTEL_TRACES_SAMPLER_ARG is ignored" error="invalid trace ID ratio: greater than 1.0" instead=1.0`},
	} {
		t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", test.arg)
		c := newCollector(t)
		var log bytes.Buffer
		tracer := startTracer(t, c.URL, nil, &log)
		_, span := tracer.Begin(t.Context(), tracing.Begin{Name: "x"})
		span.End("")
		tracer.Close()
		if got := log.String(); len(c.spans) != 1 || !strings.Contains(got, test.want) || strings.Contains(got, "lost") {
			t.Errorf("%s %s: %d spans\n%s", test.sampler, test.arg, len(c.spans), got)
		}
	}
}

// Requests become spans without anything that clients could choose, and what is
// passed on continues the trace.
func TestHandler(t *testing.T) {
	c := newCollector(t)
	tracer := startTracer(t, c.URL, nil, io.Discard)
	mux := http.NewServeMux()
	passed := ""
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		passed = r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusBadGateway)
	})
	h := tracer.Handler(mux, func(r *http.Request) string { return r.Pattern })
	for _, r := range []*http.Request{
		httptest.NewRequest("POST", "/mcp?q=sesame", nil), httptest.NewRequest("SESAME", "/sesame", nil),
	} {
		r.Header.Set("User-Agent", "sesame")
		r.Header.Set("Tracestate", "sesame")
		h.ServeHTTP(httptest.NewRecorder(), r)
		if r.Header.Get("Traceparent") != "" {
			t.Error("the caller's header was changed")
		}
	}
	tracer.Close()
	if len(c.spans) != 2 || c.spans[0].Name != "POST /mcp" || c.spans[1].Name != "HTTP" || c.spans[0].Status.GetCode() != trace.Status_STATUS_CODE_ERROR ||
		!strings.HasPrefix(passed, "00-"+hex.EncodeToString(c.spans[0].TraceId)+"-"+hex.EncodeToString(c.spans[0].SpanId)) {
		t.Fatalf("%v, passed on %q", c.spans, passed)
	}
	for _, s := range c.spans {
		if strings.Contains(strings.ToLower(s.String()), "sesame") {
			t.Errorf("%v", s)
		}
	}
}

// An answer that was cut off did not go well, unless it is the client who left, and
// has the status that was sent, if there was one.
func TestAborted(t *testing.T) {
	c := newCollector(t)
	tracer := startTracer(t, c.URL, nil, io.Discard)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for i, status := range []int{0, http.StatusEarlyHints, http.StatusOK, http.StatusOK, 0} {
		ctx := t.Context()
		if i >= 3 {
			ctx = gone
		}
		h := tracer.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if status > 0 {
				w.WriteHeader(status)
			}
			panic(http.ErrAbortHandler)
		}), func(*http.Request) string { return "" })
		func() {
			defer func() {
				if err := recover(); err != http.ErrAbortHandler {
					t.Errorf("the server learns of %v", err)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		}()
	}
	tracer.Close()
	if len(c.spans) != 5 {
		t.Fatalf("%v", c.spans)
	}
	for i, sent := range []bool{false, false, true, true, false} {
		s, failed := c.spans[i], i < 3
		text := s.String()
		if (s.Status.GetCode() == trace.Status_STATUS_CODE_ERROR) != failed || strings.Contains(text, `"aborted"`) != failed || strings.Contains(text, "status_code") != sent {
			t.Errorf("%d: %s", i, text)
		}
	}
}

// Lines about a request say in which trace they are.
func TestLogger(t *testing.T) {
	c := newCollector(t)
	var text bytes.Buffer
	tracer := startTracer(t, c.URL, nil, io.Discard)
	log := tracer.Logger(slog.New(slog.NewTextHandler(&text, nil)).With("a", 1))
	ctx, span := tracer.Begin(context.Background(), tracing.Begin{Name: "x"})
	log.InfoContext(ctx, "inside")
	log.Info("outside")
	id := strings.Split(span.Context().TraceParent, "-")[1]
	span.End("")
	tracer.Close()
	if !strings.Contains(text.String(), "msg=inside a=1 trace_id="+id) || strings.Count(text.String(), "trace_id") != 1 {
		t.Error(text.String())
	}
	if nobody := (*tracing.Tracer)(nil); nobody.Logger(log) != log || nobody.Within(ctx) {
		t.Error("no tracer does something")
	}
}

// The variables of the standard decide, unless the flag does.
func TestConfig(t *testing.T) {
	for _, test := range []struct {
		flag      string
		variables map[string]string
		want      string // URL
		wrong     string // part of the error
	}{
		{"", nil, "", ""},
		{"http://c:4318", nil, "http://c:4318/v1/traces", ""},
		{"https://c/otlp/", nil, "https://c/otlp/v1/traces", ""},
		{"http://c:4318/v1/traces", nil, "http://c:4318/v1/traces", ""},
		{"", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://e:4318/"}, "http://e:4318/v1/traces", ""},
		{"", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://e", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/in"}, "http://t/in", ""},
		{"http://c", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://e"}, "http://c/v1/traces", ""},
		{"http://c", map[string]string{"OTEL_SDK_DISABLED": "True"}, "", ""},
		{"", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://e", "OTEL_TRACES_EXPORTER": "none"}, "", ""},
		{"", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://e:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", ""},
		{"c:4318", nil, "", "--otlp-endpoint must be like"},
		{"http://user:sesame@c", nil, "", "--otlp-endpoint must be like"},
		{"http://c?key=sesame", nil, "", "--otlp-endpoint must be like"},
		{"", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "e"}, "", "OTEL_EXPORTER_OTLP_ENDPOINT must be like"},
		{"http://c", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "sesame"}, "", "OTEL_EXPORTER_OTLP_HEADERS: it must be like"},
		{"http://c", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "a=sesame%0d%0ab:c"}, "", "OTEL_EXPORTER_OTLP_HEADERS: it must be like"},
		{"http://c", map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "", `OTEL_EXPORTER_OTLP_TIMEOUT is "10s"`},
		{"http://c", map[string]string{"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, "", `OTEL_EXPORTER_OTLP_COMPRESSION is "zstd"`},
		{"http://c", map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": "/none"}, "", "OTEL_EXPORTER_OTLP_CERTIFICATE: open /none"},
		{"http://c", map[string]string{"OTEL_EXPORTER_OTLP_CLIENT_KEY": "/none"}, "", "OTEL_EXPORTER_OTLP_CLIENT_KEY"},
	} {
		c, err := tracing.ReadConfig(test.flag, environ(test.variables))
		switch {
		case test.wrong != "":
			if err == nil || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("%s %v: %v", test.flag, test.variables, err)
			}
		case err != nil || c.Endpoint() != test.want:
			t.Errorf("%s %v: %q, %v", test.flag, test.variables, c.Endpoint(), err)
		}
	}
}
