// SPDX-License-Identifier: Apache-2.0

package load

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxKinds is how many kinds of failure are told apart.
const maxKinds = 50

// A Tally is what a step has counted so far. It is safe for concurrent use; the
// zero value is empty.
type Tally struct {
	Latency Histogram // of the calls that succeeded
	Delay   Histogram // of the starts of calls in an open loop, behind their time
	last    atomic.Int64

	mu       sync.Mutex
	failures map[string]*FailureCount // mu guards it, by kind
	failed   atomic.Int64
}

// FailureCount is how often calls failed in one way.
type FailureCount struct {
	Class   Class  `json:"class"`
	Kind    string `json:"kind"`
	Count   int64  `json:"count"`
	Example string `json:"example,omitempty"` // the text of the first
}

func (t *Tally) succeed(latency time.Duration, answered time.Time) {
	t.Latency.Record(latency)
	for now, old := answered.UnixNano(), t.last.Load(); now > old && !t.last.CompareAndSwap(old, now); old = t.last.Load() {
	}
}

func (t *Tally) fail(f *Failure) {
	t.failed.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures == nil {
		t.failures = make(map[string]*FailureCount)
	}
	kind := f.Kind
	if _, known := t.failures[kind]; !known && len(t.failures) >= maxKinds {
		kind = "other"
	}
	if t.failures[kind] == nil {
		t.failures[kind] = &FailureCount{Class: f.Class, Kind: kind, Example: f.Text}
	}
	t.failures[kind].Count++
}

// Failed is how many calls failed.
func (t *Tally) Failed() int64 { return t.failed.Load() }

// Failures are the kinds of failure, most frequent first.
func (t *Tally) Failures() []FailureCount {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []FailureCount{}
	for _, f := range t.failures {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b FailureCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}
