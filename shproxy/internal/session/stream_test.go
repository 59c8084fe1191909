// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Without a reader the backlog is bounded: the oldest messages go, and are
// counted.
func TestBacklogIsBounded(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	const n = 2 * maxBacklog / largeNote
	for i := range n {
		say(t, s, "%s", large(i))
	}
	gone := dropped(s)
	if gone == 0 || gone == n {
		t.Fatalf("%d of %d were dropped", gone, n)
	}
	r := listen(t, s)
	defer r.leave()
	frames, more, _ := r.now()
	if len(frames) != n-gone || !more {
		t.Fatalf("%d messages waited, want %d", len(frames), n-gone)
	}
	for i, frame := range frames {
		if frame != large(gone+i) {
			t.Fatalf("message %d is %.100s", i, frame)
		}
	}
}

// A queue that is never empty takes no more memory than what waits in it and
// what is kept for a resumption.
func TestQueueDoesNotGrow(t *testing.T) {
	t.Parallel()
	for name, replay := range map[string]int{"nothing kept": 0, "something kept": 5000} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t, testserver.Env+"="+testserver.Silent)
			cfg.ReplayBytes = replay
			s := start(t, newTestManager(t, cfg))
			r := listen(t, s)
			defer r.leave()
			say(t, s, "%s", note(0))
			for i := range 1000 {
				say(t, s, "%s", note(i+1))
				f, _, rest, _ := r.r.Next()
				if rest != Queued || string(f.Data) != note(i) {
					t.Fatalf("message %d is %.100s", i, f.Data)
				}
				f.Release()
			}
			if n := cap(s.stream.queue); n > 64 {
				t.Errorf("the queue has room for %d messages", n)
			}
			if n := len(s.replay.ring); n > replay/1000 || s.replay.bytes > replay {
				t.Errorf("%d messages, %d bytes are kept", n, s.replay.bytes)
			}
		})
	}
}

// A reader of a call that lets too much wait is cut off, also from the answer.
func TestSlowReaderOfACall(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, request("1", "x"))
	for i := 0; !c.ended; i++ {
		if i > 2*maxBacklog/largeNote {
			t.Fatal("nothing bounds the stream")
		}
		say(t, s, "%s", large(i))
	}
	if frames, more, cause := c.now(); len(frames) != 0 || more || cause != ErrSlow {
		t.Errorf("%d messages, more %v, cause %v", len(frames), more, cause)
	}
	before := dropped(s)
	if before == 0 {
		t.Error("it was not counted")
	}
	say(t, s, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	if frames, _, cause := c.now(); len(frames) != 0 || cause != ErrSlow {
		t.Errorf("an answer after a gap: %v, %v", frames, cause)
	}
	c.leave()
	other := call(t, s, request("2", "x"))
	say(t, s, "%s", result("2", "fine"))
	other.want(result("2", "fine"))
	other.leave()
}

// A reader of the standalone stream that lets too much wait has to leave; the
// stream goes on without the oldest messages, which are counted.
func TestSlowReaderOfTheStandaloneStream(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	slow := listen(t, s)
	n := 0
	for ; dropped(s) < 3; n++ {
		if n > 2*maxBacklog/largeNote {
			t.Fatal("nothing bounds the stream")
		}
		say(t, s, "%s", large(n))
	}
	if frames, more, cause := slow.now(); len(frames) != 0 || more || cause != ErrSlow {
		t.Errorf("%d messages, more %v, cause %v", len(frames), more, cause)
	}
	slow.leave()
	next := listen(t, s)
	defer next.leave()
	frames, more, _ := next.now()
	if !more || len(frames) == 0 || frames[len(frames)-1] != large(n-1) {
		t.Fatalf("the next reader got %d messages, more %v", len(frames), more)
	}
	gone := n - len(frames)
	if frames[0] != large(gone) || gone > dropped(s) {
		t.Errorf("%d are gone, %d were counted, the first left is %.100s", gone, dropped(s), frames[0])
	}
	say(t, s, "%s", note(n))
	next.wantNow(note(n))
}

// A single message larger than the backlog passes.
func TestLargeMessage(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, request("1", "x"))
	defer c.leave()
	large := `{"jsonrpc":"2.0","method":"n","params":{"x":"` + strings.Repeat("x", 2*maxBacklog) + `"}}`
	say(t, s, "%s", large)
	if frames, more, _ := c.now(); len(frames) != 1 || frames[0] != large || !more {
		t.Errorf("%d messages, more %v", len(frames), more)
	}
}

// The newest reader takes over on every kind of stream, and the older one
// learns why it has to leave. What an older reader does late does no harm.
func TestNewestReaderWins(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, request("1", "x"))
	say(t, s, "%s", note(0))
	c.wantNow(note(0))
	batch := batchOf(t, s, request("2", "x"), request("3", "x"))
	say(t, s, "%s", note(1))
	batch.wantNow(note(1))
	standalone := listen(t, s)
	first := standalone.at
	say(t, s, "%s", notification("notifications/tools/list_changed"))
	standalone.wantNow(notification("notifications/tools/list_changed"))

	for name, old := range map[string]*testReader{"call": c.testReader, "batch": batch, "standalone": standalone} {
		newer := resume(t, s, old.at)
		if frames, more, cause := old.now(); len(frames) != 0 || more || cause != ErrReplaced {
			t.Errorf("%s: the older reader got %v, more %v, cause %v", name, frames, more, cause)
		}
		old.leave()
		if name == "standalone" {
			say(t, s, "%s", notification("notifications/prompts/list_changed"))
			newer.wantNow(notification("notifications/prompts/list_changed"))
			last := listen(t, s)
			newer.want("(" + ErrReplaced.Error() + ")")
			newer.leave()
			newer = last
		}
		defer newer.leave()
	}
	for _, id := range []string{"1", "2", "3"} {
		say(t, s, "%s", result(id, "a"))
	}
	resumed := resume(t, s, c.at)
	resumed.want(result("1", "a"), "(<nil>)")
	resumed.leave()
	resumed = resume(t, s, batch.at)
	resumed.want(result("2", "a"), result("3", "a"), "(<nil>)")
	resumed.leave()
	resumed = resume(t, s, first)
	resumed.wantNow(notification("notifications/tools/list_changed"), notification("notifications/prompts/list_changed"))
	resumed.leave()
}

func batchOf(t *testing.T, s *Session, frames ...string) *testReader {
	t.Helper()
	raw, messages := batchFrames(t, frames...)
	r, err := s.Batch(raw, messages)
	if err != nil {
		t.Fatal(err)
	}
	return &testReader{t, r, r.Stream()}
}

func batchFrames(t *testing.T, frames ...string) (raw [][]byte, messages []jsonrpc.Message) {
	t.Helper()
	for _, frame := range frames {
		raw = append(raw, []byte(frame))
		messages = append(messages, scan(t, frame))
	}
	return raw, messages
}
