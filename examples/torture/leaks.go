// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	settleTime  = 10 * time.Second // beyond the timeouts
	orphanTime  = 5 * time.Second  // for processes to end after the proxy
	spareFiles  = 3
	spareShare  = 1.10             // of the memory after the warm-up
	enoughWarm  = 300              // clients in a warm-up, for its memory to be typical
	quietPeriod = 15 * time.Second // within which the proxy gives memory back
)

// awaitIdle waits until the proxy has neither sessions nor more processes
// than it may keep, and returns its last health.
func (l *load) awaitIdle(ctx context.Context, ph *phase) health {
	for end := time.Now().Add(idleTimeout + replayTime + settleTime); ; {
		h, err := l.proxy.health(ctx)
		if err == nil && h.Sessions == 0 && h.Calls == 0 && h.Children <= ph.spare && len(l.leftovers()) <= ph.spare {
			return h
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return h
		}
		pause(ctx, 50)
	}
}

// leftovers are the processes of the run except the proxy, and its zombies.
func (l *load) leftovers() []proc {
	left := marked(l.marker)
	for _, p := range childrenOf(l.proxy.pid()) {
		if p.zombie {
			p.role = "zombie"
			left = append(left, p)
		}
	}
	return slices.DeleteFunc(left, func(p proc) bool { return p.pid == l.proxy.pid() })
}

// checkEnd checks that nothing is left of the load.
func (l *load) checkEnd(ctx context.Context, ph *phase) {
	idle := l.awaitIdle(ctx, ph)
	if l.phase.WarmUp > 0 {
		pause(ctx, int(quietPeriod.Milliseconds()))
	}
	l.checkLeaks(ctx, ph, idle)
	if canSeeProcesses && ctx.Err() == nil {
		l.checkGoroutines()
	}
}

// checkLeaks compares the idle proxy with its beginning.
func (l *load) checkLeaks(ctx context.Context, ph *phase, h health) {
	res := l.phase
	if h.Sessions != 0 || h.Calls != 0 {
		l.report(violation{Kind: badLeak, Want: "no session and no call when all clients have left", Got: fmt.Sprintf("%d sessions, %d calls", h.Sessions, h.Calls)})
	}
	if h.Children > ph.spare {
		l.report(violation{Kind: badLeak, Want: fmt.Sprintf("no more than %d processes in /healthz", ph.spare), Got: fmt.Sprint(h.Children)})
	}
	left := l.leftovers()
	if res.Left = tally(left); len(left) > ph.spare {
		l.report(violation{Kind: badLeak, Want: "no process but the proxy" + andSpare(ph), Got: words(res.Left)})
	}
	for _, p := range left {
		if p.role != roleServer {
			p.kill() // known by now; the next phase has its own
		}
	}
	// A connection that was just closed may still be on its way.
	for end := time.Now().Add(settleTime); ; pause(ctx, 50) {
		res.After, _ = readVitals(l.proxy.pid())
		if res.After.Files <= res.Before.Files+spareFiles || time.Now().After(end) || ctx.Err() != nil {
			break
		}
	}
	if !canSeeProcesses || ctx.Err() != nil {
		return
	}
	if res.After.Files > res.Before.Files+spareFiles {
		l.report(violation{Kind: badLeak, Want: fmt.Sprintf("%d open files, as at the beginning", res.Before.Files), Got: fmt.Sprint(res.After.Files)})
	}
	if res.WarmUp > 0 && float64(res.After.Resident) > spareShare*float64(res.Warm.Resident) {
		l.report(violation{
			Kind: badMemory, Want: fmt.Sprintf("at most %.2f times the %s after the warm-up", spareShare, megabytes(res.Warm.Resident)), Got: megabytes(res.After.Resident),
		})
	}
}

func andSpare(ph *phase) string {
	if ph.spare == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d that it may keep", ph.spare)
}

// checkGoroutines ends the proxy and compares its goroutines with those of
// one that has served a single client.
func (l *load) checkGoroutines() {
	time.Sleep(time.Second) // net/http takes half of that to close a connection
	now, ok := l.proxy.goroutines()
	if !ok || l.phase.origins == nil {
		l.report(violation{Kind: badEnding, Want: "a list of goroutines after QUIT", Got: "none: " + l.proxy.log.tail()})
		return
	}
	more := make(map[string]int)
	for origin, n := range now {
		l.phase.Goroutines += n
		if n > l.phase.origins[origin] {
			more[origin] = n - l.phase.origins[origin]
		}
	}
	for _, n := range l.phase.origins {
		l.phase.GoroutinesBefore += n
	}
	if len(more) > 0 {
		l.report(violation{Kind: badLeak, Want: fmt.Sprintf("%d goroutines", l.phase.GoroutinesBefore), Got: fmt.Sprintf("%d, with more of: %s", l.phase.Goroutines, words(more))})
	}
}

// checkOrphans looks for processes after the proxy has ended. After a KILL
// only its children are bound to end; what they had started is reported.
func (l *load) checkOrphans(ph *phase, children []proc) {
	if !canSeeProcesses {
		return
	}
	begun := time.Now()
	var left []proc
	for {
		left = marked(l.marker)
		if ph.end == endKill {
			left = slices.DeleteFunc(children, func(p proc) bool { return !p.alive() })
			children = left
		}
		if len(left) == 0 || time.Since(begun) > orphanTime {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	l.phase.OrphanMillis = time.Since(begun).Seconds() * 1000
	l.phase.Left = tally(marked(l.marker))
	if len(left) > 0 {
		l.report(violation{Kind: badLeak, Want: fmt.Sprintf("no process within %v of the proxy's end", orphanTime), Got: words(l.phase.Left)})
	}
	l.sweep()
}

// tally counts processes by role.
func tally(procs []proc) map[string]int {
	roles := make(map[string]int)
	for _, p := range procs {
		roles[p.role]++
	}
	return roles
}

// words lists counts in one line.
func words(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
