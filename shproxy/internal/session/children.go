// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
)

const (
	pingFrame = `{"jsonrpc":"2.0","id":0,"method":"ping"}`
	// placeTimeout is how long a child that says nothing counts among those
	// that are starting.
	placeTimeout = 10 * time.Second
	// warmTimeout is how long a warm child may take to answer ping before it
	// counts as ready anyhow.
	warmTimeout = 10 * time.Second
)

// admit waits for a place among the children that are starting. The error is a
// [*FailedError] or that of ctx.
func (m *Manager) admit(ctx context.Context, principal, culprit string) error {
	if err := cmp.Or(ctx.Err(), m.breaker.check(culprit)); err != nil {
		return err
	}
	a := m.starts.apply(principal)
	var err error
	select {
	case <-a.granted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-m.ctx.Done():
		err = ErrShutdown
	}
	m.starts.leave(a)
	return err
}

// settle gives the child's place back, if it has one. The worker's lock is
// held.
func (l *link) settle() {
	if l.counted {
		l.counted = false
		l.w.m.starts.give(l.starter)
		l.silent.Stop()
	}
}

// hush gives the place back of a child that has said nothing for long, lest
// clients that ask it nothing keep others from starting.
func (l *link) hush() {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.settle()
}

// startChild runs a child for the link. The worker's lock is held.
func (m *Manager) startChild(l *link) error {
	cfg := m.cfg.Child
	if len(l.w.env) > 0 {
		cfg.Env = append(slices.Clone(cfg.Env), l.w.env...)
	}
	if err := m.reserve(); err != nil {
		return err
	}
	defer m.tasks.Done()
	c, err := m.spawner.Start(cfg, l)
	if err != nil {
		m.failed.Add(1)
		err = m.serverError("could not be started: %w", err)
		if len(l.w.env) == 0 { // or it may be more than the system takes
			m.breaker.failed("", err)
		}
		return err
	}
	m.started.Add(1)
	if l.w.crashes > 0 {
		m.restarted.Add(1)
	}
	l.child = c
	m.mu.Lock()
	m.children[l] = c
	m.mu.Unlock()
	return nil
}

// reserve makes Shutdown wait until the child that is about to start is in the
// tables.
func (m *Manager) reserve() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return ErrShutdown
	case m.crowded():
		return ErrTooMany
	}
	m.tasks.Add(1)
	return nil
}

// spoke notes the first message of a child. The worker's lock is held.
func (m *Manager) spoke(l *link) {
	l.heard = true
	l.settle()
	m.breaker.worked()
}

// childEnded notes the end of a child. The worker's lock is held.
func (m *Manager) childEnded(l *link) {
	m.mu.Lock()
	delete(m.children, l)
	m.tail = l.child.Tail()
	m.mu.Unlock()
	m.noise.Add(l.child.Noise())
}

// childLost notes that a child says nothing any more. The worker's lock is
// held.
func (m *Manager) childLost(l *link, err *child.ExitError) {
	l.settle()
	if l.stopped || l.w.trial {
		return
	}
	m.crashed.Add(1)
	if !l.heard && len(l.w.env) == 0 { // one caller's credentials are not the server's fault
		m.breaker.failed(l.w.culprit(), err)
	}
	m.log(slog.LevelWarn, "the server ended by itself", slog.String("status", err.Status), slog.Duration("after", time.Since(l.born)))
}

// takeWarm returns a worker whose child is waiting for a client, or nil.
func (m *Manager) takeWarm(env []string) *Worker {
	if len(env) > 0 {
		return nil
	}
	m.mu.Lock()
	var w *Worker
	if len(m.warm) > 0 {
		w = m.warm[0]
		m.warm = slices.Delete(m.warm, 0, 1)
	}
	m.mu.Unlock()
	if w != nil {
		m.fillWarm()
	}
	return w
}

// fillWarm starts children until enough are warm.
func (m *Manager) fillWarm() {
	m.mu.Lock()
	missing := m.cfg.Warm - len(m.warm) - m.warming
	m.warming += max(missing, 0)
	m.mu.Unlock()
	for range missing {
		if !m.background(m.warmOne) {
			return
		}
	}
}

// warmOne starts a child and waits until it answers ping, which servers allow
// before initialize: then it is loaded. If it cannot be started, it is tried
// again for as long as it takes.
func (m *Manager) warmOne() {
	w := m.newWorker(own, "", nil)
	pause := firstPause
	for {
		l, err := w.launch(m.ctx)
		if err == nil {
			ctx, cancel := context.WithTimeout(m.ctx, warmTimeout)
			f, answer := w.ask(ctx, l, pingFrame)
			cancel()
			if answer == nil {
				f.Release()
			}
			if m.addWarm(w, l) {
				return
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-m.ctx.Done():
			timer.Stop()
			w.giveUp(ErrShutdown)
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// addWarm makes a child available, if it still lives.
func (m *Manager) addWarm(w *Worker, l *link) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link != l {
		return false
	}
	w.phase = ready
	l.settle() // it may be one that says nothing before initialize
	m.mu.Lock()
	m.warming--
	closed := m.closed
	if !closed {
		m.warm = append(m.warm, w)
	}
	m.mu.Unlock()
	if closed {
		w.close(ErrShutdown)
	}
	return true
}

// coldAgain replaces a warm child that ended while it waited. The worker's
// lock is held.
func (m *Manager) coldAgain(w *Worker) {
	m.mu.Lock()
	n := len(m.warm)
	m.warm = slices.DeleteFunc(m.warm, func(o *Worker) bool { return o == w })
	lost := len(m.warm) < n
	m.mu.Unlock()
	if lost {
		m.fillWarm()
	}
}

// ErrNoChild is returned by Ping when no child is there that could answer.
var ErrNoChild = errors.New("no process is running")

// Ping asks one of the children that have answered before whether it still
// does. Any answer counts.
func (m *Manager) Ping(ctx context.Context) error {
	if m.draining.Load() {
		return ErrShutdown
	}
	if err := m.breaker.check(""); err != nil {
		return err
	}
	for _, l := range m.links() {
		w := l.w
		w.mu.Lock()
		usable := w.link == l && w.phase == ready && l.heard
		frame := pingFrame
		if w.kind == modern && l.era == nil {
			frame = discoverFrame
		}
		w.mu.Unlock()
		if !usable {
			continue
		}
		f, err := w.ask(ctx, l, frame)
		if err == nil {
			f.Release()
			return nil
		}
		if _, refused := errors.AsType[*refusal](err); refused && w.alive(l) {
			return nil
		}
		return m.serverError("does not answer: %w", err)
	}
	return ErrNoChild
}

func (m *Manager) links() []*link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.children))
}
