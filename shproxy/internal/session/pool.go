// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// The requests of one principal go to one child, and to further ones only
// where a child could not tell whom it means: by a log message, which names no
// request, or if it speaks a legacy version by a question to the client, which
// names none either. A legacy child was told by initialize whom it serves, so
// it serves clients that say the same of themselves.

const (
	// maxModern bounds the children of one principal that speak modern
	// versions, maxTranslated those of one profile that do not.
	maxModern     = 4
	maxTranslated = 8
)

// pool names the workers that a request may go to.
type pool struct {
	key       string
	owner     string // for whom the state of a call is sealed
	principal string
	env       []string
	profile   *era.Profile // of the clients, if the server speaks legacy versions
}

// nobody is what a legacy server that clients share is told of them: it could
// not say which of them it wants to ask.
var nobody = era.Profile{Capabilities: []byte("{}")}

// poolOf is the pool for a caller's requests.
func (m *Manager) poolOf(who Caller) pool {
	owner := poolKey(m.cfg.Shared, who.Principal, who.Env)
	p := pool{key: owner, owner: owner, principal: who.Principal, env: who.Env}
	if !m.isLegacy() {
		return p
	}
	p.profile = &who.Profile
	if m.cfg.Shared {
		p.profile = &nobody
	}
	p.key += p.profile.Key()
	return p
}

func (p pool) limit() int {
	if p.profile != nil {
		return maxTranslated
	}
	return maxModern
}

// modernRequest is one of MCP 2026-07-28 that looks for a child.
type modernRequest struct {
	frame  []byte
	m      jsonrpc.Message
	edit   jsonrpc.Edit
	events bool
	logs   bool // it asks for log messages
	asks   bool // a legacy child may ask its client something
}

// place gives the request to the first worker that suits it. Without a call
// and an error there may be another worker.
func (p pool) place(all []*Worker, r modernRequest) (*Call, error) {
	for _, crowded := range []bool{false, true} {
		if crowded && len(all) < p.limit() {
			return nil, nil
		}
		for _, w := range all {
			if c, err := w.take(r, crowded); c != nil || err != nil {
				return c, err
			}
		}
	}
	return nil, child.ErrBusy
}

// take gives the request to the child of the worker, if it suits.
func (w *Worker) take(r modernRequest, crowded bool) (*Call, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.suits(r, crowded) {
		return nil, nil
	}
	return w.call(r)
}

// suits reports whether the child can serve the request and all others that it
// has; crowded says that there is no better place, so that some log messages
// and questions will find nobody. w.mu is held.
func (w *Worker) suits(r modernRequest, crowded bool) bool {
	alone := r.asks || r.logs
	switch {
	case w.phase == closed:
		return false
	case w.profile == nil:
		return crowded || !r.logs || w.logging == 0
	case w.parked() && alone:
		return false
	case crowded:
		return true
	case r.logs:
		return w.calls == 0
	case r.asks:
		return w.asking == 0 && w.logging == 0
	}
	return w.logging == 0
}

// call sends the request. w.mu is held.
func (w *Worker) call(r modernRequest) (*Call, error) {
	c := w.newCall(nil, nil, r.frame, r.m)
	c.attended = r.events
	c.listen = jsonrpc.Is(r.frame, r.m.Method, "subscriptions/listen")
	if !c.listen {
		c.limit()
		c.place(r)
	}
	if err := w.dispatch(c, r.frame, r.m, r.edit); err != nil {
		c.forget()
		return nil, err
	}
	return c, nil
}

// place counts the call among those of its worker. w.mu is held.
func (c *Call) place(r modernRequest) {
	c.placed, c.logs, c.asks = true, r.logs, r.asks
	c.w.calls++
	if c.logs {
		c.w.logging++
	}
	if c.asks {
		c.w.asking++
	}
}

// unplace is the opposite of place. w.mu is held.
func (c *Call) unplace() {
	if !c.placed {
		return
	}
	c.w.calls--
	if c.logs {
		c.w.logging--
	}
	if c.asks {
		c.w.asking--
	}
	c.placed, c.logs, c.asks = false, false, false
}

// takeUp sends a retry to the child that has asked for it.
func (m *Manager) takeUp(p pool, state string, r modernRequest) (*Call, error) {
	ticket, err := m.sealer.Open(p.owner, state, time.Now())
	if err != nil {
		return nil, err
	}
	for _, l := range m.links() {
		if l.process != ticket.Process {
			continue
		}
		w := l.w
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.link != l || w.phase != ready {
			break
		}
		r.asks = true
		return w.call(r)
	}
	return nil, era.ErrState
}

// workers are those of a pool.
func (m *Manager) workers(p pool) []*Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.modern[p.key])
}

// addWorker makes another worker for the pool, unless somebody else has in the
// meantime.
func (m *Manager) addWorker(p pool, found int) error {
	if err := m.makeRoom(); err != nil {
		return err
	}
	w := m.takeSpare(p.env)
	if w == nil {
		w = m.takeWarm(p.env)
	}
	if w == nil {
		w = m.newWorker(modern, p.key, p.env)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind, w.key, w.trial = modern, p.key, false
	w.starter = p.principal
	if p.profile != nil {
		w.introduce(p.profile.Clone())
	}
	if w.idle == nil {
		w.watch()
	}
	m.mu.Lock()
	all, closed := m.modern[p.key], m.closed
	late := closed || len(all) > found
	if !late {
		m.modern[p.key] = append(slices.Clone(all), w)
	}
	m.mu.Unlock()
	switch {
	case closed:
		w.close(ErrShutdown)
		return ErrShutdown
	case late:
		w.close(errClosing)
	}
	return nil
}

// setSpare keeps a worker whose child has answered server/discover for the
// first caller with its environment. Its lock is held.
func (m *Manager) setSpare(w *Worker) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.spare != nil {
		return false
	}
	m.spare = w
	w.watch()
	return true
}

func (m *Manager) takeSpare(env []string) *Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.spare
	if w == nil || !slices.Equal(w.env, env) {
		return nil
	}
	m.spare = nil
	return w
}

// poolKey names those who may share a child.
func poolKey(shared bool, principal string, env []string) string {
	if shared {
		principal = ""
	}
	var key strings.Builder
	key.WriteString(strconv.Quote(principal))
	for _, e := range env {
		key.WriteString(strconv.Quote(e))
	}
	return key.String()
}
