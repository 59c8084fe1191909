// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// bare returns a session without a process, whose worker believes that it has
// one: enough for what happens between the child's words and the reader.
func bare(cfg Config) *Session {
	cfg.Child.Logger = slog.New(slog.DiscardHandler)
	m := &Manager{cfg: cfg, children: nil, sessions: make(map[string]*Session)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	w := m.newWorker(own, "", nil)
	w.phase = ready
	w.link = &link{w: w, heard: true, pending: make(map[uint64]*Call), tokens: make(map[string]*Call)}
	s := newSession(w, "id", "")
	s.version = "2025-11-25"
	w.sessions[s] = struct{}{}
	return s
}

// pending makes a call that a child has been sent.
func pending(t *testing.T, s *Session) testCall {
	t.Helper()
	frame := request("1", "x")
	s.w.mu.Lock()
	c := s.w.newCall(s, nil, []byte(frame), scan(t, frame))
	l := s.w.link
	l.lastKey++
	c.l, c.key, c.attended = l, l.lastKey, true
	l.pending[c.key] = c
	s.w.mu.Unlock()
	return testCall{c, &testReader{t, c.Reader(true), EventID{}}}
}

func plainNote(n int) string { return fmt.Sprintf(`{"jsonrpc":"2.0","method":"n","params":[%d]}`, n) }

// A stream can be resumed after each of its messages, again and again, also
// when the answer came while nobody was there.
func TestResume(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	c := call(t, s, request("1", "x"))
	begin := c.r.Stream()
	if begin.Stream == 0 || begin.Seq != 0 {
		t.Fatalf("the stream begins with %v", begin)
	}
	const n = 5
	for i := range n {
		say(t, s, "%s", plainNote(i+1))
	}
	for i := range n {
		c.want(plainNote(i + 1))
		if want := (EventID{begin.Stream, uint64(i + 1)}); c.at != want {
			t.Errorf("message %d has the id %v, want %v", i+1, c.at, want)
		}
	}
	c.leave()
	say(t, s, "%s", plainNote(n+1))
	say(t, s, "%s", result("1", "done"))
	for range 2 {
		for after := range uint64(n + 3) {
			r := resume(t, s, EventID{begin.Stream, after})
			for i := int(after) + 1; i <= n+1; i++ {
				r.want(plainNote(i))
			}
			if after <= n+1 {
				r.want(result("1", "done"))
			}
			r.want("(<nil>)")
			r.leave()
		}
	}
	if dropped(s) != 0 {
		t.Errorf("%d messages were dropped", dropped(s))
	}
}

// The ids of a session's streams differ, and each stream holds its own
// messages alone.
func TestResumeTellsStreamsApart(t *testing.T) {
	t.Parallel()
	s := bare(Config{ReplayBytes: 1 << 20, ReplayTime: time.Hour})
	standalone := listen(t, s)
	first, second := pending(t, s), pending(t, s)
	for i := range 9 {
		say(t, s, "%s", plainNote(i))
		second.want(plainNote(i))
	}
	answer := func(c testCall) string { return result(fmt.Sprint(c.key), "x") }
	say(t, s, "%s", answer(second))
	second.want(result("1", "x"))
	say(t, s, "%s", plainNote(10))
	first.want(plainNote(10))
	say(t, s, "%s", notification("notifications/tools/list_changed"))
	standalone.want(notification("notifications/tools/list_changed"))
	ids := map[EventID]bool{standalone.at: true, first.at: true, second.at: true}
	if len(ids) != 3 {
		t.Errorf("ids %v", ids)
	}
	resume(t, s, EventID{first.at.Stream, 0}).wantNow(plainNote(10))
	resume(t, s, EventID{standalone.at.Stream, 0}).wantNow(notification("notifications/tools/list_changed"))
	resume(t, s, EventID{second.at.Stream, 8}).wantNow(plainNote(8), result("1", "x"))
}

// What was never an event id, or is none of this session's, is refused.
func TestResumeGone(t *testing.T) {
	t.Parallel()
	s := bare(Config{ReplayBytes: 1 << 20, ReplayTime: time.Hour})
	r := listen(t, s)
	for _, id := range []string{"", "-", "1", "1-", "-1", "a-1", "1-a", "1--1", "-1-1", "2-0", "1-18446744073709551616", " 1-0", "1-0 "} {
		if _, err := s.Resume(id); err != ErrGone {
			t.Errorf("%q: %v", id, err)
		}
	}
	// An id of the future is taken for that of the newest message.
	say(t, s, "%s", plainNote(1))
	r.want(plainNote(1))
	future := resume(t, s, EventID{1, 1 << 60})
	future.wantNow()
	say(t, s, "%s", plainNote(2))
	future.want(plainNote(2))

	for name, change := range map[string]func(*Session){
		"no replay": func(s *Session) { s.w.m.cfg.ReplayBytes = 0 },
		"2024":      func(s *Session) { s.Plain() },
	} {
		s := bare(Config{ReplayBytes: 1 << 20, ReplayTime: time.Hour})
		change(s)
		r := listen(t, s)
		say(t, s, "%s", plainNote(1))
		r.want(plainNote(1))
		if r.at != (EventID{}) {
			t.Errorf("%s: id %v", name, r.at)
		}
		if _, err := s.Resume("1-0"); err != ErrGone {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.w.mu.Lock()
	s.ended, s.cause = true, ErrDeleted
	s.w.mu.Unlock()
	if _, err := s.Resume("1-0"); err != ErrDeleted {
		t.Errorf("after the end: %v", err)
	}
}

// What a session keeps is bounded in bytes; the oldest goes first. A client
// that comes too late gets the rest, and what it missed is counted.
func TestReplayIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := bare(Config{ReplayBytes: 10_000, ReplayTime: time.Hour})
	standalone := listen(t, s)
	begin := standalone.at
	c := pending(t, s)
	for i := range 30 {
		say(t, s, "%s", note(i))
		c.want(note(i))
		if s.replay.bytes > 10_000 {
			t.Fatalf("%d bytes are kept", s.replay.bytes)
		}
	}
	at := c.at
	c.leave()
	r := resume(t, s, EventID{at.Stream, 25})
	r.wantNow(note(25), note(26), note(27), note(28), note(29))
	if dropped(s) != 0 {
		t.Errorf("%d were dropped", dropped(s))
	}
	r.leave()
	late := resume(t, s, EventID{at.Stream, 3})
	frames, _, _ := late.now()
	if len(frames) == 0 || len(frames) > 9 || frames[0] != note(30-len(frames)) {
		t.Fatalf("%d messages, the first is %.100s", len(frames), frames[0])
	}
	if missed := 30 - 3 - len(frames); dropped(s) != missed {
		t.Errorf("%d were counted as dropped, %d were missed", dropped(s), missed)
	}
	// The other stream pays with its messages, and is there all the same.
	say(t, s, "%s", result(fmt.Sprint(c.key), "x"))
	late.want(result("1", "x"), "(<nil>)")
	late.leave()
	standalone.leave()
	standalone = listen(t, s)
	big := `{"jsonrpc":"2.0","method":"n","params":"` + strings.Repeat("x", 20_000) + `"}`
	big = strings.Replace(big, `:"x`, `:["x`, 1)
	big = strings.Replace(big, `x"}`, `x"]}`, 1)
	say(t, s, "%s", big) // too large to be kept
	standalone.want(big)
	if s.replay.bytes != 0 || len(s.replay.ring) != 0 {
		t.Errorf("%d bytes are kept", s.replay.bytes)
	}
	if _, err := s.Resume(string(at.Append(nil))); err != ErrGone {
		t.Errorf("a stream of which nothing is left: %v", err)
	}
	if r, err := s.Resume(string(begin.Append(nil))); err != nil {
		t.Error(err)
	} else {
		r.Leave()
	}
}

// What a client reads again is no sign of its being slow.
func TestResumeOfMuch(t *testing.T) {
	t.Parallel()
	s := bare(Config{ReplayBytes: 4 * maxBacklog, ReplayTime: time.Hour})
	c := pending(t, s)
	const n = 2 * maxBacklog / largeNote
	for i := range n {
		say(t, s, "%s", large(i))
		c.want(large(i))
	}
	c.leave()
	say(t, s, "%s", large(n))
	for range 2 {
		r := resume(t, s, EventID{c.at.Stream, 0})
		for i := range n + 1 {
			r.want(large(i))
		}
		defer r.leave()
	}
	r := resume(t, s, EventID{c.at.Stream, 0})
	defer r.leave()
	say(t, s, "%s", result(fmt.Sprint(c.key), "x"))
	for i := range n + 1 {
		r.want(large(i))
	}
	r.want(result("1", "x"), "(<nil>)")
	if c.waiting != 0 {
		t.Errorf("%d bytes wait", c.waiting)
	}
}

// Messages are kept for a time, and so is a stream that nobody comes back to;
// its call is then given up.
func TestReplayIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const kept = 4 * time.Minute
		s := bare(Config{ReplayBytes: 1 << 20, ReplayTime: kept})
		c := pending(t, s)
		say(t, s, "%s", plainNote(1))
		c.want(plainNote(1))
		at := c.at
		c.leave()
		time.Sleep(kept - time.Second)
		synctest.Wait()
		r := resume(t, s, EventID{at.Stream, 0})
		r.want(plainNote(1))
		r.leave()
		say(t, s, "%s", plainNote(2)) // while nobody is there
		time.Sleep(kept - time.Second)
		synctest.Wait()
		r = resume(t, s, EventID{at.Stream, 1})
		r.want(plainNote(2))
		time.Sleep(2 * kept) // with a reader, a quiet stream stays
		synctest.Wait()
		say(t, s, "%s", plainNote(3))
		r.want(plainNote(3))
		if len(s.replay.ring) != 1 {
			t.Errorf("%d messages are kept", len(s.replay.ring))
		}
		r.leave()
		time.Sleep(kept + kept/sweeps)
		synctest.Wait()
		if _, err := s.Resume(string(r.at.Append(nil))); err != ErrGone {
			t.Errorf("err = %v", err)
		}
		if len(s.w.link.pending) != 0 || s.calls != 0 || s.replay.bytes != 0 || len(s.replay.streams) != 0 {
			t.Errorf("left: %d calls, %d bytes, %d streams", s.calls, s.replay.bytes, len(s.replay.streams))
		}
		s.replay.sweeper.Stop()
	})
}

