// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A child that ends between its first answer and the moment that its worker
// becomes ready fails what waited for it.
func TestEndOnTheThreshold(t *testing.T) {
	t.Parallel()
	s := bare(testConfig(t))
	w := s.w
	w.mu.Lock()
	w.phase, w.link, w.last = starting, nil, errors.New("it has ended")
	frame := request("1", "x")
	c := w.newCall(s, nil, []byte(frame), scan(t, frame))
	if err := w.dispatch(c, []byte(frame), scan(t, frame), noEdit); err != nil {
		t.Fatal(err)
	}
	w.mu.Unlock()
	w.restarted(nil)
	r := c.Reader(true)
	defer r.Leave()
	if f, _, _, _ := r.Next(); f == nil || f.Cause != w.last {
		t.Errorf("the call was answered with %v", f)
	}
	if w.phase != vacant {
		t.Errorf("phase %d", w.phase)
	}
}

// A worker whose child could not be had leaves nothing behind.
func TestFailedStartsLeaveNothing(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, testConfig(t, testserver.Env+"="+testserver.Good))
	for range m.cfg.MaxStarts {
		m.starts.apply("")
	}
	registered := &registry{Context: m.ctx, done: make(chan struct{})}
	m.ctx = registered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := m.Modern(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	for range m.cfg.MaxStarts {
		m.starts.give("")
	}
	if n := registered.n.Load(); n != 0 {
		t.Errorf("%d contexts are left", n)
	}
}

// registry counts the contexts that wait for its end.
type registry struct {
	context.Context
	done chan struct{}
	n    atomic.Int64
}

func (r *registry) Done() <-chan struct{} { return r.done }

func (r *registry) AfterFunc(func()) (stop func() bool) {
	r.n.Add(1)
	return func() bool { r.n.Add(-1); return true }
}

// Warm children that say nothing before initialize hold no place among those
// that are starting.
func TestSilentWarmChildIsNotStarting(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, func(c *Config) { c.Warm, c.MaxStarts = 0, 1 })
	m.mu.Lock()
	m.warming = 1
	m.mu.Unlock()
	w := m.newWorker(own, "", nil)
	l, err := w.launch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	silent := stage.Next()
	if !m.addWarm(w, l) {
		t.Fatal("it is not warm")
	}
	if n := m.starts.taken(); n != 0 {
		t.Fatalf("%d places are taken", n)
	}
	s, err := m.Start(t.Context(), "", []string{"A=b"})
	if err != nil {
		t.Fatal(err)
	}
	fresh := stage.Next()
	fresh.Says(plainNote(1))
	silent.Says(plainNote(1))
	eventually(t, "both have spoken", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return l.heard && m.starts.taken() == 0
	})
	s.End(ErrDeleted)
	silent.Exit(0)
	eventually(t, "nothing is left", func() bool { return m.Stats().Children == 0 })
	if n := m.starts.taken(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// What a client claims to have is kept within the same bounds as what it was
// sent.
func TestClaimedEventsAreBounded(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.ReplayBytes, cfg.ReplayTime = 1000, time.Hour
	s := bare(cfg)
	s.w.m.cfg = cfg
	c := pending(t, s)
	id := c.r.Stream()
	c.r.Leave()
	for range 50 {
		for range 10 {
			say(t, s, "%s", plainNote(100000))
		}
		r := resume(t, s, EventID{id.Stream, 1 << 40})
		r.leave()
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	st := s.replay.streams[id.Stream]
	bytes := 0
	for _, f := range st.queue {
		if f != nil {
			bytes += len(f.Data)
		}
	}
	if bytes > 1000 || s.replay.bytes > 1000 {
		t.Errorf("%d bytes are held, %d counted", bytes, s.replay.bytes)
	}
}

// Calls whose answers go to the one stream of the old transport have no
// connection each that bounds their number.
func TestPlainCallsAreBounded(t *testing.T) {
	t.Parallel()
	s := newTestSession(t, testserver.Silent)
	s.Plain()
	frame := request("1", "x")
	for i := range 2000 {
		if err := s.CallPlain([]byte(frame), scan(t, frame), noEdit); err != nil {
			if err != child.ErrBusy || i < 100 {
				t.Errorf("call %d: %v", i, err)
			}
			return
		}
	}
	t.Error("there is no bound")
}

// An error that one caller's credentials may have caused tells little of the
// server.
func TestEraByOneCallersError(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	done := make(chan bool)
	go func() {
		is, _ := m.Modern(t.Context(), []string{"TOKEN=bad"})
		done <- is
	}()
	a := stage.Next()
	a.Hears()
	a.Says(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"bad token"}}`)
	if <-done {
		t.Error("modern")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.knows.expires.IsZero() {
		t.Error("the server is legacy for ever")
	}
}

// A notification may come while a worker of its principal ends.
func TestPostWhileTheWorkerEnds(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, testConfig(t))
	frame := `{"jsonrpc":"2.0","method":"n"}`
	key := poolKey(false, "p", nil)
	w, other := m.newWorker(modern, key, nil), m.newWorker(modern, key, nil)
	stop := make(chan struct{})
	var poster sync.WaitGroup
	poster.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := m.Post(Caller{Principal: "p"}, []byte(frame), scan(t, frame)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 5000 {
		m.mu.Lock()
		m.modern[key] = []*Worker{w, other}
		m.mu.Unlock()
		m.removeWorker(w)
	}
	close(stop)
	poster.Wait()
	m.removeWorker(other)
	w.giveUp(ErrDeleted)
	other.giveUp(ErrDeleted)
}
