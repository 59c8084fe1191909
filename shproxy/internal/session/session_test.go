// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(testserver.Env); mode != "" {
		os.Exit(testserver.Run(mode, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// testConfig has room for everything; change it where a test needs less. The
// children are test servers in the mode, or puppets on a stage.
func testConfig(t *testing.T, env ...string) Config {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		MaxSessions: 10, MaxStarts: 4, IdleTimeout: time.Hour, StartTimeout: 20 * time.Second,
		ReplayBytes: 1 << 20, ReplayTime: time.Hour,
		Child: child.Config{
			Name: "test", Path: exe, Env: append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...),
			MaxLine: 64 << 20, MaxQueue: 8 << 20, Grace: 200 * time.Millisecond,
			Logger: slog.New(slog.DiscardHandler),
		},
	}
}

// newTestManager ends with the test, and then nothing must be left.
func newTestManager(t *testing.T, cfg Config) *Manager {
	t.Helper()
	m := NewManager(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if left := len(m.sessions) + len(m.children); left != 0 || m.starts.taken() != 0 {
			t.Errorf("left: %d sessions, %d children, %d starting", len(m.sessions), len(m.children), m.starts.taken())
		}
	})
	return m
}

// newStage returns a manager whose children are puppets.
func newStage(t *testing.T, change func(*Config)) (*Manager, *testserver.Stage) {
	t.Helper()
	stage := testserver.NewStage(t)
	cfg := testConfig(t, stage.Env()...)
	if change != nil {
		change(&cfg)
	}
	return newTestManager(t, cfg), stage
}

// silent makes the children of a stage say nothing, and shortens the time that
// this is borne. They are no puppets then: in that time, not even those might
// be there. The function that it returns ends this.
func silent(c *Config) (end func()) {
	before := *c
	c.Child.Env = append(slices.Clip(c.Child.Env), testserver.Env+"="+testserver.Silent)
	c.StartTimeout = 100 * time.Millisecond
	return func() { c.Child.Env, c.StartTimeout = before.Child.Env, before.StartTimeout }
}

// newTestSession starts a session with a child that says nothing by itself,
// so that tests can speak for it with say.
func newTestSession(t *testing.T, mode string) *Session {
	t.Helper()
	return start(t, newTestManager(t, testConfig(t, testserver.Env+"="+mode)))
}

func start(t *testing.T, m *Manager) *Session {
	t.Helper()
	s, err := m.Start(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const initFrame = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`

func initAnswer(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`
}

// initialized starts a session and plays its child's part.
func initialized(t *testing.T, m *Manager, stage *testserver.Stage) (*Session, *testserver.Actor) {
	t.Helper()
	s := start(t, m)
	child := stage.Next()
	c := call(t, s, initFrame)
	defer c.leave()
	child.Expect(strings.Replace(initFrame, `"init"`, "1", 1))
	child.Says(initAnswer("1"))
	c.want(initAnswer(`"init"`))
	post(t, s, initializedFrame)
	child.Expect(initializedFrame)
	return s, child
}

func scan(t *testing.T, frame string) jsonrpc.Message {
	t.Helper()
	m, err := jsonrpc.Scan([]byte(frame))
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	return m
}

// say lets the session hear a message as if from its child.
func say(t *testing.T, s *Session, format string, args ...any) {
	t.Helper()
	frame := fmt.Sprintf(format, args...)
	s.w.mu.Lock()
	l := s.w.link
	s.w.mu.Unlock()
	l.Receive([]byte(frame), scan(t, frame), false)
}

// testCall is a call together with its reader.
type testCall struct {
	*Call
	*testReader
}

// call sends a request whose client takes event streams, too.
func call(t *testing.T, s *Session, frame string) testCall {
	t.Helper()
	c, err := s.Call([]byte(frame), scan(t, frame), jsonrpc.Edit{}, true)
	if err != nil {
		t.Fatal(err)
	}
	return testCall{c, &testReader{t, c.Reader(true), EventID{}}}
}

func post(t *testing.T, s *Session, frame string) {
	t.Helper()
	if err := s.Post([]byte(frame), scan(t, frame)); err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
}

// testReader reads as a client does.
type testReader struct {
	t  *testing.T
	r  Reader
	at EventID // of what was read last
}

func listen(t *testing.T, s *Session) *testReader {
	t.Helper()
	r, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	return &testReader{t, r, r.Stream()}
}

// resume goes on after the event.
func resume(t *testing.T, s *Session, after EventID) *testReader {
	t.Helper()
	r, err := s.Resume(string(after.Append(nil)))
	if err != nil {
		t.Fatal(err)
	}
	return &testReader{t, r, after}
}

// now returns all that is there, whether more can come, and else why not.
func (r *testReader) now() (frames []string, more bool, cause error) {
	for {
		f, id, rest, cause := r.r.Next()
		if f != nil {
			frames = append(frames, string(f.Data))
			r.at = id
			f.Release()
		}
		if rest != Queued {
			return frames, rest == Later, cause
		}
	}
}

// next waits for a message; at the end of the stream it returns the reason in
// parentheses.
func (r *testReader) next() string {
	r.t.Helper()
	late := time.After(time.Minute)
	for {
		f, id, rest, cause := r.r.Next()
		if f != nil {
			defer f.Release()
			r.at = id
			return string(f.Data)
		}
		if rest == Nothing {
			return fmt.Sprintf("(%v)", cause)
		}
		select {
		case <-r.r.Wake():
		case <-late:
			r.t.Fatal("no message came")
		}
	}
}

// want waits for messages; "(reason)" is the end of the stream.
func (r *testReader) want(all ...string) {
	r.t.Helper()
	for _, want := range all {
		if got := r.next(); got != want {
			r.t.Fatalf("got %.1000s\nwant %.1000s", got, want)
		}
	}
}

// wantNow compares what is there with what is wanted.
func (r *testReader) wantNow(want ...string) {
	r.t.Helper()
	got, _, _ := r.now()
	if len(got) != len(want) {
		r.t.Fatalf("got %d messages %.1000q\nwant %d", len(got), got, len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			r.t.Fatalf("message %d is %.1000s\nwant %.1000s", i, got[i], want[i])
		}
	}
}

func (r *testReader) leave() { r.r.Leave() }

// note is a message of about a kilobyte.
func note(n int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":{"n":%d,"pad":"%s"}}`, n, strings.Repeat("x", 1000))
}

// large is a message of somewhat more than largeNote bytes.
func large(n int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":{"n":%d,"pad":"%s"}}`, n, strings.Repeat("x", largeNote))
}

const largeNote = 40_000

func request(id, method string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q}`, id, method)
}

func result(id, value string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"v":%q}}`, id, value)
}

func notification(method string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q}`, method)
}

// dropped is how many messages went nowhere.
func dropped(s *Session) int { return int(s.w.m.dropped.Load()) }

// eventually waits for a state that no message announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

var errTest = errors.New("bad")
