// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
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

// newTestSession starts a session with a child that says nothing by itself,
// so that tests can speak for it through Receive.
func newTestSession(t *testing.T, mode string) *Session {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := NewManager(Config{
		MaxSessions: 10, IdleTimeout: time.Hour,
		Child: child.Config{
			Name: mode, Path: exe, Env: append(os.Environ(), "GORACE=atexit_sleep_ms=0", testserver.Env+"="+mode),
			MaxLine: 64 << 20, MaxQueue: 8 << 20, Grace: 200 * time.Millisecond,
			Logger: slog.New(slog.DiscardHandler),
		},
	})
	t.Cleanup(func() {
		if err := m.Shutdown(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	s, err := m.Start("")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// say lets the session hear a message as if from its child.
func say(t *testing.T, s *Session, format string, args ...any) {
	t.Helper()
	frame := fmt.Appendf(nil, format, args...)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		t.Fatal(err)
	}
	s.Receive(frame, m, false)
}

func call(t *testing.T, s *Session, streaming bool, frame string) *Call {
	t.Helper()
	m, err := jsonrpc.Scan([]byte(frame))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Call([]byte(frame), m, streaming)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read returns all that waits on a stream, and whether more can come.
func read(s *Stream) (frames []string, more bool, cause error) {
	for {
		f, rest, cause := s.Next()
		if f != nil {
			frames = append(frames, string(f.Data))
			f.Release()
		}
		if rest != Queued {
			return frames, rest == Later, cause
		}
	}
}

func note(n int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":{"n":%d,"pad":"%s"}}`, n, strings.Repeat("x", 1000))
}

// Without a reader the backlog is bounded: the oldest messages go, and are
// counted.
func TestBacklogIsBounded(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	const n = 2 * maxBacklog / 1000
	for i := range n {
		say(t, s, "%s", note(i))
	}
	dropped := int(s.m.Stats().Dropped)
	if dropped == 0 || dropped == n {
		t.Fatalf("%d of %d were dropped", dropped, n)
	}
	stream, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Leave()
	frames, more, _ := read(stream)
	if len(frames) != n-dropped || !more {
		t.Fatalf("%d messages waited, want %d", len(frames), n-dropped)
	}
	for i, frame := range frames {
		if frame != note(dropped+i) {
			t.Fatalf("message %d is %.100s", i, frame)
		}
	}
}

// A queue that is never empty takes no more memory than what waits in it.
func TestQueueDoesNotGrow(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	stream, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Leave()
	say(t, s, "%s", note(0))
	for i := range 1000 {
		say(t, s, "%s", note(i+1))
		f, rest, _ := stream.Next()
		if rest != Queued || string(f.Data) != note(i) {
			t.Fatalf("message %d is %.100s", i, f.Data)
		}
		f.Release()
	}
	if n := cap(stream.queue); n > 10 {
		t.Errorf("the queue has room for %d messages", n)
	}
}

// A reader that lets too much wait is cut off, and the next one starts anew.
func TestSlowReaderIsCutOff(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, true, `{"jsonrpc":"2.0","id":1,"method":"x"}`)
	slow, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []*Stream{&c.Stream, slow} {
		for i := 0; !target.ended; i++ {
			if i > 2*maxBacklog/1000 {
				t.Fatal("nothing bounds the stream")
			}
			say(t, s, "%s", note(i))
		}
		if frames, more, cause := read(target); len(frames) != 0 || more || cause != ErrSlow {
			t.Errorf("%d messages, more %v, cause %v", len(frames), more, cause)
		}
	}
	say(t, s, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	if frames, _, cause := read(&c.Stream); len(frames) != 0 || cause != ErrSlow {
		t.Errorf("an answer after a gap: %v, %v", frames, cause)
	}
	c.Close()
	slow.Leave()
	next, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer next.Leave()
	say(t, s, "%s", note(1))
	if frames, _, _ := read(next); len(frames) != 1 {
		t.Errorf("the next reader got %d messages", len(frames))
	}
}

// A single message larger than the backlog passes.
func TestLargeMessage(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, true, `{"jsonrpc":"2.0","id":1,"method":"x"}`)
	defer c.Close()
	large := `{"jsonrpc":"2.0","method":"n","params":{"x":"` + strings.Repeat("x", 2*maxBacklog) + `"}}`
	say(t, s, "%s", large)
	if frames, more, _ := read(&c.Stream); len(frames) != 1 || frames[0] != large || !more {
		t.Errorf("%d messages, more %v", len(frames), more)
	}
}

// Messages that belong to nothing are dropped and counted, never guessed.
func TestUnattributable(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, true, `{"jsonrpc":"2.0","id":"a","method":"x","params":{"_meta":{"progressToken":"t"}}}`)
	defer c.Close()
	for _, frame := range []string{
		`{"jsonrpc":"2.0","id":"a","result":{}}`, // the client's id, not ours
		`{"jsonrpc":"2.0","id":2,"result":{}}`,
		`{"jsonrpc":"2.0","id":"1","result":{}}`,
		`{"jsonrpc":"2.0","id":1.0,"result":{}}`,
		`{"jsonrpc":"2.0","id":null,"error":{}}`,
		`{"jsonrpc":"2.0","error":{}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"u"}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress"}`,
	} {
		say(t, s, "%s", frame)
	}
	if frames, more, _ := read(&c.Stream); len(frames) != 0 || !more {
		t.Errorf("the call got %v", frames)
	}
	if n := s.m.Stats().Dropped; n != 8 {
		t.Errorf("%d were dropped", n)
	}
	say(t, s, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	if frames, more, cause := read(&c.Stream); len(frames) != 1 || frames[0] != `{"jsonrpc":"2.0","id":"a","result":{}}` || more || cause != nil {
		t.Errorf("the call got %v, %v, %v", frames, more, cause)
	}
	say(t, s, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	if n := s.m.Stats().Dropped; n != 9 {
		t.Errorf("a second answer was not dropped")
	}
}

// A request of the server that cannot reach a client is answered here: the
// child would wait for ever.
func TestUndeliverableRequestIsRefused(t *testing.T) {
	s := newTestSession(t, testserver.Good)
	c := call(t, s, true, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask"}}`)
	for {
		<-c.Wake()
		f, _, _ := c.Next()
		if f == nil {
			continue
		}
		if !strings.Contains(string(f.Data), "sampling/createMessage") {
			t.Fatalf("got %s", f.Data)
		}
		f.Release()
		break
	}
	// Another one that nobody has read when the reader leaves.
	say(t, s, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	c.Close()
	// The child takes the refusal for the answer to its own request 1; its
	// answer to the call then comes too late, which is counted.
	for s.m.Stats().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
}

// Unreadable answers fail the call that they were for, or all if that is not
// known.
func TestBroken(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	var calls []*Call
	for i := range 3 {
		calls = append(calls, call(t, s, true, fmt.Sprintf(`{"jsonrpc":"2.0","id":"c%d","method":"x"}`, i)))
	}
	s.Broken([]byte("2"), errors.New("bad"))
	s.Broken([]byte("9"), errors.New("bad"))
	for i, want := range []int{0, 1, 0} {
		if frames, _, _ := read(&calls[i].Stream); len(frames) != want {
			t.Errorf("call %d got %v", i, frames)
		}
	}
	s.Broken(nil, errors.New("bad"))
	for _, i := range []int{0, 2} {
		want := fmt.Sprintf(`{"jsonrpc":"2.0","id":"c%d","error":{"code":-32603,"message":"server \"silent\" sent an unusable answer: bad"}}`, i)
		if frames, more, _ := read(&calls[i].Stream); len(frames) != 1 || frames[0] != want || more {
			t.Errorf("call %d got %v", i, frames)
		}
	}
	for _, c := range calls {
		c.Close()
	}
}

// Idle time does not pass while somebody waits for an answer or listens.
func TestIdle(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	expire := func() bool {
		s.mu.Lock()
		s.lastUsed = time.Now().Add(-2 * s.m.cfg.IdleTimeout)
		s.mu.Unlock()
		s.expire()
		return s.Cause() != nil
	}
	c := call(t, s, true, `{"jsonrpc":"2.0","id":1,"method":"x"}`)
	if expire() {
		t.Fatal("ended with a call in flight")
	}
	stream, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if expire() {
		t.Fatal("ended with an open stream")
	}
	stream.Leave()
	s.expire()
	if s.Cause() != nil {
		t.Fatal("ended at once")
	}
	if !expire() || s.Cause() != ErrIdle {
		t.Errorf("cause %v", s.Cause())
	}
}

// Calls in flight may share a progress token: the child gets another one for
// the second, and both clients see their own.
func TestSharedProgressToken(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	const frame = `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":"t"}}}`
	first, second := call(t, s, true, frame), call(t, s, true, frame)
	defer first.Close()
	defer second.Close()
	say(t, s, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"\u0074"}}`)
	say(t, s, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":2,"progressToken":"shproxy-2"}}`)
	if frames, _, _ := read(&first.Stream); len(frames) != 1 || frames[0] != `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"\u0074"}}` {
		t.Errorf("first got %s", frames)
	}
	if frames, _, _ := read(&second.Stream); len(frames) != 1 || frames[0] != `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":2,"progressToken":"t"}}` {
		t.Errorf("second got %s", frames)
	}
}

// The token that the child sees instead is nobody else's either.
func TestProgressTokenLikeOurs(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	var calls []*Call
	for _, token := range []string{"shproxy-3", "t", "t"} {
		c := call(t, s, true, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":%q}}}`, token))
		defer c.Close()
		calls = append(calls, c)
	}
	for i, token := range []string{"shproxy-3", "t", "shproxy-4"} {
		say(t, s, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q}}`, token)
		if frames, _, _ := read(&calls[i].Stream); len(frames) != 1 {
			t.Errorf("call %d got %v", i, frames)
		}
	}
}

// A token of null asks for no progress, however often.
func TestNullProgressToken(t *testing.T) {
	s := newTestSession(t, testserver.Silent)
	for range 2 {
		c := call(t, s, true, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":null}}}`)
		defer c.Close()
		if c.token != "" {
			t.Errorf("the call has the token %s, and the child sees another: %v", c.token, c.ownToken != nil)
		}
	}
}
