// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A Lane makes one call at a time.
type Lane interface {
	// Do makes a call and waits for its answer until the deadline. It returns
	// the moment when the answer was there. An error is a *Failure, or one of
	// the connection, which the next call opens anew.
	Do(deadline time.Time) (answered time.Time, err error)

	// Close ends a call in flight, and all later ones. It may be called at any
	// time and more than once.
	Close()
}

// Outcome is what a step came to.
type Outcome struct {
	Step
	Elapsed     time.Duration // in which the calls were made and answered
	NotStarted  int64         // calls of an open loop whose time came, but no lane was free until the end
	Interrupted bool
}

// Run makes the calls of a step on lanes, one goroutine for each, and counts
// them in tally. It ends when the step is over and the calls in flight were
// answered or timed out, or at once when ctx is done: calls in flight then do
// not count, and the lanes are closed.
func Run(ctx context.Context, lanes []Lane, s Step, tally *Tally) Outcome {
	return run(ctx, lanes, s, tally, nap)
}

func run(ctx context.Context, lanes []Lane, s Step, tally *Tally, nap func(time.Duration)) Outcome {
	var running sync.WaitGroup
	p := &pacer{limit: s.Calls, nap: nap, turn: make(chan struct{}, 1), start: time.Now()}
	p.stop = p.start.Add(s.Duration)
	if s.Rate > 0 {
		p.interval = float64(time.Second) / s.Rate
	}
	for _, lane := range lanes {
		running.Go(func() {
			defer context.AfterFunc(ctx, lane.Close)()
			drive(ctx, lane, p, s.Timeout, tally)
		})
	}
	running.Wait()
	return p.outcome(ctx, s, tally)
}

// backOff bounds the pause of a lane that has no connection.
const (
	backOffFirst = 10 * time.Millisecond
	backOffMost  = time.Second
)

func drive(ctx context.Context, lane Lane, p *pacer, timeout time.Duration, tally *Tally) {
	pause := backOffFirst
	for {
		intended, ok := p.next(ctx)
		if !ok {
			return
		}
		begun := time.Now()
		if p.interval > 0 {
			tally.Delay.Record(begun.Sub(intended))
		}
		answered, err := lane.Do(begun.Add(timeout))
		if err == nil {
			tally.succeed(answered.Sub(intended), answered)
			pause = backOffFirst
			continue
		}
		if ctx.Err() != nil || errors.Is(err, errInterrupted) {
			return
		}
		f := failureOf(err)
		tally.fail(f)
		if f.Class == ClassUnreachable {
			p.sleep(ctx, min(pause, time.Until(p.stop)))
			pause = min(2*pause, backOffMost)
		}
	}
}

// A pacer says when which call starts. It is safe for concurrent use.
type pacer struct {
	limit       int64
	interval    float64 // nanoseconds between starts; 0: as soon as a lane is free
	start, stop time.Time
	nap         func(time.Duration)

	closed atomic.Int64 // calls of a closed loop

	turn  chan struct{} // a lock, held by the lane that waits for the next moment
	taken int64         // turn guards it: calls of an open loop
}

// next waits for the moment of the next call and returns it. It reports false
// when no call starts any more.
func (p *pacer) next(ctx context.Context) (at time.Time, ok bool) {
	if p.interval > 0 {
		return p.nextAtRate(ctx)
	}
	at = time.Now()
	if ctx.Err() != nil || !at.Before(p.stop) {
		return at, false
	}
	return at, p.closed.Add(1) <= p.limit || p.limit == 0
}

// nextAtRate lets one lane at a time wait: the others would have nothing to do
// before it.
func (p *pacer) nextAtRate(ctx context.Context) (at time.Time, ok bool) {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	at = p.moment(p.taken)
	if p.taken == p.due() || !time.Now().Before(p.stop) {
		return at, false
	}
	p.waitUntil(ctx, at)
	if ctx.Err() != nil {
		return at, false
	}
	p.taken++
	return at, true
}

// due is how many calls an open loop starts.
func (p *pacer) due() int64 {
	due := int64(math.Ceil(float64(p.stop.Sub(p.start)) / p.interval))
	if p.limit > 0 {
		due = min(due, p.limit)
	}
	return due
}

// moment is when call number n, from 0, starts.
func (p *pacer) moment(n int64) time.Time {
	return p.start.Add(time.Duration(float64(n) * p.interval))
}

// coarse is how late the timers of the runtime may be.
const coarse = 2 * time.Millisecond

func (p *pacer) waitUntil(ctx context.Context, at time.Time) {
	p.sleep(ctx, time.Until(at)-coarse)
	for left := time.Until(at); left > 0 && ctx.Err() == nil; left = time.Until(at) {
		p.nap(left) // a signal may end it early
	}
}

func (p *pacer) sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *pacer) outcome(ctx context.Context, s Step, tally *Tally) Outcome {
	o := Outcome{Step: s, Interrupted: ctx.Err() != nil}
	now, last := time.Now(), time.Unix(0, tally.last.Load())
	end := p.stop
	if o.Interrupted || now.Before(end) {
		end = now // interrupted, or all calls made
	}
	if last.After(end) {
		end = last
	}
	o.Elapsed = end.Sub(p.start)
	if p.interval > 0 && !o.Interrupted {
		o.NotStarted = p.due() - p.taken
	}
	return o
}
