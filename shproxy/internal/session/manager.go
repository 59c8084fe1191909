// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
)

// Config of a [Manager]. All fields are required, where zero does not say
// something else.
type Config struct {
	Child        child.Config
	MaxSessions  int
	MaxStarts    int // children starting at one time
	IdleTimeout  time.Duration
	StartTimeout time.Duration // for a child to answer initialize
	// RequestTimeout is for it to answer any other request of a client that
	// has an answer; zero: none.
	RequestTimeout time.Duration
	Shared         bool // sessions with the same environment share a child
	Warm           int  // children kept ready; zero: none
	ReplayBytes    int  // kept per session for a resumption; zero: nothing
	ReplayTime     time.Duration
	EndOnCrash     bool // sessions end with their child
	LegacyOnly     bool // the server speaks no modern version, and is not asked
	ModernOnly     bool // it speaks nothing else, and is not asked
	// InputTimeout is how long a call waits for its client to come back with
	// what a legacy server asked for; zero: the translator's default.
	InputTimeout time.Duration
	// Place is what the ids of sessions, and the requestState of calls that wait
	// for their client, begin with; empty: nothing.
	Place string
	// Enter counts a session of a principal, or reports false if he has enough;
	// Leave takes it back, and must not block. Nil: nobody counts. They are not
	// called for the principal "".
	Enter func(ctx context.Context, principal string) bool
	Leave func(principal string)
	// ToolsChanged is called when a child says so to a client of MCP
	// 2026-07-28; nil: nobody wants to know. It must not block.
	ToolsChanged func()
}

// ErrTooMany is returned when the limit of sessions is reached, or when twice
// as many children are there, counting those that are ending.
var ErrTooMany = errors.New("too many sessions")

// ErrCallerTooMany is returned when the caller has as many sessions as he may.
var ErrCallerTooMany = errors.New("you have too many sessions")

// ErrRetiring is returned to newcomers when the manager takes no more of them.
var ErrRetiring = errors.New("the proxy is about to shut down")

// evictable is how long a session or worker must have been idle to be ended
// in favour of a new one.
const evictable = time.Minute

// Manager owns the sessions of one server and their children. It is safe for
// concurrent use.
type Manager struct {
	cfg     Config
	spawner *child.Spawner
	breaker breaker
	sealer  *era.Sealer // of what calls that wait for their client tell it
	starts  *places     // of the children that are starting
	ctx     context.Context
	cancel  context.CancelFunc
	tasks   sync.WaitGroup

	retiring                                            atomic.Bool // no newcomers
	draining                                            atomic.Bool // no calls either
	started, failed, crashed, restarted, dropped, noise atomic.Int64

	mu       sync.Mutex
	closed   bool // guarded by mu, as is all that follows
	sessions map[string]*Session
	shared   map[string]*Worker
	modern   map[string][]*Worker
	warm     []*Worker
	warming  int
	spare    *Worker                // modern, for the first who comes
	children map[*link]*child.Child // also those that are ending
	knows    knowledge
	versions map[string]bool // that the server is known to speak
	tail     string          // of the stderr of the child that ended last
}

// NewManager returns a manager without sessions. Shutdown releases it.
func NewManager(cfg Config) *Manager {
	m := &Manager{
		cfg: cfg, spawner: child.NewSpawner(),
		breaker: breaker{server: cfg.Child.Name}, sealer: era.NewSealerAt(cfg.Place),
		starts:   newPlaces(cfg.MaxStarts),
		sessions: make(map[string]*Session), shared: make(map[string]*Worker),
		modern: make(map[string][]*Worker), children: make(map[*link]*child.Child),
		knows: knowledge{turn: make(chan struct{}, 1)}, versions: make(map[string]bool),
	}
	m.knows.known, m.knows.modern, m.knows.refuses = cfg.LegacyOnly || cfg.ModernOnly, cfg.ModernOnly, cfg.ModernOnly
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.fillWarm()
	return m
}

