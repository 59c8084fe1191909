// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// fromHeader makes the token of the request a variable of the process.
func fromHeader(r *http.Request) []string {
	if token := r.Header.Get("X-Token"); token != "" {
		return []string{"TEST_TOKEN=" + token, "OTHER=" + r.Header.Get("X-Other")}
	}
	return nil
}

// Callers with different values share neither a process nor a session, in
// whatever mode and era, and none of the values can be made to look like
// another's.
func TestEnviron(t *testing.T) {
	t.Parallel()
	headers := []http.Header{
		{},
		{"X-Token": {"a"}},
		{"X-Token": {"b"}},
		{"X-Token": {"a"}, "X-Other": {"x"}},
		{"X-Token": {"a,OTHER=x"}},
		{"X-Token": {`a" "OTHER=x`}},
	}
	for _, mode := range []Mode{ModeSession, ModeShared} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			t.Parallel()
			proxy, url := newTestProxy(t, testserver.Good, &Options{Environ: fromHeader, Mode: mode, Warm: 1})
			var clients []*client
			for _, h := range headers {
				c := &client{t: t, url: url, header: h}
				c.session = c.post(initializeFrame).Header.Get("Mcp-Session-Id")
				clients = append(clients, c)
			}
			for i, c := range clients {
				want := headers[i].Get("X-Token")
				c.want(c.tool("1", "env", map[string]any{"text": "TEST_TOKEN"}), 200, textResult("1", want))
				for j, h := range headers {
					if i != j {
						thief := &client{t: t, url: url, session: c.session, header: h}
						thief.wantError(thief.tool("1", "env", nil), 404, "1", codeNoSession, "session")
					}
				}
			}
			if n := proxy.Status().Sessions; n != len(headers) {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

func TestEnvironOfModernCalls(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Modern, &Options{Environ: fromHeader, Warm: 1})
	ask := func(token string) (env, pid string) {
		c := modernClient(t, url)
		env = c.body(c.modern(t.Context(), modernTool("1", "env", `"text":"TEST_TOKEN"`, ""), "X-Token: "+token))
		return env, c.body(c.modern(t.Context(), modernTool("1", "pid", "", ""), "X-Token: "+token))
	}
	pids := make(map[string]string)
	for _, token := range []string{"", "a", "b", "a", "", "b"} {
		env, pid := ask(token)
		if env != textResult("1", token) {
			t.Errorf("%q: %s", token, env)
		}
		if other, known := pids[token]; known && other != pid {
			t.Errorf("%q: another process", token)
		}
		for other, its := range pids {
			if other != token && its == pid {
				t.Errorf("%q and %q share a process", token, other)
			}
		}
		pids[token] = pid
	}
	// A notification finds the process of its sender.
	c := modernClient(t, url)
	resp := c.modern(t.Context(), `{"jsonrpc":"2.0","method":"acme/note","params":{"_meta":{`+modernMeta+`}}}`, "X-Token: a")
	if resp.StatusCode != http.StatusAccepted {
		t.Error(resp.Status)
	}
}

// A session belongs to the caller who started it, and so do the processes of
// modern requests.
func TestIdentify(t *testing.T) {
	t.Parallel()
	user := func(r *http.Request) string { return r.Header.Get("X-Test-User") }
	_, url := newTestProxy(t, testserver.Modern, &Options{Identify: user})
	c := modernClient(t, url)
	pid := func(user string) string {
		t.Helper()
		resp := c.modern(t.Context(), modernTool("1", "pid", "", ""), "X-Test-User: "+user)
		if resp.StatusCode != 200 {
			t.Error(resp.Status)
		}
		return c.body(resp)
	}
	alice, bob := pid("alice"), pid("bob")
	if alice == bob || pid("alice") != alice || pid("bob") != bob {
		t.Error("processes are mixed up")
	}
	_, url = newTestProxy(t, testserver.Modern, &Options{Identify: user, Mode: ModeShared})
	c = modernClient(t, url)
	if pid("alice") != pid("bob") {
		t.Error("they do not share a process, though that was wanted")
	}
}

// Callers of one identity and one environment are the same, wherever the one
// ends and the other begins.
func TestIdentifyAndEnviron(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, &Options{
		Identify: func(r *http.Request) string { return r.Header.Get("X-Test-User") },
		Environ:  fromHeader,
	})
	c := &client{t: t, url: url, header: http.Header{"X-Test-User": {"alice"}, "X-Token": {"a"}}}
	c.session = c.post(initializeFrame).Header.Get("Mcp-Session-Id")
	for _, h := range []http.Header{
		{"X-Test-User": {"alice"}},
		{"X-Token": {"a"}},
		{"X-Test-User": {"bob"}, "X-Token": {"a"}},
		{"X-Test-User": {"aliceTEST_TOKEN=a"}},
	} {
		other := &client{t: t, url: url, session: c.session, header: h}
		other.wantError(other.tool("1", "echo", nil), 404, "1", codeNoSession, "session")
		other.wantError(other.delete(), 404, "null", codeNoSession, "session")
	}
	c.want(c.tool("1", "env", map[string]any{"text": "TEST_TOKEN"}), 200, textResult("1", "a"))
}

// In shared mode the sessions of all callers have one process, and their calls
// do not get mixed up.
func TestSharedMode(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Good, &Options{Mode: ModeShared})
	clients := []*client{connectAs(t, url, "2025-11-25"), connectAs(t, url, "2025-11-25"), connectAs(t, url, "2025-11-25")}
	var all sync.WaitGroup
	for i, c := range clients {
		for n := range 20 {
			all.Go(func() {
				text := fmt.Sprint(i, " ", n)
				e := c.events(c.post(toolFrame("1", "progress", map[string]any{"text": text, "count": 3}, `{"progressToken":"t"}`)))
				for _, want := range []string{progressFrame(`"t"`, 1), progressFrame(`"t"`, 2), progressFrame(`"t"`, 3), textResult("1", text)} {
					if got := e.message(); got != want {
						t.Errorf("got %s, want %s", got, want)
					}
				}
			})
		}
	}
	all.Wait()
	if s := proxy.Status(); s.Children != 1 || s.Sessions != 3 {
		t.Errorf("%d processes, %d sessions", s.Children, s.Sessions)
	}
	get := clients[1].listen(t.Context())
	clients[0].body(clients[0].tool("1", "changed", nil))
	if got := get.message(); !strings.Contains(got, "list_changed") {
		t.Errorf("got %s", got)
	}
	clients[2].delete()
	clients[0].wantError(clients[0].tool("1", "crash", nil), 200, "1", -32603, "exit status 1")
	for _, c := range clients[:2] {
		c.want(c.tool("2", "echo", map[string]any{"text": "again"}), 200, textResult("2", "again"))
	}
	clients[2].wantError(clients[2].tool("2", "echo", nil), 404, "2", codeNoSession, "session")
}

// message is next without the event that primes the stream.
func (e *events) message() string {
	e.t.Helper()
	got := e.next()
	if got == "" {
		got = e.next()
	}
	return got
}
