// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// The bounds of a histogram: ten to a decade, so that a quantile read from it
// is off by some percent at most, from 50 µs, which no process answers sooner
// than, to 100 s. numBounds is their number; one bucket more is for the rest.
const (
	lowest    = 50 * time.Microsecond
	highest   = 100 * time.Second
	numBounds = 64
)

var bounds = makeBounds()

func makeBounds() (all [numBounds]time.Duration) {
	i := 0
	for unit := 100 * time.Nanosecond; unit < highest; unit *= 10 {
		for _, step := range [...]time.Duration{100, 125, 160, 200, 250, 320, 400, 500, 630, 800} {
			if d := step * unit; d >= lowest && d <= highest {
				all[i] = d
				i++
			}
		}
	}
	return all
}

// firstBound is, by the number of bits of a duration in nanoseconds, the first
// bound that may hold it.
var firstBound = func() (first [65]uint8) {
	for n := 1; n < len(first); n++ {
		i, _ := slices.BinarySearch(bounds[:], time.Duration(1)<<min(n-1, 62))
		first[n] = uint8(i)
	}
	return first
}()

// bucketOf is the index of the first bound that is not below d.
func bucketOf(d time.Duration) int {
	i := int(firstBound[bits.Len64(uint64(d))])
	for i < numBounds && d > bounds[i] {
		i++
	}
	return i
}

// histogram counts durations. It is safe for concurrent use.
type histogram struct {
	sum     atomic.Int64 // nanoseconds
	buckets [numBounds + 1]atomic.Int64
}

func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(d)].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Sum: time.Duration(h.sum.Load())}
	for i := range h.buckets {
		n := h.buckets[i].Load()
		s.buckets[i] = n
		s.Count += n
	}
	return s
}

// Histogram is how often which durations were seen.
type Histogram struct {
	Count   int64
	Sum     time.Duration
	buckets [numBounds + 1]int64
}

// Bucket is the number of durations that are no longer than a bound.
type Bucket struct {
	Bound time.Duration
	Count int64
}

// Buckets returns cumulative counts at few and round bounds: 1, 2.5 and 5 of
// each decade. Longer durations are in Count alone.
func (h *Histogram) Buckets() []Bucket {
	all := make([]Bucket, 0, numBounds/3)
	var count int64
	for i, bound := range bounds {
		count += h.buckets[i]
		if isRound(bound) {
			all = append(all, Bucket{bound, count})
		}
	}
	return all
}

func isRound(d time.Duration) bool {
	for d%10 == 0 {
		d /= 10
	}
	return d == 1 || d == 25 || d == 5
}

// Quantile estimates the duration that the share q of all does not exceed, for
// q from 0 to 1. It is 0 if there are none, and at most 100 s.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := q * float64(h.Count)
	var below int64
	var from time.Duration
	for i, to := range bounds {
		n := h.buckets[i]
		if n > 0 && float64(below+n) >= rank {
			share := max(0, rank-float64(below)) / float64(n)
			return from + time.Duration(share*float64(to-from))
		}
		below += n
		from = to
	}
	if h.Count == 0 {
		return 0
	}
	return highest
}