// Start starts a session for the principal, with a fresh child unless children
// are shared; env is what the child gets beyond the configured environment. ctx
// bounds the wait for a place among the children that are starting. The error
// is [ErrTooMany], [ErrCallerTooMany], [ErrRetiring], [ErrShutdown], a
// [*FailedError], or says why the child could not be started.
func (m *Manager) Start(ctx context.Context, principal string, env []string) (*Session, error) {
	switch {
	case m.draining.Load():
		return nil, ErrShutdown
	case m.retiring.Load():
		return nil, ErrRetiring
	}
	if err := m.breaker.check(principal); err != nil {
		return nil, err
	}
	if err := m.enter(ctx, principal); err != nil {
		return nil, err // before anything of another caller makes room
	}
	var s *Session
	err := m.makeRoom()
	switch {
	case err != nil:
	case m.cfg.Shared:
		s, err = m.join(principal, env)
	default:
		s, err = m.startOwn(ctx, principal, env)
	}
	if err != nil {
		m.leave(principal)
		return nil, err
	}
	s.counts()
	m.log(slog.LevelInfo, "session started")
	return s, nil
}

// startOwn starts a session that has a child to itself.
func (m *Manager) startOwn(ctx context.Context, principal string, env []string) (*Session, error) {
	w := m.takeWarm(env)
	if w == nil {
		w = m.newWorker(own, "", env)
	}
	w.belongTo(principal)
	s := newSession(w, m.newID(), principal)
	if err := m.addSession(s); err != nil {
		w.giveUp(err)
		return nil, err
	}
	if w.childless() {
		if _, err := w.launch(ctx); err != nil {
			m.removeSession(s)
			w.giveUp(err)
			return nil, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == closed || w.link == nil {
		m.removeSession(s)
		err := cmpError(w.last, ErrShutdown)
		w.close(err)
		return nil, err
	}
	w.phase = ready
	w.adopt(s)
	return s, nil
}

// join adds a session to those that share a child.
func (m *Manager) join(principal string, env []string) (*Session, error) {
	key := poolKey(true, "", env)
	for {
		w, err := m.sharedWorker(key, env)
		if err != nil {
			return nil, err
		}
		s := newSession(w, m.newID(), principal)
		if err := m.addSession(s); err != nil {
			return nil, err
		}
		w.mu.Lock()
		if w.phase == closed {
			w.mu.Unlock()
			m.removeSession(s)
			continue // it ended just now; there will be another
		}
		w.starter = principal
		w.adopt(s)
		w.mu.Unlock()
		return s, nil
	}
}

func (m *Manager) sharedWorker(key string, env []string) (*Worker, error) {
	m.mu.Lock()
	w, closed := m.shared[key], m.closed
	m.mu.Unlock()
	if closed {
		return nil, ErrShutdown
	}
	if w != nil {
		return w, nil
	}
	if w = m.takeWarm(env); w == nil {
		w = m.newWorker(shared, key, env)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind, w.key = shared, key
	m.mu.Lock()
	other := m.shared[key]
	if other == nil && !m.closed {
		m.shared[key] = w
	}
	m.mu.Unlock()
	if other != nil {
		w.close(errClosing)
		return other, nil
	}
	if w.phase == ready { // a warm child has yet to be initialized
		w.phase = vacant
	}
	w.watch()
	return w, nil
}

// adopt attaches a session to its worker. w.mu is held.
func (w *Worker) adopt(s *Session) {
	w.sessions[s] = struct{}{}
	s.idle = time.AfterFunc(w.m.cfg.IdleTimeout, s.expire)
}

func (w *Worker) belongTo(principal string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starter = principal
}

func (w *Worker) childless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link == nil
}

func (w *Worker) giveUp(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close(cause)
}

// Find returns the session with that id that the principal started with the
// same env. It does not tell a session of somebody else from none.
func (m *Manager) Find(id, principal string, env []string) (*Session, bool) {
	m.mu.Lock()
	s, ok := m.sessions[id]
	m.mu.Unlock()
	if !ok || s.Principal != principal || !slices.Equal(s.w.env, env) {
		return nil, false
	}
	return s, true
}

func (m *Manager) addSession(s *Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return ErrShutdown
	case len(m.sessions) >= m.cfg.MaxSessions:
		return ErrTooMany
	}
	m.sessions[s.ID] = s
	return nil
}

// crowded reports whether there are too many children, counting those that are
// ending. m.mu is held.
func (m *Manager) crowded() bool { return len(m.children) >= 2*m.cfg.MaxSessions+m.cfg.Warm }

func (m *Manager) removeSession(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, s.ID)
}

