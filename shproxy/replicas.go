// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/bucket"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Replicas is what a [Proxy] needs to know of the replicas of which it is one.
// The member of package replica is what most want. It must be safe for
// concurrent use.
type Replicas interface {
	// Name is that of this replica: letters and digits, and no other replica
	// has or had it. Session ids begin with it and a dot, by which whoever
	// stands in front of the proxy can pass requests for sessions on.
	Name() string
	// Pass passes a request, whose body was read, on to the replica of that
	// name, or if that is empty to one that takes newcomers, and copies the
	// answer. It reports false, and has written nothing, if there is none.
	Pass(w http.ResponseWriter, r *http.Request, name string, body []byte) bool
	// Enter counts one more of something, unless all replicas together have
	// limit of them: then it reports false.
	Enter(ctx context.Context, what string, limit int) bool
	// Leave takes back what Enter has counted. It must not block.
	Leave(what string)
	// Take takes n of what all replicas together may take, of which one is
	// earned in the time every, until there are burst of them; more than those
	// are taken when all of them are there, and are owed then. It returns 0, or
	// takes nothing and returns how long to wait.
	Take(ctx context.Context, what string, n int, every time.Duration, burst int) (wait time.Duration)
}

// replicate prepares the sessions for several replicas, and counts those of
// each caller.
func (p *Proxy) replicate(c *session.Config) {
	p.counts = &counts{n: make(map[string]int)}
	if p.opts.Replicas != nil {
		c.Place = p.opts.Replicas.Name()
		p.counts = p.opts.Replicas
	}
	if p.opts.MaxCallerSessions == 0 {
		return
	}
	c.Enter = func(ctx context.Context, principal string) bool {
		return p.counts.Enter(ctx, p.counted("sessions", principal), p.opts.MaxCallerSessions)
	}
	c.Leave = func(principal string) { p.counts.Leave(p.counted("sessions", principal)) }
}

// counter is the part of [Replicas] that counts.
type counter interface {
	Enter(ctx context.Context, what string, limit int) bool
	Leave(what string)
	Take(ctx context.Context, what string, n int, every time.Duration, burst int) time.Duration
}

// counted names what is counted for a principal.
func (p *Proxy) counted(what, principal string) string {
	return what + "\x00" + p.server.Name + "\x00" + principal
}

// rateBurst is the time whose calls a caller may make at once.
const rateBurst = 10 * time.Second

// maxRate is more than anybody reaches.
const maxRate = 1_000_000

// limit refuses n calls of a caller who has made too many. Who is known to
// nobody is not limited.
func (p *Proxy) limit(r *http.Request, n int) *problem {
	rate := min(p.opts.MaxCallerRate, maxRate)
	if rate == 0 || n == 0 {
		return nil
	}
	principal := p.opts.Identify(r)
	if principal == "" {
		return nil
	}
	wait := p.counts.Take(r.Context(), p.counted("calls", principal), n, time.Second/time.Duration(rate), rate*int(rateBurst/time.Second))
	if wait == 0 {
		return nil
	}
	problem := fail(http.StatusTooManyRequests, codeTransport, "you have made too many calls; no more than %d a second", rate)
	problem.retry = wait
	return problem
}

// Retire is what to do first when a replica is to end: newcomers are handed to
// another one, or if there is none refused with status 503, while sessions go
// on. It returns when there are no sessions and calls left, or when ctx ends;
// then the error is that of ctx. [Proxy.Drain] is next.
func (p *Proxy) Retire(ctx context.Context) error { return p.sessions.Retire(ctx) }

// hand hands a request that needs no session over to another replica if this
// one takes no newcomers, or has no place for one. It reports false, and has
// written nothing, if it is to be served here. body is that of the request.
func (p *Proxy) hand(w http.ResponseWriter, r *http.Request, body []byte) bool {
	if p.opts.Replicas == nil || !p.sessions.Retiring() && !p.sessions.Full() {
		return false
	}
	return p.opts.Replicas.Pass(w, r, "", body)
}

// handModern does so for a request of MCP 2026-07-28, and passes one for which a
// call waits elsewhere on.
func (p *Proxy) handModern(w http.ResponseWriter, r *http.Request, frame []byte, m jsonrpc.Message) bool {
	if p.opts.Replicas == nil {
		return false
	}
	if state, ok := era.State(frame, m); ok {
		place, ok := era.Place(state)
		return ok && place != p.opts.Replicas.Name() && p.opts.Replicas.Pass(w, r, place, frame)
	}
	return p.sessions.Retiring() && p.opts.Replicas.Pass(w, r, "", frame)
}

// counts counts for one replica. It is safe for concurrent use.
type counts struct {
	bucket.Buckets
	mu sync.Mutex
	n  map[string]int // guarded by mu
}

func (c *counts) Enter(_ context.Context, what string, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[what] >= limit {
		return false
	}
	c.n[what]++
	return true
}

func (c *counts) Take(_ context.Context, what string, n int, every time.Duration, burst int) time.Duration {
	return c.Buckets.Take(what, n, every, burst)
}

func (c *counts) Leave(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[what]--; c.n[what] == 0 {
		delete(c.n, what)
	}
}
