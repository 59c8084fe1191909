// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/redistest"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

var alice = []string{"Authorization", "Bearer " + aliceToken}

// group is some replicas, as processes of their own.
type group struct {
	t     *testing.T
	dir   string
	redis *redistest.Server
	flags []string
	all   []*member
}

// member is one of them.
type member struct {
	*command
	admin string // URL
}

// newGroup starts replicas; flags are further ones, with the command.
func newGroup(t *testing.T, n int, flags ...string) *group {
	t.Helper()
	g := &group{t: t, dir: t.TempDir(), redis: redistest.Start(t, "--requirepass", "hunter22")}
	key := write(t, g.dir, "key", strings.Repeat("k", replica.MinKey))
	tokens := write(t, g.dir, "tokens", "alice="+aliceToken+"\nbob="+bobToken)
	g.flags = append([]string{
		"--directory", g.redis.URL(), "--replica-addr", "127.0.0.1:0", "--replica-key-file", key,
		"--token-file", tokens, "--admin-addr", "127.0.0.1:0", "--no-probe",
	}, flags...)
	for range n {
		g.add()
	}
	for _, m := range g.all {
		g.eventually(func() bool { return len(m.status().Replica.Others) == n-1 }, "the replicas do not know each other")
	}
	return g
}

// add starts one more.
func (g *group) add() *member {
	g.t.Helper()
	c := startIn(g.t, []string{"REDIS_PASSWORD=hunter22"}, g.flags...)
	m := &member{c, strings.TrimSuffix(c.logged(`msg="admin address" url=(\S+)`)[1], "/status")}
	g.all = append(g.all, m)
	return m
}

// eventually waits for what others learn within a second or so.
func (g *group) eventually(is func() bool, otherwise string) {
	g.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) { // between two questions
		if time.Now().After(deadline) {
			g.t.Fatal(otherwise)
		}
	}
}

func (m *member) status() report {
	m.t.Helper()
	_, body := m.request(http.MethodGet, m.admin+"/status", "")
	var r report
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Replica == nil {
		m.t.Fatalf("/status: %v %s", err, body)
	}
	return r
}

// passedOn waits until so many requests were passed on: they are counted after
// the client has their answer.
func (m *member) passedOn(n int64) {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // between two questions
		got := m.status().Replica.Forwarded["ok"]
		if got == n {
			return
		}
		if got > n || time.Now().After(deadline) {
			m.t.Fatalf("%d requests passed on, not %d", got, n)
		}
	}
}

// pid calls a tool that tells which process of the server answers.
func (m *member) pid(session string) string {
	m.t.Helper()
	resp, body := m.tools("pid", session, "")
	if resp.StatusCode != http.StatusOK {
		m.t.Fatalf("%s %s", resp.Status, body)
	}
	return body
}

// tools calls a tool as alice.
func (m *member) tools(name, session, arguments string) (*http.Response, string) {
	m.t.Helper()
	frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":%q,"arguments":{%s}}}`, name, arguments)
	resp, body := m.post(frame, append(alice, "Mcp-Session-Id", session)...)
	return resp, string(lastMessage(body))
}

// stream opens an event stream as alice and returns its events.
func (m *member) stream(ctx context.Context, method, url, session, frame string) *sse.Reader {
	m.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(frame))
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+aliceToken)
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := client.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		m.t.Fatalf("GET %s: %s", url, resp.Status)
	}
	return sse.NewReader(bufio.NewReader(resp.Body), 1<<20)
}

// next returns the data of the next event that has some.
func next(t *testing.T, events *sse.Reader) string {
	t.Helper()
	for {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Data) > 0 {
			return string(e.Data)
		}
	}
}