// The standalone stream does not go with time, however long its client is
// away, and what comes in the meantime waits.
func TestStandaloneStreamStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bare(Config{ReplayBytes: 1 << 20, ReplayTime: time.Minute})
		r := listen(t, s)
		say(t, s, "%s", plainNote(1))
		r.want(plainNote(1))
		r.leave()
		say(t, s, "%s", plainNote(2))
		time.Sleep(time.Hour)
		synctest.Wait()
		r = resume(t, s, r.at)
		r.want(plainNote(2))
		r.leave()
		s.replay.sweeper.Stop()
	})
}

// However many streams a session has had, the next one can be resumed: those
// that have ended make room. Only streams in use are never given up.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	s := bare(Config{ReplayBytes: 1 << 20, ReplayTime: time.Hour})
	for i := range 3 * maxStreams {
		c := pending(t, s)
		say(t, s, "%s", plainNote(i))
		c.want(plainNote(i))
		if c.at == (EventID{}) {
			t.Fatalf("stream %d cannot be resumed", i)
		}
		say(t, s, "%s", result(fmt.Sprint(c.key), "x"))
		c.want(result("1", "x"), "(<nil>)")
		c.leave()
		r := resume(t, s, EventID{c.at.Stream, 0})
		r.want(plainNote(i), result("1", "x"), "(<nil>)")
		r.leave()
	}
	if n := len(s.replay.streams); n > maxStreams {
		t.Errorf("%d streams", n)
	}
	for i := range maxStreams + 1 {
		c := pending(t, s)
		say(t, s, "%s", plainNote(i))
		c.want(plainNote(i))
		if limited := c.at == (EventID{}); limited != (i == maxStreams) {
			t.Fatalf("stream %d has the id %v", i, c.at)
		}
	}
}

