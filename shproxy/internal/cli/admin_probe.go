// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

// probeAge is how long the result of a probe counts: it starts a process, and
// monitors ask often.
const probeAge = 5 * time.Second

// probes remembers, for a while, which servers were ready.
type probes struct {
	mu   sync.Mutex
	last map[*shproxy.Proxy]*probeResult // guarded by mu
}

type probeResult struct {
	turn chan struct{} // holds a value while somebody probes
	at   time.Time     // guarded by turn, as is err
	err  error
}

// ready probes the server unless that was done a moment ago.
func (p *probes) ready(ctx context.Context, proxy *shproxy.Proxy) error {
	r := p.of(proxy)
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !r.at.IsZero() && time.Since(r.at) < probeAge {
		return r.err
	}
	err := proxy.Probe(ctx)
	if ctx.Err() == nil { // else it was not the server that failed
		r.at, r.err = time.Now(), err
	}
	return err
}

func (p *probes) of(proxy *shproxy.Proxy) *probeResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.last[proxy]
	if r == nil {
		r = &probeResult{turn: make(chan struct{}, 1)}
		if p.last == nil {
			p.last = make(map[*shproxy.Proxy]*probeResult)
		}
		p.last[proxy] = r
	}
	return r
}
