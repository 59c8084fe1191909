// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
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
	default:
		if run := modes[mode]; run != nil {
			os.Exit(run())
		}
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
	closed chan *ExitError
	exited chan *ExitError
}

func newRecorder() *recorder {
	return &recorder{make(chan string, 1000), make(chan string, 1000), make(chan *ExitError, 1), make(chan *ExitError, 1)}
}

func (r *recorder) Receive(frame []byte, m jsonrpc.Message, _ bool) {
	r.frames <- m.Kind.String() + " " + string(frame)
}
func (r *recorder) Broken(id []byte, reason error) { r.broken <- fmt.Sprint(string(id), " ", reason) }
func (r *recorder) Closed(err *ExitError)          { r.closed <- err }
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

// shell makes the child a shell script.
func shell(t *testing.T, script string) Config {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	cfg := testConfig("")
	cfg.Path, cfg.Args = "/bin/sh", []string{"-c", script}
	return cfg
}

// A child that closes its output can answer nothing any more and is ended.
// That is told before, with what it was sent until then, and whatever the child
// does about its input.
func TestChildClosesItsOutput(t *testing.T) {
	heard := filepath.Join(t.TempDir(), "heard")
	cfg := shell(t, "trap '' TERM; echo bye >&2; while [ ! -e "+heard+" ]; do sleep 0.01; done; exec >&-; sleep 600")
	cfg.MaxQueue, cfg.Grace = 2<<20, time.Hour
	c, r := startTest(t, cfg)
	first, err := c.Queue([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Queue(make([]byte, 1<<20)); err != nil { // more than a pipe holds
		t.Fatal(err)
	}
	for c.Tail() == "" {
		time.Sleep(time.Millisecond)
	}
	if err := os.WriteFile(heard, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := <-r.closed; e.Status != "it had closed its output" || e.Code != -1 || e.Stderr != "bye" {
		t.Errorf("%+v", e)
	}
	if n := c.Written(); n < first || n > 1<<20 {
		t.Errorf("%d bytes were written", n)
	}
	if _, err := c.Queue([]byte("{}")); err != ErrClosed {
		t.Errorf("Queue = %v", err)
	}
	c.terminate()
	c.Kill()
	if e := <-r.exited; e.Status != "signal: killed; it had closed its output" || e.Code != -1 {
		t.Errorf("%+v", e)
	}
}

// A child that closes its input cannot be asked anything any more and is
// ended, too.
func TestChildClosesItsInput(t *testing.T) {
	cfg := shell(t, `exec <&-; echo '{"jsonrpc":"2.0","method":"ready"}'; sleep 600`)
	cfg.Grace = 100 * time.Millisecond
	c, r := startTest(t, cfg)
	<-r.frames
	if err := c.Send([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if e := <-r.exited; e.Status != "signal: terminated; it had closed its input" {
		t.Errorf("%+v", e)
	}
	if _, err := c.Queue([]byte("{}")); err != ErrClosed {
		t.Errorf("Queue = %v", err)
	}
	if n := c.Written(); n != 0 {
		t.Errorf("%d bytes were written", n)
	}
}

// What ended by itself gets no signal for its status.
func TestChildEndsAfterItsOutput(t *testing.T) {
	_, r := startTest(t, shell(t, "exec >&-; exit 5"))
	if e := <-r.exited; e.Status != "exit status 5" || e.Code != 5 {
		t.Errorf("%+v", e)
	}
}

// At the end it is known which frames the child has got.
func TestWritten(t *testing.T) {
	cfg := shell(t, `read line; echo '{"jsonrpc":"2.0","method":"got"}'; sleep 600`)
	cfg.MaxQueue = 2 << 20
	c, r := startTest(t, cfg)
	first, err := c.Queue([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	<-r.frames
	second, err := c.Queue(make([]byte, 1<<20)) // more than a pipe holds
	if err != nil {
		t.Fatal(err)
	}
	third, err := c.Queue([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Queued(); n < 1<<20 {
		t.Errorf("%d bytes are queued", n)
	}
	c.Kill()
	<-r.exited
	if n := c.Written(); first != 3 || second != first+1<<20+1 || third != second+3 || n < first || n >= second {
		t.Errorf("the frames end at %d, %d and %d; %d were written", first, second, third, n)
	}
	if n := c.Queued(); n != 0 {
		t.Errorf("%d bytes are queued after the end", n)
	}
}

func TestStderr(t *testing.T) {
	cfg := shell(t, `i=0; while [ $i -lt 20 ]; do echo "  line $i" >&2; echo >&2; i=$((i+1)); done
		head -c 10000 /dev/zero | tr '\0' x >&2; echo >&2; printf 'error: \303\050 last' >&2`)
	c, r := startTest(t, cfg)
	e := <-r.exited
	long := strings.Repeat("x", maxStderrLine)
	if len(e.Lines) != exitLines || e.Lines[0] != "  line 12" || e.Lines[8] != long[:exitLineSize] || e.Lines[9] != "error: \uFFFD( last" {
		t.Errorf("%q", e.Lines)
	}
	if e.Stderr != "error: \uFFFD( last" {
		t.Errorf("Stderr = %q", e.Stderr)
	}
	got := c.Tail()
	if !strings.HasPrefix(got, "  line 0\n  line 1\n") || !strings.HasSuffix(got, "  line 19\n"+long+" [cut]\nerror: \uFFFD( last\n") {
		t.Errorf("Tail = %q", got)
	}
}

// The end of a child is told although a process that has left its group holds
// the pipes open, and nothing is lost that it had written.
func TestStrayHoldsPipes(t *testing.T) {
	const count = 900
	cfg := shell(t, fmt.Sprintf(`setsid sleep 600 & echo '{"jsonrpc":"2.0","method":"stray","id":'$!'}'
		i=0; while [ $i -lt %d ]; do echo '{"jsonrpc":"2.0","id":'$i',"result":{"text":"%s"}}'; i=$((i+1)); done
		echo to nobody; echo last words >&2; exit 4`, count, strings.Repeat("x", 100)))
	cfg.Grace = time.Hour
	needSetsid(t)
	c, r := startTest(t, cfg)
	e := <-r.exited
	<-c.Done()
	var pid int
	if _, err := fmt.Sscanf(<-r.frames, `request {"jsonrpc":"2.0","method":"stray","id":%d}`, &pid); err != nil {
		t.Fatal(err)
	}
	defer kill(pid)
	if e.Status != "exit status 4" || e.Noise != "to nobody" || e.Stderr != "last words" {
		t.Errorf("%+v", e)
	}
	for i := range count {
		if want := fmt.Sprintf(`response {"jsonrpc":"2.0","id":%d,`, i); !strings.HasPrefix(<-r.frames, want) {
			t.Fatalf("response %d is lost", i)
		}
	}
}

// Not even a process that goes on writing delays the end.
func TestStrayWrites(t *testing.T) {
	needSetsid(t)
	cfg := shell(t, `setsid sh -c 'echo "$$"; while echo; do :; done' & read line; exit 4`)
	cfg.Grace = time.Hour
	c, r := startTest(t, cfg)
	if err := c.Send([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if e := <-r.exited; e.Status != "exit status 4" {
		t.Errorf("%+v", e)
	}
	<-c.Done() // the pipe is closed, which ends the writer
}

func needSetsid(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("setsid"); err != nil {
		if os.Getenv("REQUIRE_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip("needs setsid; apt-get install util-linux")
	}
}

func kill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

// A message that the end cut off is no broken answer: the end explains it.
func TestUnfinishedMessage(t *testing.T) {
	_, r := startTest(t, shell(t, `printf '{"jsonrpc":"2.0","id":1,"result":{"text":"to be'; exit 1`))
	if e := <-r.exited; e.Status != "exit status 1" {
		t.Errorf("%+v", e)
	}
	if n := len(r.broken); n != 0 {
		t.Errorf("%d broken answers: %s", n, <-r.broken)
	}
}

// The spawner's end is the end of all that it has started.
func TestSpawnerClose(t *testing.T) {
	spawner := NewSpawner()
	r := newRecorder()
	c, err := spawner.Start(shell(t, `sleep 600 & echo '{"jsonrpc":"2.0","method":"ready"}'; trap "" TERM; sleep 600; sleep 600`), r)
	if err != nil {
		t.Fatal(err)
	}
	<-r.frames
	spawner.Close()
	select {
	case <-c.Done():
	default:
		t.Error("the child goes on")
	}
	if !c.group.empty() && !c.group.dead() {
		t.Error("the group goes on")
	}
}
