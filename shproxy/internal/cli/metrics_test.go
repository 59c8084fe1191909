// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// callTools has the server list its tools, in a session that begins with it.
func callTools(t *testing.T, s adminServer) {
	t.Helper()
	url, session := openSession(t, s)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Session-Id", session)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `"tools"`) {
		t.Fatalf("%s %s, %v", resp.Status, body, err)
	}
}

// Prometheus gets the numbers of a proxy that has served, in the form that it
// likes.
func TestMetrics(t *testing.T) {
	good, idle := wrap(t, "good", "testserver", testserver.Good), wrap(t, "idle", "testserver", testserver.Good)
	callTools(t, good)
	resp, body := get(t, newTestAdmin(t, good, idle)+"/metrics")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Fatalf("%s %v %s", resp.Status, resp.Header, body)
	}
	for _, want := range []string{
		`shproxy_sessions{server="good"} 1`, `shproxy_sessions{server="idle"} 0`,
		`shproxy_children{server="good"} 1`, `shproxy_child_starts_total{server="good"} 1`,
		`shproxy_server_state{server="good",state="ok"} 1`, `shproxy_server_state{server="idle",state="idle"} 1`,
		`shproxy_calls_total{server="good",method="tools/list",outcome="ok"} 1`,
		`shproxy_calls_total{server="good",method="tools/list",outcome="error"} 0`,
		`shproxy_call_duration_seconds_bucket{server="good",method="tools/list",le="100"} 1`,
		`shproxy_call_duration_seconds_count{server="good",method="tools/list"} 1`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if !strings.Contains(body, "\ngo_goroutines ") {
		t.Error("the metrics tell nothing of the process")
	}
	checkMetrics(t, body)
}

// checkMetrics reads metrics as Prometheus does and looks for what it warns of.
func checkMetrics(t *testing.T, text string) {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Error(err)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Names are escaped, families are not torn apart, and the order is fixed.
func TestMetricsOfCalls(t *testing.T) {
	servers := []serverStatus{{Status: shproxy.Status{
		Name: "a\xff\"\n", State: shproxy.StateFailed, Crashed: 3, Restarted: 2, Leaked: 1, FailedStarts: 4, Streams: 5, QueuedBytes: 6,
		Dropped: 7, Noise: 8, BytesToServer: 9, BytesToClients: 10, Calls: 11, Sessions: 12, Children: 13, Started: 14,
		Methods: []shproxy.MethodStatus{{
			Method: "tools/call", Outcomes: map[string]int64{"ok": 2, "gone": 1},
			Latency: shproxy.Latency{Count: 3, Sum: 1.5, Buckets: []shproxy.LatencyBucket{{Bound: 0.5, Count: 2}, {Bound: 1, Count: 2}}},
		}},
	}}}
	want := strings.ReplaceAll(`
# HELP shproxy_sessions Sessions that clients can use.
# TYPE shproxy_sessions gauge
shproxy_sessions{server="NAME"} 12
# HELP shproxy_children Processes of the server, including those that are ending.
# TYPE shproxy_children gauge
shproxy_children{server="NAME"} 13
# HELP shproxy_calls_in_flight Requests of clients that wait for their answer.
# TYPE shproxy_calls_in_flight gauge
shproxy_calls_in_flight{server="NAME"} 11
# HELP shproxy_streams Event streams that are open.
# TYPE shproxy_streams gauge
shproxy_streams{server="NAME"} 5
# HELP shproxy_queued_bytes Bytes that wait for the server or a client to read them.
# TYPE shproxy_queued_bytes gauge
shproxy_queued_bytes{server="NAME"} 6
# HELP shproxy_child_starts_total Processes started.
# TYPE shproxy_child_starts_total counter
shproxy_child_starts_total{server="NAME"} 14
# HELP shproxy_child_start_failures_total Processes that could not be started or did not answer in time.
# TYPE shproxy_child_start_failures_total counter
shproxy_child_start_failures_total{server="NAME"} 4
# HELP shproxy_child_crashes_total Processes that ended without being asked.
# TYPE shproxy_child_crashes_total counter
shproxy_child_crashes_total{server="NAME"} 3
# HELP shproxy_child_restarts_total Processes that took the place of one that crashed.
# TYPE shproxy_child_restarts_total counter
shproxy_child_restarts_total{server="NAME"} 2
# HELP shproxy_leaked_processes_total Processes that outlived their server and had to be killed.
# TYPE shproxy_leaked_processes_total counter
shproxy_leaked_processes_total{server="NAME"} 1
# HELP shproxy_messages_dropped_total Messages of the server that had nowhere to go.
# TYPE shproxy_messages_dropped_total counter
shproxy_messages_dropped_total{server="NAME"} 7
# HELP shproxy_noise_lines_total Lines on the server's stdout that were no message.
# TYPE shproxy_noise_lines_total counter
shproxy_noise_lines_total{server="NAME"} 8
# HELP shproxy_server_state 1 for the state that the server is in, 0 for the others.
# TYPE shproxy_server_state gauge
shproxy_server_state{server="NAME",state="idle"} 0
shproxy_server_state{server="NAME",state="ok"} 0
shproxy_server_state{server="NAME",state="restarting"} 0
shproxy_server_state{server="NAME",state="failed"} 1
shproxy_server_state{server="NAME",state="stopping"} 0
# HELP shproxy_bytes_total Bytes of messages passed on.
# TYPE shproxy_bytes_total counter
shproxy_bytes_total{server="NAME",direction="to_server"} 9
shproxy_bytes_total{server="NAME",direction="to_clients"} 10
# HELP shproxy_calls_total Requests of clients that have ended.
# TYPE shproxy_calls_total counter
shproxy_calls_total{server="NAME",method="tools/call",outcome="gone"} 1
shproxy_calls_total{server="NAME",method="tools/call",outcome="ok"} 2
# HELP shproxy_call_duration_seconds Time from the arrival of a request to its end, without refused ones.
# TYPE shproxy_call_duration_seconds histogram
shproxy_call_duration_seconds_bucket{server="NAME",method="tools/call",le="0.5"} 2
shproxy_call_duration_seconds_bucket{server="NAME",method="tools/call",le="1"} 2
shproxy_call_duration_seconds_bucket{server="NAME",method="tools/call",le="+Inf"} 3
shproxy_call_duration_seconds_sum{server="NAME",method="tools/call"} 1.5
shproxy_call_duration_seconds_count{server="NAME",method="tools/call"} 3
`, "NAME", "a\ufffd"+`\"\n`)
	var got strings.Builder
	writeMetrics(exposition.NewWriter(&got), servers)
	if "\n"+got.String() != want {
		t.Errorf("got:\n%s\nwant:%s", got.String(), want)
	}
	checkMetrics(t, got.String())

	got.Reset()
	other := servers[0]
	other.Name = "other"
	writeMetrics(exposition.NewWriter(&got), append(servers, other))
	checkMetrics(t, got.String())
}
