// SPDX-License-Identifier: Apache-2.0

//go:build unix

package observability_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	trace "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	collect "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
)

// A collector takes traces as OTLP over HTTP.
type collector struct {
	t   *testing.T
	url string

	mu    sync.Mutex
	spans []span // guarded by mu
	more  chan struct{}
}

// A span is one of a program.
type span struct {
	program, trace, id, parent, name string
	kind                             trace.Span_SpanKind
	status                           trace.Status_StatusCode
	attrs                            map[string]string
	links                            []string // ids of spans
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t, more: make(chan struct{}, 1)}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collect.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s %v: %v", r.URL.Path, r.Header, err)
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	for _, word := range []string{secret, hidden} {
		if i := strings.Index(string(body), word); i >= 0 {
			c.t.Errorf("a span has a secret: %.300q", body[max(i-200, 0):])
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		program := attributes(resource.Resource.Attributes)["service.name"]
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				if len(s.ProtoReflect().GetUnknown()) > 0 || s.EndTimeUnixNano < s.StartTimeUnixNano {
					c.t.Errorf("odd span %v", s)
				}
				got := span{
					program: program, trace: hex.EncodeToString(s.TraceId), id: hex.EncodeToString(s.SpanId), parent: hex.EncodeToString(s.ParentSpanId),
					name: s.Name, kind: s.Kind, status: s.GetStatus().GetCode(), attrs: attributes(s.Attributes),
				}
				for _, link := range s.Links {
					got.links = append(got.links, hex.EncodeToString(link.SpanId))
				}
				c.spans = append(c.spans, got)
			}
		}
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func attributes(all []*common.KeyValue) map[string]string {
	values := map[string]string{}
	for _, a := range all {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			values[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			values[a.Key] = fmt.Sprint(v.IntValue)
		default:
			values[a.Key] = fmt.Sprintf("%T", v)
		}
	}
	return values
}

// find waits for a span of a trace, by the name of its program and its own.
func (c *collector) find(traceID, program, name string) span {
	c.t.Helper()
	late := time.After(time.Minute)
	for {
		c.mu.Lock()
		var all []string
		for _, s := range c.spans {
			if s.trace == traceID && s.program == program && s.name == name {
				c.mu.Unlock()
				return s
			}
			if s.trace == traceID {
				all = append(all, s.program+": "+s.name)
			}
		}
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-late:
			c.t.Fatalf("trace %s lacks the span %q of %s; it has %q", traceID, name, program, all)
		}
	}
}