// A session can be used through every replica, by whoever started it.
func TestReplicas(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, "--legacy-sse", "--cors-origin", "https://app.example", "--", "testserver", testserver.Good)
	a, b, c := g.all[0], g.all[1], g.all[2]
	session := a.open(a.url, alice...)

	t.Run("Calls", func(t *testing.T) {
		want := a.pid(session)
		for _, m := range g.all {
			if got := m.pid(session); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		resp, body := b.tools("big", session, `"count":300000`)
		if resp.StatusCode != http.StatusOK || strings.Count(body, "b") < 300000 {
			t.Errorf("%s, %d bytes", resp.Status, len(body))
		}
		b.passedOn(2)
	})
	t.Run("Strangers", func(t *testing.T) {
		for _, m := range g.all {
			if got := m.ping(m.url, session); got != http.StatusUnauthorized {
				t.Errorf("without a token: %d", got)
			}
			if got := m.ping(m.url, session, "Authorization", "Bearer "+bobToken); got != http.StatusNotFound {
				t.Errorf("as bob: %d", got)
			}
			resp, _ := m.post(ping, append(alice, "Mcp-Session-Id", session, "Origin", "https://app.example")...)
			for header, want := range map[string]string{"Access-Control-Allow-Origin": "https://app.example", "Vary": "Origin", "Content-Type": "application/json"} {
				if got := strings.Join(resp.Header.Values(header), ", "); got != want {
					t.Errorf("a web page gets %s: %s", header, got)
				}
			}
			if got := m.ping(m.url, session, append(alice, "Origin", "https://evil.example")...); got != http.StatusForbidden {
				t.Errorf("a foreign page: %d", got)
			}
		}
	})
	t.Run("NoSuchSession", func(t *testing.T) {
		_, random, _ := strings.Cut(session, ".")
		name := b.status().Replica.Name
		for _, id := range []string{
			name + "." + random, "aaaaaaaaaaaaaaaa." + random, random, "127.0.0.1:" + g.redis.Addr + "." + random,
			"http://127.0.0.1/", name + ".", "." + random, strings.Repeat("a.", 1000),
		} {
			for _, m := range g.all {
				if got := m.ping(m.url, id, alice...); got != http.StatusNotFound {
					t.Errorf("%q: %d", id, got)
				}
			}
		}
	})
	t.Run("Stream", func(t *testing.T) {
		events := b.stream(t.Context(), http.MethodGet, b.url, session, "")
		if resp, body := c.tools("changed", session, `"text":"x"`); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", resp.Status, body)
		}
		if got := next(t, events); !strings.Contains(got, "list_changed") {
			t.Errorf("heard %s", got)
		}
		// What the server asks goes to the stream of the call, and the answer
		// through whatever replica it comes to.
		events = b.stream(t.Context(), http.MethodPost, b.url, session, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ask"}}`)
		var question struct{ ID json.RawMessage }
		if err := json.Unmarshal([]byte(next(t, events)), &question); err != nil || question.ID == nil {
			t.Fatalf("the server asks nothing: %v", err)
		}
		c.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"role":"assistant"}}`, question.ID), append(alice, "Mcp-Session-Id", session)...)
		if got := next(t, events); !strings.Contains(got, "assistant") {
			t.Errorf("asked: %s", got)
		}
	})
	t.Run("HTTP+SSE", func(t *testing.T) {
		base := strings.TrimSuffix(a.url, "/mcp")
		events := a.stream(t.Context(), http.MethodGet, base+"/sse", "", "")
		path := next(t, events)
		resp, _ := b.request(http.MethodPost, strings.TrimSuffix(b.url, "/mcp")+path, initialize, alice...)
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s", path, resp.Status)
		}
		if got := next(t, events); !strings.Contains(got, `"protocolVersion"`) {
			t.Errorf("heard %s", got)
		}
	})
	t.Run("Delete", func(t *testing.T) {
		if resp, _ := b.request(http.MethodDelete, b.url, "", append(alice, "Mcp-Session-Id", session)...); resp.StatusCode != http.StatusNoContent {
			t.Errorf("DELETE: %s", resp.Status)
		}
		for _, m := range g.all {
			if got := m.ping(m.url, session, alice...); got != http.StatusNotFound {
				t.Errorf("after DELETE: %d", got)
			}
		}
	})
	t.Run("Metrics", func(t *testing.T) {
		_, body := b.request(http.MethodGet, b.admin+"/metrics", "")
		for _, want := range []string{
			`shproxy_replicas{state="serving"} 3`, `shproxy_replicas{state="draining"} 0`, `shproxy_directory_up 1`,
			`shproxy_forwarded_requests_total{result="failed"} 0`, `shproxy_directory_errors_total 0`,
		} {
			if !strings.Contains(body, want+"\n") {
				t.Errorf("no %s in\n%s", want, body)
			}
		}
		_, page := b.request(http.MethodGet, b.admin+"/status", "", "Accept", "text/html")
		if !strings.Contains(page, a.status().Replica.Name) {
			t.Errorf("the page does not name the others:\n%s", page)
		}
	})
}

// modern sends a request of MCP 2026-07-28 for a tool as alice.
func (m *member) modern(tool, rest string) (*http.Response, string) {
	m.t.Helper()
	return m.modernAs(aliceToken, tool, rest)
}

func (m *member) modernAs(token, tool, rest string) (*http.Response, string) {
	m.t.Helper()
	frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":{"text":"x"}%s,"_meta":{`+
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},`+
		`"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}`, tool, rest)
	resp, body := m.post(frame, "Authorization", "Bearer "+token, "MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", tool)
	return resp, string(lastMessage(body))
}

