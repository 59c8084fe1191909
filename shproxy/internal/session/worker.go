// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// kind tells whom a worker serves.
type kind uint8

const (
	own    kind = iota // one legacy session
	shared             // all legacy sessions with the same environment
	modern             // the requests of one principal since MCP 2026-07-28
)

// phase is the state of a worker.
type phase uint8

const (
	vacant   phase = iota // no child; the next request starts one
	starting              // a child is on its way; requests wait
	ready
	closed // for good
)

// Worker is a place for one child at a time: when the child ends, the next one
// takes its place, and learns what the clients had told the first. It is
// where a session and its calls live, and its lock guards them all.
type Worker struct {
	m      *Manager
	kind   kind
	key    string   // in the manager's tables
	env    []string // beyond that of the configuration
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	starter  string // the principal for whom children are started; empty: nobody yet, or he is not known
	phase    phase
	cause    error // why it is closed
	link     *link // of the child, if there is one
	sessions map[*Session]struct{}
	waiting  []waitingFrame
	queued   int    // bytes of waiting
	calls    int    // in MCP 2026-07-28
	logging  int    // those of them that asked for log messages
	asking   int    // and those whose client may be asked something
	crashes  int    // in quick succession
	greeting []byte // what the child answered to initialize, if it is shared
	last     error  // how the last child ended
	trial    bool   // the child is only asked something, and may end if it does not like that
	used     time.Time
	idle     *time.Timer // nil for kind own, whose session has one

	profile *era.Profile // what a legacy child is told of its modern clients
}

// waitingFrame is a message that came before the child was ready. call is nil
// for a notification.
type waitingFrame struct {
	call  *Call
	frame []byte
	m     jsonrpc.Message
	edit  jsonrpc.Edit
}

func (m *Manager) newWorker(k kind, key string, env []string) *Worker {
	w := &Worker{m: m, kind: k, key: key, env: env, sessions: make(map[*Session]struct{}), used: time.Now()}
	w.ctx, w.cancel = context.WithCancel(m.ctx)
	return w
}

// launch starts a child. The error says why there is none.
func (w *Worker) launch(ctx context.Context) (*link, error) {
	w.mu.Lock()
	principal, culprit := w.starter, w.culprit()
	w.mu.Unlock()
	if err := w.m.admit(ctx, principal, culprit); err != nil {
		return nil, err
	}
	// The lock makes the child's first words wait until all is in place.
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == closed {
		w.m.starts.give(principal)
		return nil, w.cause
	}
	l := &link{w: w, born: time.Now(), starter: principal, counted: true, pending: make(map[uint64]*Call), tokens: make(map[string]*Call)}
	switch {
	case w.profile != nil:
		l.toLegacy()
	case w.kind != modern && w.m.isModernOnly():
		l.toModern()
	}
	l.silent = time.AfterFunc(placeTimeout, l.hush)
	if err := w.m.startChild(l); err != nil {
		l.settle()
		return nil, err
	}
	w.link = l
	return l, nil
}

// culprit is the principal whose doing it may be if a child ends at once: the
// one who initializes it. Others are greeted by the proxy. w.mu is held.
func (w *Worker) culprit() string {
	if w.kind == own || w.profile != nil {
		return w.starter
	}
	return ""
}

// dispatch sends a request to the child, or lets it wait for one. w.mu is
// held.
func (w *Worker) dispatch(c *Call, frame []byte, m jsonrpc.Message, edit jsonrpc.Edit) error {
	switch w.phase {
	case ready:
		if err := w.give(c, frame, m, edit); err != child.ErrClosed {
			return err
		}
		// The child is ending, and there will be another.
	case closed:
		return w.cause
	case vacant:
		if err := w.m.breaker.check(w.culprit()); err != nil {
			return err
		}
		if !w.revive() {
			return ErrShutdown
		}
	}
	return w.enqueue(c, frame, m, edit)
}

// give hands a request to the child that is there. w.mu is held.
func (w *Worker) give(c *Call, frame []byte, m jsonrpc.Message, edit jsonrpc.Edit) error {
	if w.kind == shared && w.answerShared(c, frame, m) {
		return nil
	}
	return w.link.send(c, frame, m, edit)
}

// enqueue keeps a copy of a message until the child is ready. w.mu is held.
func (w *Worker) enqueue(c *Call, frame []byte, m jsonrpc.Message, edit jsonrpc.Edit) error {
	if w.queued > 0 && w.queued+len(frame) > w.m.cfg.Child.MaxQueue {
		return child.ErrBusy
	}
	w.queued += len(frame)
	w.waiting = append(w.waiting, waitingFrame{c, append([]byte(nil), frame...), m, edit})
	return nil
}

// unqueue removes a call that nobody waits for any more. w.mu is held.
func (w *Worker) unqueue(c *Call) {
	for i, f := range w.waiting {
		if f.call == c {
			w.queued -= len(f.frame)
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			return
		}
	}
}

// flush sends what waited. w.mu is held.
func (w *Worker) flush() {
	all := w.waiting
	w.waiting, w.queued = nil, 0
	for _, f := range all {
		var err error
		if f.call == nil {
			err = w.link.post(f.frame)
		} else {
			err = w.give(f.call, f.frame, f.m, f.edit)
		}
		if err != nil && f.call != nil {
			f.call.fail(err, nil)
		}
	}
}

