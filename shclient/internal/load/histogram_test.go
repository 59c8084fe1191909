// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramKnowsQuantilesToOnePercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(math.Exp(random.Float64() * 25)) // 1 ns to 72 s
		h.Record(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.001, .25, .5, .9, .99, .999, .9999, 1} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		got := h.Quantile(q)
		if got < want || float64(got) > 1.01*float64(want) {
			t.Errorf("quantile %v is %v, want %v to 1%% more", q, got, want)
		}
	}
	if h.Min() != all[0] || h.Max() != all[len(all)-1] || h.Count() != int64(len(all)) {
		t.Errorf("min %v, max %v, count %d", h.Min(), h.Max(), h.Count())
	}
}

func TestHistogramBuckets(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 127, 128, 255, 256, 257, 511, 512, 1 << 20, 1<<42 - 1, 1 << 42, math.MaxInt64} {
		bucket := bucketOf(d)
		if bucket < 0 || bucket >= numBuckets {
			t.Fatalf("%d is in bucket %d of %d", d, bucket, numBuckets)
		}
		d = min(max(d, 0), 1<<42)
		if top := ceiling(bucket); top < d || float64(top) > 1.01*float64(d)+1 {
			t.Errorf("the bucket of %d ends at %d", d, top)
		}
		if bucket > 0 && ceiling(bucket-1) >= d {
			t.Errorf("the bucket before that of %d ends at %d", d, ceiling(bucket-1))
		}
	}
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(.5) != 0 || h.Min() != 0 || h.Max() != 0 || h.Mean() != 0 {
		t.Error("an empty histogram has durations")
	}
}
