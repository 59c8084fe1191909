// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// A meter counts what happens for Prometheus. No label is what somebody asked
// for, so that there are few series. It is safe for concurrent use.
type meter struct {
	http *service.HTTPMeter

	mu sync.Mutex
	// mu guards the fields below.
	outcomes map[fetchserver.Result]int64
	refusals map[fetch.Code]int64
	caches   map[fetchserver.CacheStatus]int64
	statuses map[string]int64 // of origins
	received int64
	decoded  int64
	times    map[fetchserver.CacheStatus]*exposition.Times
	waits    *exposition.Times
}

func newMeter(c *config) *meter {
	return &meter{
		http:     service.NewHTTPMeter("fetchserver", func(r *http.Request) string { return c.endpoint(r.URL.Path) }),
		outcomes: map[fetchserver.Result]int64{}, refusals: map[fetch.Code]int64{},
		caches: map[fetchserver.CacheStatus]int64{}, statuses: map[string]int64{}, times: map[fetchserver.CacheStatus]*exposition.Times{},
		waits: exposition.NewTimes(bounds...),
	}
}

// class is that of an HTTP status, such as 2xx.
func class(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return string('0'+byte(status/100)) + "xx"
}

// observe counts a document that somebody has asked for.
func (m *meter) observe(o fetchserver.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcomes[o.Result]++
	m.caches[o.Cache]++
	if o.Reason != "" {
		m.refusals[o.Reason]++
	}
	if o.Status != 0 {
		m.statuses[class(o.Status)]++
	}
	m.received += o.Received
	m.decoded += o.Decoded
	if m.times[o.Cache] == nil {
		m.times[o.Cache] = exposition.NewTimes(bounds...)
	}
	m.times[o.Cache].Add(o.Duration)
	m.waits.Add(o.Waited)
}

// endpoint is the label of a path; there are few, whatever is asked for.
func (c *config) endpoint(path string) string {
	switch {
	case strings.TrimSuffix(path, "/") == strings.TrimSuffix(c.path, "/"):
		return "mcp"
	case path == healthPath, path == readyPath:
		return "health"
	case strings.HasPrefix(path, "/.well-known/"):
		return "metadata"
	}
	return "other"
}

// write writes all that was counted.
func (m *meter) write(w *exposition.Writer) {
	m.http.Write(w)
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Family(exposition.Counter, "fetchserver_documents_total", "Documents that were asked for, by what became of it.")
	writeSeries(w, m.outcomes, "outcome")
	w.Family(exposition.Counter, "fetchserver_failures_total", "Documents that were not had, by the reason.")
	writeSeries(w, m.refusals, "reason")
	w.Family(exposition.Counter, "fetchserver_origin_responses_total", "Answers of sites for documents, by the class of their status.")
	writeSeries(w, m.statuses, "code")
	w.Family(exposition.Counter, "fetchserver_cache_lookups_total", "Documents, by what the cache had to do with them.")
	writeSeries(w, m.caches, "result")
	w.Family(exposition.Counter, "fetchserver_received_bytes_total", "Bytes of bodies as they came from sites.")
	w.Sample(float64(m.received))
	w.Family(exposition.Counter, "fetchserver_decoded_bytes_total", "Bytes of these bodies without their content coding.")
	w.Sample(float64(m.decoded))
	w.Family(exposition.Histogram, "fetchserver_document_duration_seconds", "Time from asking for a document to having it or not.")
	for _, cache := range slices.Sorted(maps.Keys(m.times)) {
		w.Distribution(m.times[cache].Distribution(), exposition.Label{Name: "cache", Value: string(cache)})
	}
	w.Family(exposition.Histogram, "fetchserver_wait_duration_seconds", "Time in which it was not yet a document's turn.")
	w.Distribution(m.waits.Distribution())
}

func writeSeries[K ~string](w *exposition.Writer, series map[K]int64, label string) {
	for _, key := range slices.Sorted(maps.Keys(series)) {
		w.Sample(float64(series[key]), exposition.Label{Name: label, Value: string(key)})
	}
}

// bounds are the upper bounds of the buckets, in seconds: from what the cache
// has to a site that is slow.
var bounds = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
