// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A load is one way of using a system; the report has one column for each.
type load struct {
	Key      string `json:"key"`
	Title    string `json:"title"`
	Sessions int    `json:"sessions"`
	Depth    int    `json:"depth"`          // calls in flight in each session
	Times    int    `json:"times"`          // how often the reply repeats the text of the call
	Most     int    `json:"most,omitempty"` // calls of one measurement; 0: no limit
	Whole    bool   `json:"-"`              // it ends with Most, whatever its time

	// Patience is what the last replies may take once time is over.
	Patience time.Duration `json:"-"` // 0: callTimeout
}

// manySessions is the number of sessions, and of calls at a time, of the
// larger loads.
const manySessions = 32

// loads are in the order of measuring: the last one ends the sessions of a
// bridge that cannot carry long lines.
var loads = []load{
	{Key: "one", Title: "1 at a time", Sessions: 1, Depth: 1, Times: 1},
	{Key: "many", Title: "32 at a time", Sessions: 1, Depth: manySessions, Times: 1},
	{Key: "sessions", Title: "32 sessions", Sessions: manySessions, Depth: 1, Times: 1},
	{Key: "large", Title: "100 KB replies, 32 at a time", Sessions: 1, Depth: manySessions, Times: 100_000 / textLength},
}

// wholeTimeout bounds a measurement that is to end with its calls.
const wholeTimeout = 15 * time.Minute

// callTimeout bounds the wait for the last replies once a measurement is over,
// unless the load says otherwise.
const callTimeout = 5 * time.Second

// A lane makes calls on one connection.
type lane interface {
	// drive calls until the plan is used up, the connection fails or ctx ends.
	drive(ctx context.Context, p *plan) tally
	close()
}

// A plan hands out the calls of one measurement to its lanes. It is safe for
// concurrent use.
type plan struct {
	load     string // its key
	firstID  int64
	limit    int64 // most calls
	times    int
	deadline time.Time     // no call starts later
	patience time.Duration // for the replies that are missing then
	started  atomic.Int64
}

// next returns the id of the next call, or false if there is none.
func (p *plan) next(now time.Time) (int64, bool) {
	if !now.Before(p.deadline) {
		return 0, false
	}
	n := p.started.Add(1)
	return p.firstID + n - 1, n <= p.limit
}

// A tally is what lanes saw.
type tally struct {
	latencies []time.Duration // of the calls with the right reply
	errors    int
	err       error         // the first one
	allocated int64         // by what ran for the calls, bytes; 0 if not known
	cpu       time.Duration // of the processes that ran for the calls, if that is how calls are made
	peak      int64         // memory of the largest of them, bytes
}

func (t *tally) fail(err error) {
	if t.errors++; t.err == nil {
		t.err = err
	}
}

func (t *tally) add(other tally) {
	t.latencies = append(t.latencies, other.latencies...)
	t.errors += other.errors
	t.cpu += other.cpu
	t.allocated += other.allocated
	t.peak = max(t.peak, other.peak)
	if t.err == nil {
		t.err = other.err
	}
}

// drive uses up the plan on all lanes at once, and returns what they saw and
// how long it took.
func drive(ctx context.Context, lanes []lane, p *plan) (tally, time.Duration) {
	tallies := make([]tally, len(lanes))
	start := time.Now()
	var running sync.WaitGroup
	for i, l := range lanes {
		running.Go(func() { tallies[i] = l.drive(ctx, p) })
	}
	running.Wait()
	elapsed := time.Since(start)
	var sum tally
	for _, t := range tallies {
		sum.add(t)
	}
	slices.Sort(sum.latencies)
	return sum, elapsed
}

// openLanes opens the connections that a load needs, on sessions that are
// there already.
func openLanes(ctx context.Context, sessions []session, l load) ([]lane, error) {
	var lanes []lane
	for _, s := range sessions[:l.Sessions] {
		opened, err := s.lanes(ctx, l.Depth)
		lanes = append(lanes, opened...)
		if err != nil {
			closeLanes(lanes)
			return nil, err
		}
	}
	return lanes, nil
}

func closeLanes(lanes []lane) {
	for _, l := range lanes {
		l.close()
	}
}
