// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// A phase is a proxy with some configuration, tormented by some clients, and
// what is checked afterwards.
type phase struct {
	name     string
	flags    []string // of shproxy
	maybe    []string // more of them, if shproxy takes them
	mix      *mix
	share    int // of the clients, relative to the other phases
	slow     int // how much longer a client takes than elsewhere
	end      ending
	memory   bool          // with enough clients: compare the memory after a warm-up with that at the end
	spare    int           // processes that may be left: kept warm, or shared
	overhead time.Duration // besides the clients, if all is well
}

// An ending is how a phase ends.
type ending uint8

const (
	endIdle      ending = iota // the clients leave; nothing may be left but the proxy
	endTerminate               // the proxy gets TERM while clients are busy
	endKill                    // and KILL
)

const idleTimeout = 1500 * time.Millisecond

var (
	allKinds = &mix{rude: 4, weights: []weight{{survivor, 50}, {vanisher, 28}, {crasher, 9}, {hanger, 8}, {starter, 3}, {stranger, 2}}}
	rudeOnes = &mix{rude: 30, weights: allKinds.weights}
	warmed   = &mix{rude: 4, warm: true, weights: []weight{{survivor, 52}, {vanisher, 28}, {crasher, 9}, {hanger, 9}, {stranger, 2}}}
	together = &mix{shared: true, warm: true, weights: []weight{{survivor, 240}, {vanisher, 120}, {crasher, 1}, {hanger, 28}, {stranger, 8}}}
)

// The flags that all phases have.
var common = []string{"--idle-timeout", idleTimeout.String(), "--start-timeout", "5s"}

// replayTime is how long calls wait for clients that may resume their streams;
// their sessions are not idle before.
const replayTime = 2 * time.Second

var resumable = []string{"--replay-time", replayTime.String()}

var allPhases = []*phase{
	{name: "sessions", mix: allKinds, share: 73, slow: 1, memory: true, overhead: 45 * time.Second, flags: []string{"--max-sessions", "128", "--log-level", "error"}},
	{name: "crowded", mix: allKinds, share: 5, slow: 4, overhead: 8 * time.Second, flags: []string{"--max-sessions", "12", "--log-level", "info"}},
	{name: "warm", mix: warmed, share: 6, slow: 1, overhead: 8 * time.Second, spare: 3, flags: []string{"--warm", "3", "--log-level", "error"}},
	{name: "shared", mix: together, share: 8, slow: 1, overhead: 8 * time.Second, spare: 1, flags: []string{"--mode", "shared", "--log-level", "error"}},
	{name: "terminate", mix: rudeOnes, share: 4, slow: 1, end: endTerminate, overhead: 5 * time.Second, maybe: []string{"--drain-timeout", "2s"}, flags: []string{"--log-level", "error"}},
	{name: "kill", mix: rudeOnes, share: 4, slow: 1, end: endKill, overhead: 2 * time.Second, flags: []string{"--log-level", "error"}},
}

// phase runs one phase, whose clients may take a part of the time. An error means that it could not be run.
func (t *torture) phase(ctx context.Context, ph *phase, clients int, part time.Duration) (*phaseResult, error) {
	begun := time.Now()
	res := &phaseResult{Name: ph.name, stats: newStats()}
	flags := slices.Concat(common, ph.flags)
	for _, more := range [][]string{resumable, ph.maybe} {
		if t.accepts(more...) {
			flags = append(flags, more...)
		}
	}
	l := &load{torture: t, phase: res, index: slices.Index(allPhases, ph), mix: ph.mix, idle: idleTimeout, stats: res.stats}
	if ph.end == endIdle && canSeeProcesses {
		if err := l.baseline(ctx, flags, ph); err != nil {
			return nil, err
		}
	}
	var err error
	if l.proxy, err = t.startProxy(ctx, flags); err != nil {
		return nil, err
	}
	defer l.proxy.kill()
	t.say("%s: %d clients, pid %d", ph.name, clients, l.proxy.pid())
	if err := l.greet(ctx); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(part)
	stop := l.watch(ctx)
	switch ph.end {
	case endIdle:
		l.untilIdle(ctx, ph, clients, deadline)
		stop() // before its connections are taken for leaks
		if ctx.Err() == nil {
			l.checkEnd(ctx, ph)
		}
	default:
		l.untilKilled(ctx, ph, clients, deadline)
		stop()
	}
	for _, line := range l.proxy.log.alarm() {
		l.report(violation{Kind: badAlarm, Want: "no panic and no data race", Got: line})
	}
	res.Seconds = time.Since(begun).Seconds()
	res.complete()
	t.say("%s: %.0f s; violations so far: %d", ph.name, res.Seconds, t.total())
	return res, ctx.Err()
}