// A call that waits for its client is found again by its requestState.
func TestReplicasParked(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 2, "--", "testserver", testserver.Good)
	a, b := g.all[0], g.all[1]
	resp, body := a.modern("ask", "")
	var answer struct {
		Result struct {
			InputRequests map[string]json.RawMessage
			RequestState  string
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Result.InputRequests) != 1 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	retry := func(state string) string {
		var rest string
		for key := range answer.Result.InputRequests {
			rest = fmt.Sprintf(`,"requestState":%q,"inputResponses":{%q:{"role":"assistant","model":"m","content":{"type":"text","text":"hi"}}}`, state, key)
		}
		_, body := b.modern("ask", rest)
		return body
	}
	state := answer.Result.RequestState
	place := a.status().Replica.Name
	if !strings.Contains(state, place) {
		t.Fatalf("requestState %q does not name %s", state, place)
	}
	for _, wrong := range []string{
		strings.Replace(state, place, b.status().Replica.Name, 1), strings.Replace(state, place, "aaaaaaaaaaaaaaaa", 1),
		strings.Replace(state, place, "127.0.0.1:1", 1), strings.Replace(state, place+".", "", 1), state[:len(state)-1],
	} {
		if got := retry(wrong); !strings.Contains(got, "requestState is not valid") {
			t.Errorf("%q: %s", wrong, got)
		}
	}
	if got := retry(state); !strings.Contains(got, "assistant") {
		t.Errorf("the retry is answered with %s", got)
	}
	b.passedOn(2) // with the one that had been cut
	if resp, body := b.modern("echo", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("a call without state: %s %s", resp.Status, body)
	}
	b.passedOn(2)
}

// Without Redis sessions go on, also through other replicas, and the dead are
// known to be dead.
func TestReplicasWithoutRedis(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, "--", "testserver", testserver.Good)
	a, b, c := g.all[0], g.all[1], g.all[2]
	session, lost := a.open(a.url, alice...), c.open(c.url, alice...)
	g.redis.Kill()
	g.eventually(func() bool { return b.status().Replica.Directory != "" }, "nobody misses Redis")
	if _, body := b.request(http.MethodGet, b.admin+"/metrics", ""); !strings.Contains(body, "shproxy_directory_up 0\n") {
		t.Error("the metrics do not tell that Redis is away")
	}
	a.pid(session)
	b.pid(session)
	b.pid(lost)
	fresh := b.open(b.url, alice...)
	a.pid(fresh)
	_ = c.cmd.Process.Kill()
	<-c.done
	_ = c.cmd.Wait()
	if got := b.ping(b.url, lost, alice...); got == http.StatusBadGateway {
		t.Log("the request was on its way when the replica was killed")
	} else if got != http.StatusNotFound {
		t.Errorf("a session of a replica that was killed: %d", got)
	}
	for _, m := range g.all[:2] {
		if got := m.ping(m.url, lost, alice...); got != http.StatusNotFound {
			t.Errorf("a session of a replica that was killed: %d", got)
		}
	}
	g.redis.Restart()
	for _, m := range g.all[:2] {
		g.eventually(func() bool {
			r := m.status().Replica
			return r.Directory == "" && len(r.Others) == 1
		}, "the replicas do not find each other again")
	}
	a.pid(fresh)
	b.pid(session)
	d := g.add()
	d.pid(fresh)
	d.pid(session)
	if got := d.ping(d.url, lost, alice...); got != http.StatusNotFound {
		t.Errorf("a session of a replica that was never known: %d", got)
	}
}

