// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	// shortLife is how long a child must live to count as working.
	shortLife = 10 * time.Second
	// firstPause and longestPause bound the time between a crash in quick
	// succession and the next start.
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	// toldLines of stderr go into the error that a crash makes.
	toldLines = 5
)

const initializedFrame = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

// lost takes the end of the conversation with a child, once: each call in
// flight fails, and the worker is free for another child. w.mu is held.
func (w *Worker) lost(l *link, err *child.ExitError) {
	if l.over {
		return
	}
	l.over = true
	w.m.childLost(l, err)
	for _, c := range l.pending {
		if c.listen { // an abrupt end, after which the client opens another
			c.forget()
			c.out.end(err)
			continue
		}
		c.fail(err, crashData(err, l.written(c)))
	}
	for s := range w.sessions {
		s.asked.forget(l)
	}
	if w.link != l {
		return
	}
	w.link, w.last = nil, err
	if !l.stopped {
		w.crashes++
		if time.Since(l.born) >= shortLife {
			w.crashes = 1
		}
	}
	if w.phase != ready {
		return // closed, or whoever waits for the start will see
	}
	w.phase = vacant
	w.m.coldAgain(w)
	needed := len(w.waiting) > 0
	for s := range w.sessions {
		if !s.outlives() {
			s.end(err)
			continue
		}
		needed = needed || s.stream.attended // somebody waits for what the server says of its own accord
	}
	if needed && w.phase == vacant && !w.revive() {
		w.failWaiting(ErrShutdown)
	}
}

// crashData tells a client what it needs to decide about another try.
func crashData(err *child.ExitError, written bool) []byte {
	data := append([]byte(nil), `{"status":`...)
	data = jsonrpc.AppendString(data, err.Status)
	data = strconv.AppendBool(append(data, `,"written":`...), written)
	data = strconv.AppendBool(append(data, `,"retryable":`...), !written)
	data = append(data, `,"stderr":[`...)
	for i, line := range err.Lines[max(0, len(err.Lines)-toldLines):] {
		if i > 0 {
			data = append(data, ',')
		}
		data = jsonrpc.AppendString(data, line)
	}
	return append(data, `]}`...)
}

// revive starts another child in the background. It reports false when the
// manager is closing. w.mu is held, and the worker is vacant.
func (w *Worker) revive() bool {
	if !w.m.background(w.restart) {
		return false
	}
	w.phase = starting
	return true
}

func (w *Worker) restart() {
	err := w.pause()
	if err == nil {
		err = w.start()
	}
	w.restarted(err)
}

// restarted makes the worker ready, unless its child could not be started or
// has ended already.
func (w *Worker) restarted(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.link == nil {
		err = cmpError(w.last, child.ErrClosed)
	}
	switch {
	case w.phase == closed:
	case err != nil:
		w.phase = vacant
		w.failWaiting(err)
		w.m.log(slog.LevelWarn, "the server could not be restarted", slog.String("cause", err.Error()))
	default:
		w.phase = ready
		w.flush()
	}
}

// pause waits longer after each crash in quick succession.
func (w *Worker) pause() error {
	w.mu.Lock()
	n := w.crashes
	w.mu.Unlock()
	if n <= 1 {
		return nil
	}
	timer := time.NewTimer(min(firstPause<<min(n-2, 16), longestPause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ctx.Done():
		return errClosing
	}
}

// start launches a child, unless a warm one is there, and tells it what the
// clients had told the one before.
func (w *Worker) start() error {
	w.mu.Lock()
	l := w.link
	w.mu.Unlock()
	if l == nil {
		var err error
		if l, err = w.launch(w.ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.m.cfg.StartTimeout)
	defer cancel()
	err := w.greet(ctx, l)
	if err == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(err, context.DeadlineExceeded) {
		err = w.tooSlow(l)
	}
	if w.link == l {
		w.link = nil
		l.stop()
	}
	return err
}

// tooSlow explains a child that does not answer its first request.
func (w *Worker) tooSlow(l *link) error {
	method := "initialize"
	if w.kind == modern {
		method = "server/discover"
	}
	if says := l.child.Says(); says != "" {
		return w.m.serverError("did not answer %s within %v; %s", method, w.m.cfg.StartTimeout, says)
	}
	return w.m.serverError("did not answer %s within %v", method, w.m.cfg.StartTimeout)
}

// greet makes a fresh child ready for what the clients send.
func (w *Worker) greet(ctx context.Context, l *link) error {
	switch w.kind {
	case modern:
		return w.greetModern(ctx, l)
	case shared:
		return w.greetShared(ctx, l)
	}
	w.mu.Lock()
	var s *Session
	for s = range w.sessions {
	}
	w.mu.Unlock()
	if s == nil {
		return errClosing
	}
	f, err := w.hello(ctx, l, string(s.hello))
	if err != nil {
		return err
	}
	defer f.Release()
	if version := era.Agree(s.offered, agreedVersion(f.Data)); version != s.Version() {
		return w.m.serverError("speaks another protocol version since it was restarted: %q", version)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := l.post([]byte(initializedFrame)); err != nil {
		return err
	}
	return w.replay(l, s)
}

// replay tells a fresh child what a session had set: the log level and the
// subscriptions. w.mu is held.
func (w *Worker) replay(l *link, s *Session) error {
	if s.level != nil {
		if err := w.tell(l, s.level); err != nil {
			return err
		}
	}
	for _, frame := range s.subscriptions {
		if err := w.tell(l, frame); err != nil {
			return err
		}
	}
	return nil
}

// tell sends a request whose answer does not matter. w.mu is held.
func (w *Worker) tell(l *link, frame []byte) error {
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		return err
	}
	c := w.newCall(nil, nil, frame, m)
	c.ours = true
	return l.send(c, frame, m, jsonrpc.Edit{})
}

// agreedVersion is the protocol version in the answer to initialize.
func agreedVersion(frame []byte) string {
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		return ""
	}
	version, _ := jsonrpc.Lookup(frame, m.Result, "protocolVersion")
	return jsonrpc.Text(version.Of(frame))
}
