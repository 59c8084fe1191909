// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A status follows a proxy from its beginning to its end.
func TestStatus(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, nil)
	if s := proxy.Status(); s.State != StateIdle || s.Name != testserver.Good || s.Sessions != 0 || s.Started != 0 {
		t.Errorf("before the first session: %+v", s)
	}
	c := connect(t, url)
	c.tool("1", "echo", map[string]any{"text": "x"})
	if s := proxy.Status(); s.State != StateOK || s.Sessions != 1 || s.Children != 1 || s.Started != 1 || s.Calls != 0 {
		t.Errorf("with a session: %+v", s)
	}
	text, err := json.Marshal(proxy.Status())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), c.session) || strings.Contains(string(text), "null") {
		t.Errorf("status is %s", text)
	}
	if err := proxy.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := proxy.Status(); s.State != StateStopping || s.Sessions != 0 || s.Children != 0 {
		t.Errorf("after the end: %+v", s)
	}
}

func TestStateOf(t *testing.T) {
	for _, test := range []struct {
		name string
		now  session.Stats
		want State
	}{
		{"new", session.Stats{}, StateIdle},
		{"none could be started", session.Stats{Failed: 1, Failures: 1}, StateFailed},
		{"one runs", session.Stats{Children: 1, Started: 1, Failed: 1}, StateOK},
		{"one did run", session.Stats{Started: 1}, StateOK},
		{"one is on its way after a crash", session.Stats{Started: 1, Crashed: 1, Reviving: 1}, StateRestarting},
		{"given up for a while", session.Stats{Started: 9, Failures: 5, Resting: &session.FailedError{}}, StateFailed},
		{"closed", session.Stats{Closed: true, Children: 1, Started: 1}, StateStopping},
	} {
		if got := stateOf(test.now); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// What was counted arrives in the status, and the order is that of the wire
// names' table whenever the calls came.
func TestStatusOfCalls(t *testing.T) {
	r := stats.NewRecorder()
	call, list := stats.MethodOf([]byte(`"tools/call"`)), stats.MethodOf([]byte(`"tools/list"`))
	for range 99 {
		r.Call(call, stats.OK, 10*time.Millisecond)
	}
	r.Call(call, stats.Crashed, 20*time.Second)
	r.Call(call, stats.Refused, 0)
	r.Call(list, stats.ToolError, time.Millisecond)
	r.BytesIn.Add(5)
	r.BytesOut.Add(7)
	r.Streams.Add(2)
	s := newStatus("n", session.Stats{Sessions: 3, Calls: 4, Strays: 1, Stderr: "a\nb\n"}, r.Snapshot())
	if !slices.Equal(s.Stderr, []string{"a", "b"}) {
		t.Errorf("stderr: %q", s.Stderr)
	}
	if s.BytesToServer != 5 || s.BytesToClients != 7 || s.Streams != 2 || s.Leaked != 1 || s.Sessions != 3 || s.Calls != 4 {
		t.Errorf("%+v", s)
	}
	if len(s.Methods) != 2 || s.Methods[0].Method != "tools/list" || s.Methods[1].Method != "tools/call" {
		t.Fatalf("methods: %+v", s.Methods)
	}
	m := s.Methods[1]
	if m.Outcomes["ok"] != 99 || m.Outcomes["crashed"] != 1 || m.Outcomes["refused"] != 1 || len(m.Outcomes) != 8 {
		t.Errorf("outcomes: %v", m.Outcomes)
	}
	if l := m.Latency; l.Count != 100 || l.Sum < 20.989 || l.Sum > 20.991 || l.P50 < 0.008 || l.P50 > 0.010 || l.P99 > 0.010 {
		t.Errorf("latency: %+v", l)
	}
	at := slices.IndexFunc(m.Latency.Buckets, func(b LatencyBucket) bool { return b.Bound == 0.01 })
	if at < 0 || m.Latency.Buckets[at].Count != 99 || m.Latency.Buckets[at-1].Count != 0 {
		t.Errorf("buckets: %v", m.Latency.Buckets)
	}
}
