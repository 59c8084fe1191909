// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A load is the clients that torment one proxy.
type load struct {
	*torture
	proxy *proxy
	phase *phaseResult
	index int // of the phase, for the dice
	mix   *mix
	idle  time.Duration // the proxy's --idle-timeout
	stats *stats

	children sync.Map     // nonce of a process -> nonce of the session
	crashed  atomic.Int64 // when a server was told to crash last, Unix nanoseconds
	ending   atomic.Bool  // the proxy is about to be ended, which excuses much
}

// report notes a violation.
func (l *load) report(v violation) {
	v.Phase = l.phase.Name
	l.torture.report(v)
}

// run lets clients live, some at a time, until all have, the deadline comes
// or ctx ends. It returns how many there were.
func (l *load) run(ctx context.Context, from, to int, deadline time.Time) int {
	var next atomic.Int64
	next.Store(int64(from))
	var workers sync.WaitGroup
	for range l.opts.parallel {
		workers.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= to || time.Now().After(deadline) || ctx.Err() != nil || l.ending.Load() {
					next.Add(-1)
					return
				}
				p := newPlan(l.opts.seed, l.index, n, l.mix)
				if l.opts.only > 0 {
					l.say("client %d: %v", n, p)
				}
				l.live(ctx, p)
			}
		})
	}
	workers.Wait()
	return int(next.Load()) - from
}

// watch looks at the proxy's health until the returned function is called.
func (l *load) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			begun := time.Now()
			h, err := l.proxy.health(ctx)
			if err == nil {
				l.stats.time(toHealth, time.Since(begun))
				l.phase.MostSessions = max(l.phase.MostSessions, h.Sessions)
				l.phase.MostChildren = max(l.phase.MostChildren, h.Children)
				l.phase.Dropped = h.Dropped
			}
			pause(ctx, 100)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
