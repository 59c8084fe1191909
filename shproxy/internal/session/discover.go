// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const discoverFrame = `{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"shproxy","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`

const (
	// discoverTimeout is how long a server may take to answer
	// server/discover; one that is silent is taken to be legacy.
	discoverTimeout = 10 * time.Second
	// silence is how long an answer that never came counts as one, and
	// slowness how long, if the server may only be slow to start.
	silence  = time.Minute
	slowness = 5 * time.Second
)

// knowledge is what is known of the server's protocol versions.
type knowledge struct {
	turn    chan struct{} // has room for the one who finds out
	known   bool          // whether modern says something
	modern  bool
	expires time.Time // of knowledge that came from silence; zero if it lasts

	refuses bool // it knows no initialize
}

// Modern reports whether the server speaks MCP 2026-07-28 or later. The first
// caller finds out by asking a child with his environment; the error tells why
// that failed.
func (m *Manager) Modern(ctx context.Context, env []string) (bool, error) {
	if known, is := m.KnownEra(); known {
		return is, nil
	}
	select {
	case m.knows.turn <- struct{}{}:
		defer func() { <-m.knows.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if known, is := m.KnownEra(); known {
		return is, nil
	}
	if err := ctx.Err(); err != nil { // the select takes either when both are there
		return false, err
	}
	return m.discover(ctx, env)
}

// KnownEra reports whether it is known what Modern would answer, and what.
func (m *Manager) KnownEra() (known, modern bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := &m.knows
	return e.known && (e.expires.IsZero() || time.Now().Before(e.expires)), e.modern
}

// isLegacy reports whether the server was last found to speak no modern version.
func (m *Manager) isLegacy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.knows.known && !m.knows.modern
}

// isModernOnly reports whether the server was last found to know no initialize.
func (m *Manager) isModernOnly() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.knows.refuses
}

func (m *Manager) setModernOnly(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.knows.refuses = is || m.cfg.ModernOnly
}

func (m *Manager) setEra(modern bool, lasts time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.knows.known, m.knows.modern, m.knows.expires = true, modern, time.Time{}
	if lasts > 0 {
		m.knows.expires = time.Now().Add(lasts)
	}
}

// discover asks a fresh child, and keeps it for the caller if it has answered.
func (m *Manager) discover(ctx context.Context, env []string) (bool, error) {
	w := m.newWorker(modern, "", env)
	w.trial = true
	l, err := w.launch(ctx)
	if err != nil {
		w.giveUp(err)
		return false, err
	}
	limit, cancel := context.WithTimeout(w.ctx, min(discoverTimeout, m.cfg.StartTimeout))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	f, err := w.ask(limit, l, discoverFrame)
	no, refused := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		m.setEra(m.announced(f.Data), 0)
		f.Release()
	case ctx.Err() != nil: // who asked has left, and nothing was found out
	case refused && w.alive(l):
		is := no.modern
		lasts := time.Duration(0)
		if !is && len(env) > 0 && no.code != jsonrpc.MethodNotFound { // it may be for the sake of one caller
			lasts = silence
		}
		m.setEra(is, lasts)
	case w.alive(l) && !l.spoken() && !m.hasSpoken():
		m.setEra(false, slowness)
	case len(env) == 0 || w.alive(l): // it was silent, or ended, and not for the sake of one caller
		m.setEra(false, silence)
	}
	_, is := m.KnownEra()
	m.log(slog.LevelDebug, "asked the server for its protocol versions", slog.Bool("modern", is))
	w.mu.Lock()
	defer w.mu.Unlock()
	if (err == nil || refused) && w.link == l && ctx.Err() == nil {
		w.phase = ready
		if m.setSpare(w) {
			return is, nil
		}
	}
	w.close(errClosing)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return is, nil
}

// greetModern waits until a child answers at all. There is no handshake, but
// to know that it has started; with a legacy one the translator has it.
func (w *Worker) greetModern(ctx context.Context, l *link) error {
	f, err := w.ask(ctx, l, discoverFrame)
	_, refused := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		f.Release()
	case !refused || l.era != nil:
		return err
	}
	if legacy, ok := l.era.(*era.ToLegacy); ok { // so it need not be asked again what it speaks
		w.m.setEra(false, 0)
		w.m.speaks(legacy.Version())
	}
	return nil
}

// announced notes the versions in a DiscoverResult, and reports whether it
// lists a modern one: some servers answer whatever they are asked.
func (m *Manager) announced(frame []byte) bool {
	answer, err := jsonrpc.Scan(frame)
	if err != nil {
		return false
	}
	versions, _ := jsonrpc.Lookup(frame, answer.Result, "supportedVersions")
	for version := range jsonrpc.Items(frame, versions) {
		m.speaks(jsonrpc.Text(version.Of(frame)))
	}
	return era.IsModern(frame, answer)
}

// hasSpoken reports whether a child has agreed to a version before: then the
// server can start in time, and its silence says something.
func (m *Manager) hasSpoken() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.versions) > 0
}

// spoken reports whether the child has said anything.
func (l *link) spoken() bool {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.heard
}

func (w *Worker) alive(l *link) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link == l
}
