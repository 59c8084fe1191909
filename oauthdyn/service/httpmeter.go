// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
)

// An HTTPMeter counts the HTTP requests to a program for Prometheus, under the
// same names in every program. No label is what somebody asked for: methods and
// statuses are those that HTTP defines, or "other". It is safe for concurrent
// use.
type HTTPMeter struct {
	program  string
	endpoint func(*http.Request) string

	mu sync.Mutex
	// mu guards the fields below.
	open      int64
	endpoints map[string]bool
	requests  map[requestSeries]int64
	times     map[requestSeries]*exposition.Times // without code
}

type requestSeries struct{ endpoint, method, code string }

// maxEndpoints bounds the label values of a function that gives too many.
const maxEndpoints = 64

// NewHTTPMeter counts for a program, whose name the metrics begin with. endpoint
// says by which name a request is counted, of few; it is called after the request
// was served, when the patterns of an [http.ServeMux] are known.
func NewHTTPMeter(program string, endpoint func(*http.Request) string) *HTTPMeter {
	return &HTTPMeter{
		program: program, endpoint: endpoint, endpoints: map[string]bool{},
		requests: map[requestSeries]int64{}, times: map[requestSeries]*exposition.Times{},
	}
}

// Count counts the requests to next.
func (m *HTTPMeter) Count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.open++
		m.mu.Unlock()
		started, answer := time.Now(), &CountedWriter{ResponseWriter: w}
		defer func() { m.ended(r, answer.Status, time.Since(started)) }() // also if it panics
		next.ServeHTTP(answer, r)
	})
}

func (m *HTTPMeter) ended(r *http.Request, status int, took time.Duration) {
	s := requestSeries{endpoint: m.endpoint(r), method: MethodLabel(r.Method)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
	if !m.endpoints[s.endpoint] {
		if len(m.endpoints) < maxEndpoints {
			m.endpoints[s.endpoint] = true
		} else {
			s.endpoint = "other"
		}
	}
	if m.times[s] == nil {
		m.times[s] = exposition.NewTimes(httpBounds...)
	}
	m.times[s].Add(took)
	s.code = codeLabel(status)
	m.requests[s]++
}

var httpMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// MethodLabel is a method of HTTP, or "other" for what nobody needs to tell
// apart.
func MethodLabel(method string) string {
	if slices.Contains(httpMethods, method) {
		return method
	}
	return "other"
}

// codeLabel is a status that HTTP defines; no answer becomes 200.
func codeLabel(status int) string {
	if status == 0 {
		status = http.StatusOK
	}
	if http.StatusText(status) == "" {
		return "other"
	}
	return strconv.Itoa(status)
}

// Write writes what was counted.
func (m *HTTPMeter) Write(w *exposition.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Family(exposition.Gauge, m.program+"_http_requests_in_flight", "HTTP requests that are being answered, open event streams among them.")
	w.Sample(float64(m.open))
	w.Family(exposition.Counter, m.program+"_http_requests_total", "HTTP requests that were answered.")
	for _, s := range sortedSeries(m.requests) {
		w.Sample(float64(m.requests[s]), append(s.labels(), exposition.Label{Name: "code", Value: s.code})...)
	}
	w.Family(exposition.Histogram, m.program+"_http_request_duration_seconds", "Time from the arrival of an HTTP request to the end of its answer.")
	for _, s := range sortedSeries(m.times) {
		w.Distribution(m.times[s].Distribution(), s.labels()...)
	}
}

func (s requestSeries) labels() []exposition.Label {
	return []exposition.Label{{Name: "endpoint", Value: s.endpoint}, {Name: "method", Value: s.method}}
}

func sortedSeries[V any](series map[requestSeries]V) []requestSeries {
	return slices.SortedFunc(maps.Keys(series), func(a, b requestSeries) int {
		return cmp.Or(strings.Compare(a.endpoint, b.endpoint), strings.Compare(a.method, b.method), strings.Compare(a.code, b.code))
	})
}

// httpBounds are the upper bounds of the buckets, in seconds: from a look into
// memory to a tool that takes its time.
var httpBounds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