// A client whose connection breaks at any moment, and which comes back with
// the last event that it saw, sees every message once and in order, as long as
// no more was written since than the session keeps.
func TestResumeAtAnyMoment(t *testing.T) {
	t.Parallel()
	const bound = 3000
	for seed := range uint64(300) {
		world := &lossyWorld{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), bound: bound, s: bare(Config{ReplayBytes: bound, ReplayTime: time.Hour})}
		for range 3 {
			c := pending(t, world.s)
			world.streams = append(world.streams, &lossyStream{world: world, call: c, reader: c.testReader, id: c.r.Stream()})
		}
		for range 500 {
			world.streams[world.rnd.IntN(len(world.streams))].step()
		}
		for _, l := range world.streams {
			l.finish()
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// lossyWorld is a session whose connections lose what they were given last.
type lossyWorld struct {
	t       *testing.T
	rnd     *rand.Rand
	s       *Session
	bound   int
	streams []*lossyStream
	written []lossyMessage // to any connection
}

type lossyMessage struct {
	stream *lossyStream
	id     EventID
	text   string
}

// lossyStream is one stream together with what its client has seen of it.
type lossyStream struct {
	world  *lossyWorld
	call   testCall
	reader *testReader    // nil while the client is away
	sent   []string       // by the child, in order
	wire   []lossyMessage // written, but not seen yet
	broken bool           // what is written goes nowhere
	seen   int            // by the client
	id     EventID        // of the last that it saw
	gap    bool           // the replay was short: the next message may be a later one
}

func (l *lossyStream) step() {
	switch w := l.world; w.rnd.IntN(12) {
	case 0, 1, 2, 3: // the child speaks
		text := fmt.Sprintf(`{"jsonrpc":"2.0","method":"n","params":["%d %s"]}`, len(l.sent), strings.Repeat("x", w.rnd.IntN(300)))
		l.sent = append(l.sent, text)
		w.s.w.mu.Lock()
		w.s.w.deliver(&l.call.Stream, newFrame([]byte(text), false))
		w.s.w.mu.Unlock()
	case 4, 5, 6, 7: // the connection takes some messages
		l.write(w.rnd.IntN(4))
	case 8, 9: // the client sees some of them
		l.arrive(w.rnd.IntN(4))
	case 10: // the connection breaks, and is closed now or only when the client is back
		l.wire, l.broken = nil, true
		if l.reader != nil && w.rnd.IntN(2) == 0 {
			l.reader.leave()
			l.reader = nil
		}
	case 11:
		l.comeBack()
	}
}

func (l *lossyStream) write(n int) {
	for range n {
		if l.reader == nil {
			return
		}
		f, id, _, _ := l.reader.r.Next()
		if f == nil {
			return
		}
		m := lossyMessage{l, id, string(f.Data)}
		if !l.broken {
			l.wire = append(l.wire, m)
		}
		l.world.written = append(l.world.written, m)
	}
}

func (l *lossyStream) arrive(n int) {
	for ; n > 0 && len(l.wire) > 0; n-- {
		m := l.wire[0]
		l.wire = l.wire[1:]
		at := l.seen
		if l.gap {
			at = max(at, int(m.id.Seq)-1)
		}
		if at >= len(l.sent) || m.text != l.sent[at] || m.id.Seq != uint64(at+1) {
			l.world.t.Errorf("event %v after %v is %.60s", m.id, l.id, m.text)
		}
		l.seen, l.id, l.gap = at+1, m.id, false
	}
}

// pressure is how much was written since the first message that the client
// has not seen, which is the one that it asks for.
func (l *lossyStream) pressure() (n int) {
	for i := len(l.world.written) - 1; i >= 0; i-- {
		m := l.world.written[i]
		n += len(m.text)
		if m.stream == l && m.id.Seq == l.id.Seq+1 {
			return n
		}
	}
	return 0 // it was never written
}

func (l *lossyStream) comeBack() {
	old := l.reader
	l.wire, l.broken = nil, false
	before := dropped(l.world.s)
	l.reader = resume(l.world.t, l.world.s, l.id)
	l.gap = dropped(l.world.s) > before
	if n := l.pressure(); l.gap && n <= l.world.bound {
		l.world.t.Errorf("only %d bytes were written since event %v, but the replay is short", n, l.id)
	}
	if old != nil {
		old.leave()
	}
}

func (l *lossyStream) finish() {
	l.comeBack()
	l.write(len(l.sent) + 1)
	l.arrive(len(l.sent) + 1)
	if l.seen != len(l.sent) && !l.gap {
		l.world.t.Errorf("%d of %d messages arrived", l.seen, len(l.sent))
	}
	l.reader.leave()
}

// An event id is what parseEventID makes of its text.
func FuzzEventID(f *testing.F) {
	f.Add("1-2")
	f.Add("18446744073709551615-0")
	f.Add("-")
	f.Add("01-2")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseEventID(text)
		if err != nil {
			if err != ErrGone {
				t.Error(err)
			}
			return
		}
		again, err := parseEventID(string(id.Append(nil)))
		if err != nil || again != id {
			t.Errorf("%q is %v, and that is %v, %v", text, id, again, err)
		}
	})
}
