// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// A meter counts what happens for Prometheus. It is safe for concurrent use.
type meter struct {
	base string // path of the issuer; set before requests come
	http *service.HTTPMeter

	mu sync.Mutex
	// mu guards the fields below.
	events   map[[2]string]int64 // by kind and outcome
	issued   map[string]int64    // tokens, by grant type
	refusals map[[2]string]int64 // by kind and error code
	store    map[string]*storeUse
}

// storeUse is how often an operation of the store was called.
type storeUse struct {
	times  *exposition.Times
	errors int64
}

// maxSeries bounds the label values that the server chooses itself, in case
// that it comes to choose too many.
const maxSeries = 200

func newMeter() *meter {
	m := &meter{events: map[[2]string]int64{}, issued: map[string]int64{}, refusals: map[[2]string]int64{}, store: map[string]*storeUse{}}
	m.http = service.NewHTTPMeter("oauthdyn", func(r *http.Request) string { return m.endpoint(r.URL.Path) })
	return m
}

// endpoints are the first segments of paths that are counted each on its own.
var endpoints = map[string]string{
	"authorize": "authorize", "consent": "consent", "login": "login", "token": "token", "revoke": "revoke",
	"introspect": "introspect", "register": "register", "jwks": "jwks", ".well-known": "metadata",
	"verify": "verify", "ext_authz": "verify", "device": "device", "device_authorization": "device_authorization",
	"apps": "apps", "admin": "admin",
}

// endpoint is the label of a path; there are few, whatever is asked for.
func (m *meter) endpoint(path string) string {
	path = strings.TrimPrefix(path, m.base)
	segment, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	name := endpoints[segment]
	switch {
	case name == "register" && rest != "":
		return "manage"
	case name == "":
		return "other"
	}
	return name
}

// route is the path of a request for its span, without what is a client's own.
func (m *meter) route(r *http.Request) string {
	switch name := m.endpoint(r.URL.Path); name {
	case "other":
		return ""
	case "metadata":
		return m.base + "/.well-known"
	case "manage":
		return m.base + "/register/{client_id}"
	default:
		return m.base + "/" + name
	}
}

// pathOf is the path of a URL that was found valid.
func pathOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return u.Path
}

// record counts an event of the audit log.
func (m *meter) record(_ context.Context, e audit.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tally(m.events, [2]string{string(e.Kind), string(e.Outcome)}, [2]string{"other", string(e.Outcome)})
	switch {
	case e.Error != "":
		tally(m.refusals, [2]string{string(e.Kind), e.Error}, [2]string{"other", "other"})
	case e.Kind == audit.Token:
		tally(m.issued, e.GrantType, "other")
	}
}

func tally[K comparable](series map[K]int64, key, other K) {
	if _, known := series[key]; !known && len(series) >= maxSeries {
		key = other
	}
	series[key]++
}

// stored counts an operation of the store that began at a time.
func (m *meter) stored(operation string, started time.Time, failed bool) {
	took := time.Since(started)
	m.mu.Lock()
	defer m.mu.Unlock()
	use := m.store[operation]
	if use == nil {
		use = &storeUse{times: exposition.NewTimes(bounds...)}
		m.store[operation] = use
	}
	use.times.Add(took)
	if failed {
		use.errors++
	}
}

// write writes all that was counted.
func (m *meter) write(w *exposition.Writer) {
	m.http.Write(w)
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Family(exposition.Counter, "oauthdyn_events_total", "Events of the audit log, such as sign_in and client.create.")
	writePairs(w, m.events, "event", "outcome")
	w.Family(exposition.Counter, "oauthdyn_tokens_issued_total", "Requests to the token endpoint that got tokens.")
	for _, grantType := range slices.Sorted(maps.Keys(m.issued)) {
		w.Sample(float64(m.issued[grantType]), exposition.Label{Name: "grant_type", Value: grantType})
	}
	w.Family(exposition.Counter, "oauthdyn_refusals_total", "Events that failed, by the error code of the answer.")
	writePairs(w, m.refusals, "event", "error")
	operations := slices.Sorted(maps.Keys(m.store))
	w.Family(exposition.Histogram, "oauthdyn_store_operation_duration_seconds", "Time that operations of the store took.")
	for _, name := range operations {
		w.Distribution(m.store[name].times.Distribution(), exposition.Label{Name: "operation", Value: name})
	}
	w.Family(exposition.Counter, "oauthdyn_store_errors_total", "Operations of the store that failed.")
	for _, name := range operations {
		w.Sample(float64(m.store[name].errors), exposition.Label{Name: "operation", Value: name})
	}
}

func writePairs(w *exposition.Writer, series map[[2]string]int64, first, second string) {
	keys := slices.SortedFunc(maps.Keys(series), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	for _, key := range keys {
		w.Sample(float64(series[key]), exposition.Label{Name: first, Value: key[0]}, exposition.Label{Name: second, Value: key[1]})
	}
}

// bounds are the upper bounds of the buckets, in seconds: from a look into
// memory to a password hash on a machine that has too much to do.
var bounds = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
