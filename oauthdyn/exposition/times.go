// SPDX-License-Identifier: Apache-2.0

package exposition

import (
	"slices"
	"time"
)

// Times counts durations in buckets, for a histogram. It is not safe
// for concurrent use.
type Times struct {
	bounds []float64
	counts []int64 // one more than bounds
	sum    float64
}

// NewTimes returns what has counted nothing yet. The upper bounds of its buckets
// are in seconds, in ascending order.
func NewTimes(bounds ...float64) *Times {
	return &Times{bounds: bounds, counts: make([]int64, len(bounds)+1)}
}

// Add counts a duration.
func (t *Times) Add(d time.Duration) {
	seconds := d.Seconds()
	i, _ := slices.BinarySearch(t.bounds, seconds)
	t.counts[i]++
	t.sum += seconds
}

// Distribution returns what was counted, for [Writer.Distribution].
func (t *Times) Distribution() Distribution {
	d := Distribution{Sum: t.sum}
	for i, n := range t.counts {
		d.Count += n
		if i < len(t.bounds) {
			d.Buckets = append(d.Buckets, Bucket{Bound: t.bounds[i], Count: d.Count})
		}
	}
	return d
}
