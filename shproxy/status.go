// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
)

// State tells in a word how the wrapped server is.
type State string

// The states of a server.
const (
	StateIdle       State = "idle"       // no process was needed yet
	StateOK         State = "ok"         // processes start and answer
	StateRestarting State = "restarting" // a process ended by itself; another is tried
	StateFailed     State = "failed"     // processes do not start, or end again and again
	StateStopping   State = "stopping"   // Retire, Drain or Shutdown was called
)

// Status is what a [Proxy] tells of itself at one moment: a copy, for people
// and monitors. It holds no session id, no message and nobody's identity.
// Counters, unless they say "now", count since New.
type Status struct {
	Name     string   `json:"name"` // of the server
	State    State    `json:"state"`
	Versions []string `json:"protocol_versions"` // that the server has agreed to or announced

	Sessions    int   `json:"sessions"`        // now
	Children    int   `json:"children"`        // processes now, including those that are ending
	Calls       int   `json:"calls_in_flight"` // now
	Streams     int64 `json:"streams"`         // event streams that are open now
	QueuedBytes int64 `json:"queued_bytes"`    // that wait now for the server or a client to read them

	Started      int64 `json:"children_started"`
	FailedStarts int64 `json:"children_failed_to_start"` // could not be run, or did not answer in time
	Crashed      int64 `json:"children_crashed"`         // ended without being asked
	Restarted    int64 `json:"children_restarted"`       // took the place of a crashed one
	Leaked       int64 `json:"processes_leaked"`         // outlived their server and had to be killed

	Dropped        int64 `json:"messages_dropped"` // of the server, that had nowhere to go
	Noise          int64 `json:"noise_lines"`      // on the server's stdout that were no message
	BytesToServer  int64 `json:"bytes_to_server"`
	BytesToClients int64 `json:"bytes_to_clients"`

	Methods []MethodStatus `json:"methods"` // in a fixed order, without those that were not called

	StartError string   `json:"last_start_error,omitempty"` // why a process could not be started last
	Stderr     []string `json:"stderr"`                     // the last lines that the server wrote there
}

// MethodStatus counts the calls of one method that have ended.
type MethodStatus struct {
	// Method is the method as it is on the wire, or "other" for all methods
	// that no version of MCP defines.
	Method string `json:"method"`
	// Outcomes counts the calls by how they ended: "ok", "tool_error" (a
	// result with isError), "error" (of JSON-RPC, by the server), "crashed",
	// "cancelled", "gone" (the client left), "timed_out" and "refused" (never
	// sent to the server). All of them are there.
	Outcomes map[string]int64 `json:"outcomes"`
	// Latency is that of all calls but the refused, from the arrival of the
	// request to its end.
	Latency Latency `json:"latency"`
}

// Latency is a distribution of durations, all in seconds.
type Latency struct {
	Count int64   `json:"count"`
	Sum   float64 `json:"sum_seconds"`
	P50   float64 `json:"p50_seconds"` // an estimate, off by some percent; at most 100
	P99   float64 `json:"p99_seconds"`

	// Buckets are cumulative, in ascending order, from 50 µs to 100 s.
	Buckets []LatencyBucket `json:"-"`
}

// LatencyBucket counts the durations of no more than a bound in seconds.
type LatencyBucket struct {
	Bound float64
	Count int64
}

// Status tells how the proxy and its server are. It costs some microseconds
// for each session and starts nothing.
func (p *Proxy) Status() Status {
	return newStatus(p.server.Name, p.sessions.Stats(), p.recorder.Snapshot())
}

// newStatus joins what there is now and what was counted.
func newStatus(name string, now session.Stats, counted stats.Snapshot) Status {
	s := Status{
		Name: name, State: stateOf(now), Versions: orEmpty(now.Versions),
		Sessions: now.Sessions, Children: now.Children, Calls: now.Calls,
		Streams: counted.Streams, QueuedBytes: int64(now.Queued),
		Started: now.Started, FailedStarts: now.Failed, Crashed: now.Crashed, Restarted: now.Restarted, Leaked: now.Strays,
		Dropped: now.Dropped, Noise: now.Noise,
		BytesToServer: counted.BytesIn, BytesToClients: counted.BytesOut,
		Methods: methodStatus(counted.Calls), Stderr: []string{},
	}
	if now.Last != nil {
		s.StartError = now.Last.Error()
	}
	if now.Stderr != "" {
		s.Stderr = strings.Split(strings.TrimSuffix(now.Stderr, "\n"), "\n")
	}
	return s
}

// orEmpty keeps null out of the JSON.
func orEmpty(all []string) []string {
	if all == nil {
		return []string{}
	}
	return all
}

func stateOf(now session.Stats) State {
	switch {
	case now.Closed:
		return StateStopping
	case now.Resting != nil:
		return StateFailed
	case now.Reviving > 0:
		return StateRestarting
	case now.Started > 0 && now.Failures == 0:
		return StateOK
	case now.Failures > 0:
		return StateFailed
	}
	return StateIdle
}

func methodStatus(calls []stats.Calls) []MethodStatus {
	all := make([]MethodStatus, len(calls))
	for i := range calls {
		c := &calls[i]
		m := MethodStatus{Method: c.Method.String(), Outcomes: make(map[string]int64, len(c.Outcomes))}
		for o, n := range c.Outcomes {
			m.Outcomes[stats.Outcome(o).String()] = n
		}
		m.Latency = latency(&c.Latency)
		all[i] = m
	}
	return all
}

func latency(h *stats.Histogram) Latency {
	l := Latency{
		Count: h.Count, Sum: h.Sum.Seconds(),
		P50: h.Quantile(0.50).Round(time.Microsecond).Seconds(), P99: h.Quantile(0.99).Round(time.Microsecond).Seconds(),
	}
	for _, b := range h.Buckets() {
		l.Buckets = append(l.Buckets, LatencyBucket{b.Bound.Seconds(), b.Count})
	}
	return l
}