// A replica that is to end hands newcomers on and keeps what it has.
func TestReplicasDrain(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 2, "--drain-timeout", "1m", "--", "testserver", testserver.Good)
	a, b := g.all[0], g.all[1]
	session := b.open(b.url, alice...)
	b.signal(syscall.SIGTERM)
	g.eventually(func() bool {
		resp, _ := b.request(http.MethodGet, b.admin+"/readyz", "")
		return resp.StatusCode == http.StatusServiceUnavailable
	}, "/readyz is still 200")
	b.pid(session)
	a.pid(session)
	fresh := b.open(b.url, alice...)
	if name := a.status().Replica.Name; !strings.HasPrefix(fresh, name+".") {
		t.Errorf("the session %s is not on %s", fresh, name)
	}
	b.pid(fresh)
	if resp, body := b.modern("pid", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, body)
	}
	if n := a.status().Servers[0].Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	// It does not wait for the end of its time once nobody is left.
	if resp, _ := a.request(http.MethodDelete, a.url, "", append(alice, "Mcp-Session-Id", session)...); resp.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE: %s", resp.Status)
	}
	<-b.done
	if _ = b.cmd.Wait(); b.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("it ended with %v:\n%s", b.cmd.ProcessState, strings.Join(b.lines, "\n"))
	}
	if got := a.ping(a.url, session, alice...); got != http.StatusNotFound {
		t.Errorf("a session of a replica that has ended: %d", got)
	}
	a.pid(fresh)
}

// The sessions of one caller are counted over all replicas.
func TestReplicasCallerLimit(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 2, "--max-caller-sessions", "3", "--max-caller-rate", "2", "--", "testserver", testserver.Good)
	a, b := g.all[0], g.all[1]
	served, start := 0, time.Now()
	for ; served < 1000; served++ { // a burst of 20 for both, and what is earned meanwhile
		if resp, _ := g.all[served%2].modernAs(bobToken, "echo", ""); resp.StatusCode == http.StatusTooManyRequests {
			break
		}
	}
	if most := 21 + 2*int(time.Since(start)/time.Second+1); served < 20 || served > most {
		t.Errorf("%d calls of bob were served", served)
	}
	sessions := []string{a.open(a.url, alice...), b.open(b.url, alice...), b.open(b.url, alice...)}
	for _, m := range g.all {
		if resp, body := m.post(initialize, alice...); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a fourth session: %s %s", resp.Status, body)
		}
	}
	a.request(http.MethodDelete, a.url, "", append(alice, "Mcp-Session-Id", sessions[1])...)
	g.eventually(func() bool {
		resp, _ := a.post(initialize, alice...)
		time.Sleep(500 * time.Millisecond) // as many tries as are allowed
		return resp.StatusCode == http.StatusOK
	}, "the place of a session that has ended is not free")
	if resp, body := b.post(initialize, alice...); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a fourth session: %s %s", resp.Status, body)
	}
}

// refusal is what Redis itself says.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// TestDirectoryErrors tells a password that is wrong from a server that is away.
func TestDirectoryErrors(t *testing.T) {
	for _, test := range []struct {
		scheme string
		err    error
		want   string
	}{
		{"redis", refusal("NOAUTH Authentication required."), "has the password"},
		{"redis", refusal("WRONGPASS invalid username-password pair"), "has the password"},
		{"redis", refusal("ERR DB index is out of range"), "what the URL says"},
		{"redis", &net.OpError{Op: "dial", Err: errors.New("refused")}, "has to be there"},
		{"redis", context.DeadlineExceeded, "has to be there"},
		{"rediss", context.DeadlineExceeded, "without TLS begins with redis:"},
		{"rediss", tls.RecordHeaderError{}, "without TLS begins with redis:"},
		{"rediss", &net.OpError{Op: "dial", Err: errors.New("refused")}, "has to be there"},
		{"rediss", refusal("NOAUTH Authentication required."), "has the password"},
	} {
		var out strings.Builder
		if explain(&out, directoryError(test.scheme+"://127.0.0.1:1", fmt.Errorf("directory: %w", test.err)), true); !strings.Contains(out.String(), test.want) {
			t.Errorf("%v: want %q:\n%s", test.err, test.want, out.String())
		}
	}
}
