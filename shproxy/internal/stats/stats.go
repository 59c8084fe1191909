// SPDX-License-Identifier: Apache-2.0

// Package stats counts what a proxy does, for people and monitors. Recording
// takes no lock and allocates nothing, so that it can stand in the way of
// every call.
package stats

import (
	"sync/atomic"
	"time"
)

// Recorder counts for one server. Its fields are counters to add to. It is
// safe for concurrent use; make it with [NewRecorder].
type Recorder struct {
	series [len(methods)]atomic.Pointer[series]
	_      [64]byte // what follows is written all the time, the pointers never

	BytesIn  atomic.Int64 // of messages to the server
	_        [56]byte
	BytesOut atomic.Int64 // of messages to clients
	_        [56]byte

	Streams      atomic.Int64 // event streams that are open now
	Started      atomic.Int64 // processes
	FailedStarts atomic.Int64 // processes that could not be started, or did not answer in time
	Crashed      atomic.Int64 // processes that ended without being asked
	Restarted    atomic.Int64 // processes that took the place of one that crashed
	Dropped      atomic.Int64 // messages that had nowhere to go
	Noise        atomic.Int64 // lines on a server's stdout that were no message
	Strays       atomic.Int64 // processes that had to be killed after their server's end
}

// series is what is counted of one method.
type series struct {
	outcomes [numOutcomes]atomic.Int64
	latency  histogram
}

// NewRecorder returns a recorder that has counted nothing.
func NewRecorder() *Recorder { return new(Recorder) }

// Call counts a call that took d from its arrival to its end. The latency of
// refused calls is not recorded, since no server had a part in it; that of
// calls that were given up is, as the least that it would have been.
func (r *Recorder) Call(m Method, o Outcome, d time.Duration) {
	if int(m) >= len(r.series) {
		m = Other
	}
	s := r.series[m].Load()
	if s == nil {
		s = r.newSeries(m)
	}
	s.outcomes[min(o, numOutcomes-1)].Add(1)
	if o < Refused {
		s.latency.record(d)
	}
}

// newSeries begins to count a method; most servers are asked for few.
func (r *Recorder) newSeries(m Method) *series {
	s := new(series)
	if r.series[m].CompareAndSwap(nil, s) {
		return s
	}
	return r.series[m].Load()
}

// Snapshot is what a [Recorder] has counted; see there for the counters.
type Snapshot struct {
	Calls []Calls // by method, without those that were never called

	BytesIn, BytesOut                         int64
	Streams                                   int64
	Started, FailedStarts, Crashed, Restarted int64
	Dropped, Noise, Strays                    int64
}

// Calls are the calls of one method that have ended.
type Calls struct {
	Method   Method
	Outcomes [numOutcomes]int64 // by [Outcome]
	Latency  Histogram
}

// Snapshot reads all counters. Calls that end meanwhile may be in some of them
// and not yet in others.
func (r *Recorder) Snapshot() Snapshot {
	snap := Snapshot{
		BytesIn: r.BytesIn.Load(), BytesOut: r.BytesOut.Load(), Streams: r.Streams.Load(),
		Started: r.Started.Load(), FailedStarts: r.FailedStarts.Load(), Crashed: r.Crashed.Load(), Restarted: r.Restarted.Load(),
		Dropped: r.Dropped.Load(), Noise: r.Noise.Load(), Strays: r.Strays.Load(),
	}
	for m := range r.series {
		s := r.series[m].Load()
		if s == nil {
			continue
		}
		calls := Calls{Method: Method(m), Latency: s.latency.snapshot()}
		for o := range s.outcomes {
			calls.Outcomes[o] = s.outcomes[o].Load()
		}
		snap.Calls = append(snap.Calls, calls)
	}
	return snap
}