// baseline counts the goroutines of a proxy that has served one client.
func (l *load) baseline(ctx context.Context, flags []string, ph *phase) error {
	var err error
	if l.proxy, err = l.startProxy(ctx, flags); err != nil {
		return err
	}
	defer l.proxy.kill()
	if err := l.greet(ctx); err != nil {
		return err
	}
	l.awaitIdle(ctx, ph)
	l.phase.origins, _ = l.proxy.goroutines()
	return nil
}

// greet lets one well-behaved client come and go, so that what a proxy opens
// only once is open.
func (l *load) greet(ctx context.Context) error {
	g := &load{torture: l.torture, proxy: l.proxy, phase: l.phase, mix: l.mix, idle: l.idle, stats: newStats()}
	before := l.total()
	d := &dice{plan: &plan{kind: survivor, version: "2025-11-25", delete: true, listen: true}}
	d.rounds = []round{{calls: []*callPlan{{Number: 1, ID: "1"}}}}
	g.live(ctx, d.plan)
	if l.total() > before {
		return fmt.Errorf("the first client already failed: %s", l.proxy.log.tail())
	}
	return ctx.Err()
}

// untilIdle runs the load, after one for comparison if memory is weighed.
func (l *load) untilIdle(ctx context.Context, ph *phase, clients int, deadline time.Time) {
	res := l.phase
	l.awaitIdle(ctx, ph)
	res.Before, _ = readVitals(l.proxy.pid())
	from, warmUp := 1, clients/8
	weigh := ph.memory && warmUp >= enoughWarm && l.opts.only == 0
	if weigh {
		res.Clients += l.run(ctx, from, from+warmUp, deadline)
		from += warmUp
		l.awaitIdle(ctx, ph)
		pause(ctx, int(quietPeriod.Milliseconds()))
		res.WarmUp = res.Clients
		res.Warm, _ = readVitals(l.proxy.pid())
	}
	if l.opts.only > 0 {
		from, clients = l.opts.only, l.opts.only
	}
	res.Clients += l.run(ctx, from, clients+1, deadline)
}

// untilKilled ends the proxy while clients are busy.
func (l *load) untilKilled(ctx context.Context, ph *phase, clients int, deadline time.Time) {
	done := make(chan int)
	go func() { done <- l.run(ctx, 1, 1<<30, deadline) }()
	for ctx.Err() == nil && time.Now().Before(deadline) && (l.stats.total("client") < clients || l.stats.sum("calls") < l.opts.parallel) {
		time.Sleep(5 * time.Millisecond)
	}
	children := slices.DeleteFunc(marked(l.marker), func(p proc) bool {
		return p.parent != l.proxy.pid() || p.role != roleServer // what the proxy has adopted does not die with it
	})
	l.ending.Store(true)
	signal, limit := os.Signal(syscall.SIGTERM), 10*time.Second
	if ph.end == endKill {
		signal, limit = os.Kill, time.Second
	}
	took, ok := l.proxy.end(signal, limit)
	l.phase.EndMillis = took.Seconds() * 1000
	switch {
	case !ok:
		l.report(violation{Kind: badEnding, Want: fmt.Sprintf("the proxy to end within %v of %v", limit, signal), Got: "it still runs"})
	case ph.end == endTerminate && l.proxy.err != nil:
		l.report(violation{Kind: badEnding, Want: "exit status 0 after TERM", Got: l.proxy.err.Error()})
	}
	l.checkOrphans(ph, children)
	l.phase.Clients = <-done
}