// maxVersions bounds what a server can make us remember.
const maxVersions = 16

func (m *Manager) speaks(version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.versions) < maxVersions && version != "" {
		m.versions[version] = true
	}
}

// removeWorker takes a worker out of the tables. Its lock is held.
func (m *Manager) removeWorker(w *Worker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.spare == w:
		m.spare = nil
	case w.kind == shared && m.shared[w.key] == w:
		delete(m.shared, w.key)
	case w.kind == modern:
		m.modern[w.key] = slices.DeleteFunc(m.modern[w.key], func(o *Worker) bool { return o == w })
		if len(m.modern[w.key]) == 0 {
			delete(m.modern, w.key)
		}
	}
}

// places counts what MaxSessions bounds. m.mu is held.
func (m *Manager) places() int {
	n := len(m.sessions)
	for _, all := range m.modern {
		n += len(all)
	}
	return n
}

// makeRoom ends what was idle longest if all places are taken.
func (m *Manager) makeRoom() error {
	m.mu.Lock()
	full := m.places() >= m.cfg.MaxSessions
	closed := m.closed
	sessions := m.allSessions()
	workers := m.allWorkers()
	m.mu.Unlock()
	switch {
	case closed:
		return ErrShutdown
	case !full:
		return nil
	}
	longest, end := longestIdle(sessions)
	for _, w := range workers {
		w.mu.Lock()
		if idle := time.Since(w.used); w.kind == modern && !w.busy() && idle >= longest {
			longest, end = idle, func() { w.retire() }
		}
		w.mu.Unlock()
	}
	end()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.places() >= m.cfg.MaxSessions {
		return ErrTooMany
	}
	return nil
}

// longestIdle returns how long the session that may be ended was idle which was
// so longest, and what ends it.
func longestIdle(sessions []*Session) (longest time.Duration, end func()) {
	longest, end = evictable, func() {}
	for _, s := range sessions {
		s.w.mu.Lock()
		if idle := s.leftFor(); idle >= longest {
			longest, end = idle, func() { s.End(ErrIdle) }
		}
		s.w.mu.Unlock()
	}
	return longest, end
}

func (w *Worker) retire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.m.removeWorker(w)
	w.close(ErrIdle)
}

// allSessions lists the sessions. m.mu is held.
func (m *Manager) allSessions() []*Session {
	all := make([]*Session, 0, len(m.sessions))
	for _, s := range m.sessions {
		all = append(all, s)
	}
	return all
}

// allWorkers lists the workers that have no session of their own. m.mu is
// held.
func (m *Manager) allWorkers() []*Worker {
	all := slices.Clone(m.warm)
	for _, w := range m.shared {
		all = append(all, w)
	}
	for _, some := range m.modern {
		all = append(all, some...)
	}
	if m.spare != nil {
		all = append(all, m.spare)
	}
	return all
}

// background runs a task that Shutdown waits for, and reports false if it is
// too late for that.
func (m *Manager) background(task func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.tasks.Go(task)
	return true
}

// log never tells a session's id, which is as good as a password.
func (m *Manager) log(level slog.Level, message string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("server", m.cfg.Child.Name))
	m.cfg.Child.Logger.LogAttrs(context.Background(), level, message, attrs...)
}

// Shutdown ends every session and waits until no child is left. When ctx ends
// first, children are killed instead of asked, and the error is that of ctx.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.draining.Store(true)
	m.mu.Lock()
	m.closed = true
	sessions := m.allSessions()
	workers := m.allWorkers()
	m.mu.Unlock()
	for _, s := range sessions {
		s.End(ErrShutdown)
	}
	for _, w := range workers {
		w.giveUp(ErrShutdown)
	}
	m.cancel()
	m.tasks.Wait()
	m.mu.Lock()
	left := make([]*child.Child, 0, len(m.children))
	for _, c := range m.children {
		left = append(left, c)
	}
	m.mu.Unlock()
	for _, c := range left {
		c.Stop() // also those that somebody was about to use just now
	}
	var err error
	for _, c := range left {
		select {
		case <-c.Done():
		case <-ctx.Done():
			err = ctx.Err()
			c.Kill()
			<-c.Done()
		}
	}
	m.spawner.Close()
	return err
}
