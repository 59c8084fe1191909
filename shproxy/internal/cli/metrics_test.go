// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// Prometheus gets the numbers of a proxy that has served, in the form that it
// likes.
func TestMetrics(t *testing.T) {
	good, idle := wrap(t, "good", "testserver", testserver.Good), wrap(t, "idle", "testserver", testserver.Good)
	openSession(t, good)
	resp, body := get(t, newTestAdmin(t, good, idle)+"/metrics")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%s %s", resp.Status, body)
	}
	for _, want := range []string{
		`shproxy_sessions{server="good"} 1`, `shproxy_sessions{server="idle"} 0`,
		`shproxy_children{server="good"} 1`, `shproxy_child_starts_total{server="good"} 1`,
		`shproxy_server_state{server="good",state="ok"} 1`, `shproxy_server_state{server="idle",state="idle"} 1`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "shproxy_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// oneStatus collects the metrics of a status that is written here.
type oneStatus struct {
	serverCollector
	status shproxy.Status
}

func (c oneStatus) Collect(to chan<- prometheus.Metric) { collect(&c.status, to) }

func TestMetricsOfCalls(t *testing.T) {
	c := oneStatus{status: shproxy.Status{
		Name: "a\xff\"\n", State: shproxy.StateFailed, Crashed: 3, Restarted: 2, Leaked: 1, FailedStarts: 4, Streams: 5, QueuedBytes: 6,
		Dropped: 7, Noise: 8, BytesToServer: 9, BytesToClients: 10, Calls: 11,
		Methods: []shproxy.MethodStatus{{
			Method: "tools/call", Outcomes: map[string]int64{"ok": 2, "gone": 1},
			Latency: shproxy.Latency{Count: 3, Sum: 1.5, Buckets: []shproxy.LatencyBucket{{Bound: 0.5, Count: 2}, {Bound: 1, Count: 2}}},
		}},
	}}
	want := strings.ReplaceAll(`
# HELP shproxy_bytes_total Bytes of messages passed on.
# TYPE shproxy_bytes_total counter
shproxy_bytes_total{direction="to_clients",server="NAME"} 10
shproxy_bytes_total{direction="to_server",server="NAME"} 9
# HELP shproxy_call_duration_seconds Time from the arrival of a request to its end, without refused ones.
# TYPE shproxy_call_duration_seconds histogram
shproxy_call_duration_seconds_bucket{method="tools/call",server="NAME",le="0.5"} 2
shproxy_call_duration_seconds_bucket{method="tools/call",server="NAME",le="1"} 2
shproxy_call_duration_seconds_bucket{method="tools/call",server="NAME",le="+Inf"} 3
shproxy_call_duration_seconds_sum{method="tools/call",server="NAME"} 1.5
shproxy_call_duration_seconds_count{method="tools/call",server="NAME"} 3
# HELP shproxy_calls_in_flight Requests of clients that wait for their answer.
# TYPE shproxy_calls_in_flight gauge
shproxy_calls_in_flight{server="NAME"} 11
# HELP shproxy_calls_total Requests of clients that have ended.
# TYPE shproxy_calls_total counter
shproxy_calls_total{method="tools/call",outcome="gone",server="NAME"} 1
shproxy_calls_total{method="tools/call",outcome="ok",server="NAME"} 2
# HELP shproxy_child_crashes_total Processes that ended without being asked.
# TYPE shproxy_child_crashes_total counter
shproxy_child_crashes_total{server="NAME"} 3
# HELP shproxy_child_restarts_total Processes that took the place of one that crashed.
# TYPE shproxy_child_restarts_total counter
shproxy_child_restarts_total{server="NAME"} 2
# HELP shproxy_child_start_failures_total Processes that could not be started or did not answer in time.
# TYPE shproxy_child_start_failures_total counter
shproxy_child_start_failures_total{server="NAME"} 4
# HELP shproxy_child_starts_total Processes started.
# TYPE shproxy_child_starts_total counter
shproxy_child_starts_total{server="NAME"} 0
# HELP shproxy_children Processes of the server, including those that are ending.
# TYPE shproxy_children gauge
shproxy_children{server="NAME"} 0
# HELP shproxy_leaked_processes_total Processes that outlived their server and had to be killed.
# TYPE shproxy_leaked_processes_total counter
shproxy_leaked_processes_total{server="NAME"} 1
# HELP shproxy_messages_dropped_total Messages of the server that had nowhere to go.
# TYPE shproxy_messages_dropped_total counter
shproxy_messages_dropped_total{server="NAME"} 7
# HELP shproxy_noise_lines_total Lines on the server's stdout that were no message.
# TYPE shproxy_noise_lines_total counter
shproxy_noise_lines_total{server="NAME"} 8
# HELP shproxy_queued_bytes Bytes that wait for the server or a client to read them.
# TYPE shproxy_queued_bytes gauge
shproxy_queued_bytes{server="NAME"} 6
# HELP shproxy_server_state 1 for the state that the server is in, 0 for the others.
# TYPE shproxy_server_state gauge
shproxy_server_state{server="NAME",state="failed"} 1
shproxy_server_state{server="NAME",state="idle"} 0
shproxy_server_state{server="NAME",state="ok"} 0
shproxy_server_state{server="NAME",state="restarting"} 0
shproxy_server_state{server="NAME",state="stopping"} 0
# HELP shproxy_sessions Sessions that clients can use.
# TYPE shproxy_sessions gauge
shproxy_sessions{server="NAME"} 0
# HELP shproxy_streams Event streams that are open.
# TYPE shproxy_streams gauge
shproxy_streams{server="NAME"} 5
`, "NAME", "a\ufffd"+`\"\n`)
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
