// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// metrics writes the same numbers as the status has.
func (a *admin) metrics(to *exposition.Writer) {
	if a.meter != nil {
		a.meter.Write(to)
	}
	a.certs.Metrics(to, "shproxy")
	writeMetrics(to, a.statuses())
	if a.replica != nil {
		writeReplica(to, a.replica())
	}
}

// endpointOf is under which name a request is counted and traced. There are few,
// whatever is asked for.
func (f *fleet) endpointOf(r *http.Request) string {
	switch pattern := strings.TrimSuffix(r.Pattern, "/{$}"); {
	case pattern == healthPath, slices.Contains(f.health, pattern):
		return "health"
	case strings.HasPrefix(pattern, "/.well-known/"):
		return "metadata"
	case pattern == "":
		return "other"
	case pattern == "/" && f.access.embedded != nil:
		return "auth"
	}
	return "mcp"
}

// metric is a number that each server has one of.
type metric struct {
	kind       exposition.Kind
	name, help string
	value      func(*serverStatus) int64
}

var serverMetrics = []metric{
	{exposition.Gauge, "sessions", "Sessions that clients can use.", func(s *serverStatus) int64 { return int64(s.Sessions) }},
	{exposition.Gauge, "children", "Processes of the server, including those that are ending.", func(s *serverStatus) int64 { return int64(s.Children) }},
	{exposition.Gauge, "calls_in_flight", "Requests of clients that wait for their answer.", func(s *serverStatus) int64 { return int64(s.Calls) }},
	{exposition.Gauge, "streams", "Event streams that are open.", func(s *serverStatus) int64 { return s.Streams }},
	{exposition.Gauge, "queued_bytes", "Bytes that wait for the server or a client to read them.", func(s *serverStatus) int64 { return s.QueuedBytes }},
	{exposition.Counter, "child_starts_total", "Processes started.", func(s *serverStatus) int64 { return s.Started }},
	{exposition.Counter, "child_start_failures_total", "Processes that could not be started or did not answer in time.", func(s *serverStatus) int64 { return s.FailedStarts }},
	{exposition.Counter, "child_crashes_total", "Processes that ended without being asked.", func(s *serverStatus) int64 { return s.Crashed }},
	{exposition.Counter, "child_restarts_total", "Processes that took the place of one that crashed.", func(s *serverStatus) int64 { return s.Restarted }},
	{exposition.Counter, "leaked_processes_total", "Processes that outlived their server and had to be killed.", func(s *serverStatus) int64 { return s.Leaked }},
	{exposition.Counter, "messages_dropped_total", "Messages of the server that had nowhere to go.", func(s *serverStatus) int64 { return s.Dropped }},
	{exposition.Counter, "noise_lines_total", "Lines on the server's stdout that were no message.", func(s *serverStatus) int64 { return s.Noise }},
}

var states = []shproxy.State{
	shproxy.StateIdle, shproxy.StateOK, shproxy.StateRestarting, shproxy.StateFailed, shproxy.StateStopping,
}

// writeMetrics writes family by family, and in each of them server by server.
func writeMetrics(w *exposition.Writer, servers []serverStatus) {
	for _, m := range serverMetrics {
		w.Family(m.kind, "shproxy_"+m.name, m.help)
		for i := range servers {
			w.Sample(float64(m.value(&servers[i])), of(&servers[i]))
		}
	}
	w.Family(exposition.Gauge, "shproxy_server_state", "1 for the state that the server is in, 0 for the others.")
	for i := range servers {
		writeState(w, &servers[i])
	}
	w.Family(exposition.Counter, "shproxy_bytes_total", "Bytes of messages passed on.")
	for i := range servers {
		s := &servers[i]
		w.Sample(float64(s.BytesToServer), of(s), exposition.Label{Name: "direction", Value: "to_server"})
		w.Sample(float64(s.BytesToClients), of(s), exposition.Label{Name: "direction", Value: "to_clients"})
	}
	w.Family(exposition.Counter, "shproxy_calls_total", "Requests of clients that have ended.")
	for i := range servers {
		writeCalls(w, &servers[i])
	}
	w.Family(exposition.Histogram, "shproxy_call_duration_seconds", "Time from the arrival of a request to its end, without refused ones.")
	for i := range servers {
		writeDurations(w, &servers[i])
	}
}

// writeReplica writes what is known of the replicas; this one is among them.
func writeReplica(w *exposition.Writer, s replica.Status) {
	states := map[replica.State]int{s.State: 1}
	for _, other := range s.Others {
		states[other.State]++
	}
	w.Family(exposition.Gauge, "shproxy_replicas", "Replicas that live, as far as this one knows, with itself.")
	for _, state := range []replica.State{replica.StateServing, replica.StateDraining} {
		w.Sample(float64(states[state]), exposition.Label{Name: "state", Value: string(state)})
	}
	w.Family(exposition.Counter, "shproxy_forwarded_requests_total", "Requests passed on to other replicas.")
	for _, result := range slices.Sorted(maps.Keys(s.Forwarded)) {
		w.Sample(float64(s.Forwarded[result]), exposition.Label{Name: "result", Value: result})
	}
	w.Family(exposition.Counter, "shproxy_received_requests_total", "Requests that other replicas have passed on to this one.")
	w.Sample(float64(s.Received))
	up := 1.0
	if s.Directory != "" {
		up = 0
	}
	w.Family(exposition.Gauge, "shproxy_directory_up", "1 while the directory of the replicas answers.")
	w.Sample(up)
	w.Family(exposition.Counter, "shproxy_directory_errors_total", "Looks into the directory that failed.")
	w.Sample(float64(s.DirectoryErrors))
	w.Family(exposition.Gauge, "shproxy_directory_records_unusable", "Records of other replicas that were made with another key, or tell the address of this one.")
	w.Sample(float64(s.Unusable))
}

func writeState(w *exposition.Writer, s *serverStatus) {
	for _, state := range states {
		is := 0.0
		if s.State == state {
			is = 1
		}
		w.Sample(is, of(s), exposition.Label{Name: "state", Value: string(state)})
	}
}

func writeCalls(w *exposition.Writer, s *serverStatus) {
	for _, m := range s.Methods {
		for _, outcome := range slices.Sorted(maps.Keys(m.Outcomes)) {
			w.Sample(float64(m.Outcomes[outcome]), of(s), method(m), exposition.Label{Name: "outcome", Value: outcome})
		}
	}
}

func writeDurations(w *exposition.Writer, s *serverStatus) {
	for _, m := range s.Methods {
		d := exposition.Distribution{Sum: m.Latency.Sum, Count: m.Latency.Count}
		for _, b := range m.Latency.Buckets {
			d.Buckets = append(d.Buckets, exposition.Bucket(b))
		}
		w.Distribution(d, of(s), method(m))
	}
}

func of(s *serverStatus) exposition.Label { return exposition.Label{Name: "server", Value: s.Name} }

func method(m shproxy.MethodStatus) exposition.Label {
	return exposition.Label{Name: "method", Value: m.Method}
}
