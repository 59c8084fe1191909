// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram has a bucket for each nanosecond up to 2^subBits, and then
// 2^(subBits-1) buckets for each power of two: any duration is known to better
// than one percent.
const (
	subBits    = 8
	perOctave  = 1 << (subBits - 1)
	maxBits    = 42 // durations of more than 73 minutes count as that long
	numBuckets = (maxBits-subBits+2)*perOctave + 1
)

// A Histogram counts durations. It is safe for concurrent use; the zero value
// is empty.
type Histogram struct {
	buckets [numBuckets]atomic.Int64
	count   atomic.Int64
	sum     atomic.Int64 // nanoseconds
	max     atomic.Int64
	least   atomic.Int64 // 1 + the smallest; 0 if there is none
}

func bucketOf(d time.Duration) int {
	v := min(uint64(max(d, 0)), 1<<maxBits)
	shift := max(bits.Len64(v)-subBits, 0)
	return shift*perOctave + int(v>>shift)
}

// ceiling is the longest duration of a bucket.
func ceiling(bucket int) time.Duration {
	shift := max(bucket/perOctave-1, 0)
	return time.Duration((uint64(bucket-shift*perOctave)+1)<<shift - 1)
}

// Record counts a duration.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(d)].Add(1)
	h.count.Add(1)
	h.sum.Add(int64(d))
	for old := h.max.Load(); int64(d) > old && !h.max.CompareAndSwap(old, int64(d)); old = h.max.Load() {
	}
	for old := h.least.Load(); (old == 0 || int64(d)+1 < old) && !h.least.CompareAndSwap(old, int64(d)+1); old = h.least.Load() {
	}
}

// Count is how many durations were recorded.
func (h *Histogram) Count() int64 { return h.count.Load() }

// Min is the shortest duration, and 0 if there is none.
func (h *Histogram) Min() time.Duration { return time.Duration(max(h.least.Load()-1, 0)) }

// Max is the longest duration.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) }

// Mean is the arithmetic mean, and 0 if there is nothing.
func (h *Histogram) Mean() time.Duration {
	return time.Duration(h.sum.Load() / max(h.count.Load(), 1))
}

// Quantile is the duration that the share q of all, from 0 to 1, does not
// exceed. It is 0 if there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(int64(math.Ceil(q*float64(h.count.Load()))), 1)
	var seen int64
	for i := range h.buckets {
		if seen += h.buckets[i].Load(); seen >= rank {
			return min(ceiling(i), h.Max())
		}
	}
	return h.Max()
}
