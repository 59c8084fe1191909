// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"
)

// A bench measures systems in rounds.
type bench struct {
	rounds   int
	duration time.Duration
	calls    int // most calls of one measurement; 0: no limit
	loads    []load
	sessions int // of each system
	systems  []system
	progress io.Writer
	issued   int64 // ids so far: a session must not see one twice
}

// A contestant is a system in one round.
type contestant struct {
	system
	server   server
	sessions []session
	record   round
}

// run measures every system that is there, and returns an error only if ctx
// ends: what fails in a system is part of its results.
func (b *bench) run(ctx context.Context) (*results, error) {
	res := newResults(b)
	for i := range b.rounds {
		records, err := b.round(ctx, i)
		if err != nil {
			return nil, err
		}
		for j := range res.Systems {
			if res.Systems[j].Missing == "" {
				res.Systems[j].Rounds = append(res.Systems[j].Rounds, records[j])
			}
		}
	}
	return res, nil
}

// round starts all systems, so that each load meets them one right after the
// other, and stops them. Every other round goes through them backwards.
func (b *bench) round(ctx context.Context, index int) ([]round, error) {
	var contestants []*contestant
	for _, s := range b.systems {
		contestants = append(contestants, &contestant{system: s, record: round{Loads: map[string]sample{}}})
	}
	order := slices.Clone(contestants)
	if index%2 == 1 {
		slices.Reverse(order)
	}
	for _, c := range order {
		if c.missing() == "" && ctx.Err() == nil {
			c.startUp(ctx, b.sessions)
			b.say(ctx, index, c, c.record.startText())
		}
	}
	for _, l := range b.loads {
		for _, c := range order {
			if c.sessions != nil && ctx.Err() == nil && !skips(c.system, l) {
				s := b.measure(ctx, c, l)
				c.record.Loads[l.Key] = s
				b.say(ctx, index, c, l.Title+": "+s.String())
			}
		}
	}
	for _, c := range contestants {
		if c.sessions != nil && ctx.Err() == nil {
			c.record.Loaded = settledMemory(c.server)
		}
	}
	stopAll(contestants)
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	var records []round
	for _, c := range contestants {
		records = append(records, c.record)
	}
	return records, nil
}

// skips reports whether a load is not for the system.
func skips(s system, l load) bool {
	some, ok := s.(interface{ skips(load) bool })
	return ok && some.skips(l)
}

func (b *bench) say(ctx context.Context, index int, c *contestant, what string) {
	if ctx.Err() != nil {
		return // an interrupted measurement means nothing
	}
	fmt.Fprintf(b.progress, "round %d/%d  %-45s %s\n", index+1, b.rounds, c.title(), what)
}

// startUp starts the system and opens its sessions, noting time and memory.
func (c *contestant) startUp(ctx context.Context, count int) {
	begin := time.Now()
	server, err := c.start(ctx)
	if err != nil {
		c.record.Failure = err.Error()
		return
	}
	c.server = server
	started := time.Since(begin)
	c.record.Idle = settledMemory(server)
	begin = time.Now().Add(-started) // without that look
	var sessions []session
	for i := range count {
		opened, err := server.open(ctx)
		if err != nil {
			c.record.Failure = fmt.Sprintf("session %d: %v", i+1, err)
			return
		}
		sessions = append(sessions, opened)
		if i == 0 {
			c.record.StartMillis = time.Since(begin).Seconds() * 1e3
			c.record.OneSession = settledMemory(server)
		}
	}
	c.record.ManySessions = settledMemory(server)
	c.sessions = sessions
}

// settleTime is for what a server does after it has answered.
const settleTime = 200 * time.Millisecond

func settledMemory(s server) memory {
	time.Sleep(settleTime)
	own, tree, ok := residentBytes(s.pids())
	if !ok {
		return memory{}
	}
	return memory{Own: own, Tree: tree}
}

// measure loads a system once to warm it up, and once for the record.
func (b *bench) measure(ctx context.Context, c *contestant, l load) sample {
	lanes, err := openLanes(ctx, c.sessions, l)
	if err != nil {
		return failedSample(1, err)
	}
	defer closeLanes(lanes)
	warmUp, _ := b.drive(ctx, lanes, l, 4)
	if warmUp.errors > 0 {
		return failedSample(warmUp.errors, warmUp.err)
	}
	before, ok1 := cpuTime(c.server.pids())
	seen, elapsed := b.drive(ctx, lanes, l, 1)
	after, ok2 := cpuTime(c.server.pids())
	s := newSample(seen, elapsed)
	if calls := len(seen.latencies); ok1 && ok2 && calls > 0 && after > before && seen.cpu == 0 {
		s.CPUMicros = (after - before).Seconds() * 1e6 / float64(calls)
	}
	return s
}

// drive loads the lanes for a fraction of a measurement's time and calls.
func (b *bench) drive(ctx context.Context, lanes []lane, l load, fraction int) (tally, time.Duration) {
	p := &plan{
		load: l.Key, firstID: firstCallID + b.issued, limit: math.MaxInt64, times: l.Times, patience: l.Patience,
		deadline: time.Now().Add(b.duration / time.Duration(fraction)),
	}
	if l.Whole {
		p.deadline = time.Now().Add(wholeTimeout)
	}
	for _, most := range []int{b.calls, l.Most} {
		if most > 0 {
			p.limit = min(p.limit, int64(max(most/fraction, 1)))
		}
	}
	defer func() { b.issued += p.started.Load() }()
	return drive(ctx, lanes, p)
}

// stopAll stops what was started, all of it at once.
func stopAll(contestants []*contestant) {
	var stopping sync.WaitGroup
	for _, c := range contestants {
		if c.server != nil {
			stopping.Go(func() { c.record.Left = c.server.stop() })
		}
	}
	stopping.Wait()
}
