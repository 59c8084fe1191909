// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func TestMain(m *testing.M) {
	switch mode := os.Getenv(testserver.Env); mode {
	case "":
		os.Exit(m.Run())
	case "parent":
		os.Exit(runParent())
	default:
		os.Exit(testserver.Run(mode, os.Stdin, os.Stdout, os.Stderr))
	}
}

// testConfig runs this test binary as the test server. A binary with the race
// detector would sleep for a second before it ends.
func testConfig(mode string) Config {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Config{
		Name: mode, Path: exe, Env: append(os.Environ(), "GORACE=atexit_sleep_ms=0", testserver.Env+"="+mode),
		MaxLine: 1 << 20, MaxQueue: 1 << 20, Grace: 10 * time.Second,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// recorder is a receiver that keeps what it gets.
type recorder struct {
	frames chan string
	broken chan string
	exited chan *ExitError
}

func newRecorder() *recorder {
	return &recorder{make(chan string, 1000), make(chan string, 1000), make(chan *ExitError, 1)}
}

func (r *recorder) Receive(frame []byte, m jsonrpc.Message, _ bool) {
	r.frames <- m.Kind.String() + " " + string(frame)
}
func (r *recorder) Broken(id []byte, reason error) { r.broken <- fmt.Sprint(string(id), " ", reason) }
func (r *recorder) Exited(err *ExitError)          { r.exited <- err }

func startTest(t *testing.T, cfg Config) (*Child, *recorder) {
	t.Helper()
	spawner := NewSpawner()
	r := newRecorder()
	c, err := spawner.Start(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Kill()
		<-c.Done()
		spawner.Close()
	})
	return c, r
}

func TestChild(t *testing.T) {
	c, r := startTest(t, testConfig(testserver.Good))
	frame := []byte(`{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(frame, jsonrpc.Edit{Span: m.ID, With: []byte("7")}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-r.frames, `response {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"hi"}]}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.Stop()
	c.Stop()
	if got := (<-r.exited).Error(); got != `server "good" ended (exit status 0)` {
		t.Errorf("exit: %s", got)
	}
	<-c.Done()
	if err := c.Send(frame); err != ErrClosed {
		t.Errorf("Send = %v", err)
	}
	c.Kill()
}

func TestLastWords(t *testing.T) {
	_, r := startTest(t, testConfig(testserver.Exit))
	e := <-r.exited
	if e.Stderr != "error: no configuration" || e.Status != "exit status 3" {
		t.Errorf("%+v", e)
	}
}

func TestStartFails(t *testing.T) {
	spawner := NewSpawner()
	cfg := testConfig(testserver.Good)
	cfg.Dir = "/no/such/directory"
	if _, err := spawner.Start(cfg, newRecorder()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("err = %v", err)
	}
	spawner.Close()
	spawner.Close()
	if _, err := spawner.Start(testConfig(testserver.Good), newRecorder()); err == nil {
		t.Error("started after Close")
	}
}

func TestBrokenLines(t *testing.T) {
	cfg := testConfig(testserver.Good)
	c, r := startTest(t, cfg)
	call := func(id, tool string, count int) {
		t.Helper()
		if err := c.Send(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":{"count":%d,"text":"x"}}}`, id, tool, count)); err != nil {
			t.Fatal(err)
		}
	}
	call("1", "invalid", 0)
	if got := <-r.broken; !strings.HasPrefix(got, "1 jsonrpc: invalid UTF-8") {
		t.Errorf("broken: %s", got)
	}
	call("2", "big", cfg.MaxLine)
	if got := <-r.broken; got != "2 message of more than 1048576 bytes" {
		t.Errorf("broken: %s", got)
	}
	call("3", "noise", 0)
	if got := <-r.frames; !strings.HasPrefix(got, `response {"jsonrpc":"2.0","id":3,`) {
		t.Errorf("got %s", got)
	}
	if n := c.Noise(); n != 3 {
		t.Errorf("%d lines of noise", n)
	}
}

// A child that ignores the end of its input and TERM is killed.
func TestStubbornChild(t *testing.T) {
	cfg := testConfig(testserver.Stubborn)
	cfg.Grace = 100 * time.Millisecond
	c, r := startTest(t, cfg)
	if err := c.Send([]byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	<-r.frames // now it ignores TERM
	c.Stop()
	if e := <-r.exited; e.Status != "signal: killed" {
		t.Errorf("status %q", e.Status)
	}
}

// A child that closes its output can answer nothing any more and is ended.
func TestChildClosesItsOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	cfg := testConfig("")
	cfg.Grace = 100 * time.Millisecond
	cfg.Path, cfg.Args = "/bin/sh", []string{"-c", "exec >&-; sleep 600"}
	_, r := startTest(t, cfg)
	select {
	case e := <-r.exited:
		if e.Status != "signal: terminated; it had closed its output" {
			t.Errorf("status %q", e.Status)
		}
	case <-time.After(10 * time.Second):
		t.Error("the child goes on")
	}
}

// A process that has left the group and holds the pipes open delays the end,
// but does not prevent it.
func TestDaemonHoldsPipes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs setsid")
	}
	cfg := testConfig("")
	cfg.Grace = 100 * time.Millisecond
	cfg.Path, cfg.Args = "/bin/sh", []string{"-c", "setsid sleep 3 & echo to nobody; exit 4"}
	_, r := startTest(t, cfg)
	if e := <-r.exited; e.Status != "exit status 4" || e.Noise != "to nobody" {
		t.Errorf("%+v", e)
	}
}