// failWaiting answers what waited with an error. w.mu is held.
func (w *Worker) failWaiting(err error) {
	all := w.waiting
	w.waiting, w.queued = nil, 0
	var data []byte
	if exit, ok := errors.AsType[*child.ExitError](err); ok {
		data = crashData(exit, false)
	}
	for _, f := range all {
		if f.call != nil {
			f.call.fail(err, data)
		}
	}
}

// close ends the worker and its child; calls in flight fail with the cause. It
// does not wait for the child. w.mu is held.
func (w *Worker) close(cause error) {
	if w.phase == closed {
		return
	}
	w.phase, w.cause = closed, cause
	w.cancel()
	w.failWaiting(cause)
	if l := w.link; l != nil {
		for _, c := range l.pending {
			if c.listen {
				c.finish(completeFrame(c))
			} else {
				c.fail(cause, nil)
			}
		}
		l.stop()
	}
	if w.idle != nil {
		w.idle.Stop()
	}
}

// touch notes that the worker is in use. w.mu is held.
func (w *Worker) touch() {
	if w.kind != own {
		w.used = time.Now()
	}
}

// watch lets an unused worker end after the idle timeout. w.mu is held.
func (w *Worker) watch() { w.idle = time.AfterFunc(w.m.cfg.IdleTimeout, w.expire) }

func (w *Worker) busy() bool {
	return len(w.sessions) > 0 || len(w.waiting) > 0 || w.phase == starting || w.link != nil && len(w.link.pending) > 0 || w.parked()
}

func (w *Worker) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := w.m.cfg.IdleTimeout
	if !w.busy() {
		rest -= time.Since(w.used)
	}
	switch {
	case w.phase == closed:
	case rest > 0:
		w.idle.Reset(rest)
	default:
		w.m.removeWorker(w)
		w.close(ErrIdle)
	}
}

// deliver queues a message. A reader that lets too much wait is cut off; where
// no reader is, the oldest messages go. w.mu is held.
func (w *Worker) deliver(t *Stream, f *Frame) {
	if t.fits(len(f.Data)) {
		t.push(f)
		return
	}
	if t.attended && !t.standalone() {
		w.drop(ErrSlow.Error(), nil)
		t.discard()
		t.end(ErrSlow)
		t.attended = false
		w.refuse(t.s, f)
		f.Release()
		return
	}
	if t.attended { // the stream outlives its readers
		w.drop(ErrSlow.Error(), nil)
		t.kick(ErrSlow)
	}
	for !t.fits(len(f.Data)) {
		oldest := t.pop()
		w.drop("no stream is open and the backlog is full", nil)
		w.refuse(t.s, oldest)
		oldest.Release()
	}
	t.push(f)
}

// refuse answers a request of the child that will not reach the client, so
// that the child does not wait for it. w.mu is held.
func (w *Worker) refuse(s *Session, f *Frame) {
	if s == nil || !f.request.Present() {
		return
	}
	s.unask(f.request.Of(f.Data))
}

// refuseRequest answers a request of the child. w.mu is held.
func (l *link) refuseRequest(id []byte, code int, reason string) {
	if err := l.post(jsonrpc.AppendError(nil, id, code, reason, nil)); err != nil {
		l.w.drop("a refusal could not be sent", id)
	}
}

// drop counts and logs a message that goes nowhere. w.mu is held.
func (w *Worker) drop(why string, id []byte) {
	w.m.dropped.Add(1)
	w.m.log(slog.LevelDebug, "message dropped", slog.String("reason", why), slog.String("id", string(id)))
}

// ask sends a request of the proxy's own and waits for the answer. An error
// response is an error.
func (w *Worker) ask(ctx context.Context, l *link, text string) (*Frame, error) {
	frame := []byte(text)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	c := w.newCall(nil, nil, frame, m)
	c.ours = true
	err = l.send(c, frame, m, jsonrpc.Edit{})
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r := c.Reader(true)
	defer r.Leave()
	for {
		f, _, rest, cause := r.Next()
		switch {
		case f != nil && f.Code == 0:
			return f, nil
		case f != nil && f.Cause != nil:
			defer f.Release()
			return nil, f.Cause
		case f != nil:
			defer f.Release()
			return nil, newRefusal(f)
		case rest == Nothing:
			return nil, cmpError(cause, child.ErrClosed)
		}
		select {
		case <-r.Wake():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// refusal is an error response of the child to a request of the proxy's own.
type refusal struct {
	code    int
	message string
	modern  bool // only servers of the modern era refuse like that
}

func (r *refusal) Error() string { return r.message }

func newRefusal(f *Frame) *refusal {
	r := &refusal{code: f.Code}
	if m, err := jsonrpc.Scan(f.Data); err == nil {
		text, _ := jsonrpc.Lookup(f.Data, m.Error, "message")
		r.message = jsonrpc.Text(text.Of(f.Data))
		r.modern = era.IsModern(f.Data, m)
	}
	return r
}

func cmpError(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// serverError names the server in an error.
func (m *Manager) serverError(format string, args ...any) error {
	return fmt.Errorf("server %q "+format, append([]any{m.cfg.Child.Name}, args...)...)
}

var errClosing = errors.New("the worker is closed")
