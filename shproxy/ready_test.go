// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// fresh makes the next Ready look for itself.
func (p *Proxy) fresh() {
	p.ready.turn <- struct{}{}
	p.ready.at = time.Time{}
	<-p.ready.turn
}

// Ready asks a process that is there, and otherwise tries one; it never says
// that a server works which does not.
func TestReady(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Good, nil)
	for range 3 {
		if err := proxy.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s := proxy.Status(); s.Started != 0 || s.Children != 0 {
		t.Errorf("a try counts: %+v", s)
	}
	c := connect(t, url)
	proxy.fresh()
	if err := proxy.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	c.wantError(c.tool("1", "crash", nil), 200, "1", -32603, "exit status 1")
	proxy.fresh()
	if err := proxy.Ready(t.Context()); err != nil { // it can be started
		t.Error(err)
	}
	if err := proxy.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	proxy.fresh()
	if err := proxy.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("after the end: %v", err)
	}
}

// A process that hangs makes a server unready, and one that is slow to answer
// does not hold up those who ask for longer than they have time.
func TestReadyOfAHangingServer(t *testing.T) {
	t.Parallel()
	proxy, url, stage := newStage(t, nil)
	_, child := connectPuppet(t, url, stage, testVersion)
	first := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { first <- proxy.Ready(ctx) }()
	child.Expect(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	short, stop := context.WithCancel(t.Context())
	stop()
	if err := proxy.Ready(short); !errors.Is(err, context.Canceled) {
		t.Errorf("who has no time got %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("err = %v", err)
	}
	// That was no answer, so the next one asks again.
	done := make(chan error, 1)
	go func() { done <- proxy.Ready(t.Context()) }()
	child.Expect(`{"jsonrpc":"2.0","id":3,"method":"ping"}`)
	child.Says(`{"jsonrpc":"2.0","id":2,"result":{}}`) // late
	child.Says(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := proxy.Ready(t.Context()); err != nil { // without asking
		t.Error(err)
	}
}

// A server that cannot work is not ready, for the reason that Probe tells.
func TestNotReady(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{
		testserver.Exit:     "error: no configuration",
		testserver.Refusing: "go away",
		testserver.Silent:   "did not answer initialize within 200ms",
	} {
		proxy, _ := newTestProxy(t, mode, &Options{StartTimeout: 200 * time.Millisecond})
		if mode != testserver.Silent {
			proxy.opts.StartTimeout = 20 * time.Second
		}
		if err := proxy.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// Many who ask at once start one process.
func TestReadyAtOnce(t *testing.T) {
	t.Parallel()
	stage := testserver.NewStage(t)
	server := testServer(testserver.Puppet)
	server.Env = append(stage.Env(), server.Env...)
	proxy, _ := serveProxy(t, server, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := proxy.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	child := stage.Next()
	child.Expect(probeFrame)
	child.Says(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}`)
	if got := child.Hears(); got != "EOF" {
		t.Errorf("the process was sent %s", got)
	}
	child.Close()
	all.Wait()
}

// A probe leaves nothing behind, has the server's own environment, and knows
// servers of both eras.
func TestProbeOfBothEras(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{testserver.Good, testserver.Modern, "sdk"} {
		proxy, _ := newTestProxy(t, mode, &Options{Warm: 1, MaxSessions: 1, Mode: ModeShared, MaxStarts: 1})
		if err := proxy.Probe(t.Context()); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
	proxy, _ := newTestProxy(t, testserver.Silent, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := proxy.Probe(ctx); err == nil {
		t.Error("a server that says nothing passed")
	}
}

// Close kills, whatever the server does about its end.
func TestClose(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Stubborn, nil)
	c := connect(t, url)
	get := c.listen(t.Context())
	answer := make(chan string, 1)
	go func() { answer <- c.body(c.tool("1", "wait", nil)) }()
	for proxy.Status().Calls == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := proxy.Close(); err != nil {
		t.Error(err)
	}
	if got := <-answer; got != `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the proxy is shutting down"}}` {
		t.Errorf("the call got %s", got)
	}
	if got := get.next(); got != "EOF" {
		t.Errorf("the stream got %s", got)
	}
	if s := proxy.Status(); s.State != StateStopping || s.Children != 0 || s.Sessions != 0 {
		t.Errorf("%+v", s)
	}
	c.wantError(c.post(initializeFrame), 503, `"init"`, codeTransport, "shutting down")
	if err := proxy.Close(); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// Drain lets calls end, and refuses others with a status that says to try
// elsewhere.
func TestDrain(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	e := c.events(c.tool("1", "ask", nil))
	question := e.next()
	done := make(chan error, 1)
	go func() { done <- proxy.Drain(t.Context()) }()
	for proxy.Status().State != StateStopping {
		time.Sleep(time.Millisecond)
	}
	resp := c.tool("2", "echo", nil)
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.wantError(resp, 503, "2", codeTransport, "shutting down")
	c.wantError(c.post(initializeFrame), 503, `"init"`, codeTransport, "shutting down")
	if !strings.Contains(question, `"id":1`) {
		t.Fatalf("got %s", question)
	}
	if resp := c.post(`{"jsonrpc":"2.0","id":1,"result":{}}`); resp.StatusCode != http.StatusAccepted {
		t.Errorf("the answer to the server: %s", resp.Status)
	}
	if got := e.next(); got != textResult("1", "{}") {
		t.Errorf("got %s", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The status counts what happened, by the names of the wire.
func TestStatusCounts(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	for i := range 3 {
		c.body(c.tool(fmt.Sprint(i), "echo", map[string]any{"text": "x"}))
	}
	c.body(c.tool("4", "none", nil))                          // error
	c.body(c.post(`{"jsonrpc":"2.0","id":6,"method":"a/b"}`)) // other
	c.body(c.tool("7", "crash", nil))
	ctx, leave := context.WithCancel(t.Context())
	resp := c.do(c.request(ctx, "POST", toolFrame("8", "ask", nil, "")))
	c.events(resp).next()
	leave()
	counts := func(method string) map[string]int64 {
		for _, m := range proxy.Status().Methods {
			if m.Method == method {
				return m.Outcomes
			}
		}
		return nil
	}
	for counts("tools/call")["gone"] == 0 {
		time.Sleep(time.Millisecond)
	}
	for outcome, want := range map[string]int64{"ok": 3, "error": 1, "timed_out": 0, "crashed": 1, "gone": 1} {
		if got := counts("tools/call")[outcome]; got != want {
			t.Errorf("%s: %d", outcome, got)
		}
	}
	if got := counts("other")["ok"]; got != 1 {
		t.Errorf("other: %d", got)
	}
	if got := counts("initialize")["ok"]; got != 1 {
		t.Errorf("initialize: %d", got)
	}
	s := proxy.Status()
	if s.Crashed != 1 || s.Restarted != 1 || s.Started != 2 || s.BytesToServer == 0 || s.BytesToClients == 0 || s.State != StateOK {
		t.Errorf("%+v", s)
	}
}

// A call that took too long is counted as that.
func TestStatusCountsTimeouts(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Good, &Options{RequestTimeout: 50 * time.Millisecond})
	c := connect(t, url)
	c.body(c.tool("1", "wait", nil))
	for _, m := range proxy.Status().Methods {
		if m.Method == "tools/call" && m.Outcomes["timed_out"] == 1 {
			return
		}
	}
	t.Errorf("%+v", proxy.Status().Methods)
}

// A path to the executable that depends on the directory works as the process
// sees it, and arguments reach it as they are.
func TestArguments(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(exe, dir+"/server"); err != nil {
		t.Skip(err)
	}
	server := testServer("args")
	server.Command, server.Dir = "./server", dir
	server.Args = []string{"-test.run=^$", "", "a b", `"quoted"`, "$HOME", "*", "--", "-x"}
	_, url := serveProxy(t, server, nil)
	c := connect(t, url)
	c.want(c.tool("1", "args", nil), 200, textResult("1", fmt.Sprintf("%q in %s", server.Args, dir)))
}
