// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestMethodOf(t *testing.T) {
	for raw, want := range map[string]string{
		`"tools/call"`:               "tools/call",
		`"tools\/call"`:              "tools/call",
		`"\u0070ing"`:                "ping",
		`"server/discover"`:          "server/discover",
		`"resources/templates/list"`: "resources/templates/list",
		`"tools/call "`:              "other",
		`"Tools/Call"`:               "other",
		`"other"`:                    "other",
		`""`:                         "other",
		`"`:                          "other",
		``:                           "other",
		`tools/call`:                 "other",
	} {
		if got := MethodOf([]byte(raw)).String(); got != want {
			t.Errorf("%s is %s, want %s", raw, got, want)
		}
	}
	if got := Method(200).String(); got != "other" {
		t.Errorf("an unknown number is %s", got)
	}
	for m := range methods {
		if got := MethodOf([]byte(`"` + methods[m] + `"`)); got != Method(m) {
			t.Errorf("%s has number %d, want %d", methods[m], got, m)
		}
	}
}

func TestBounds(t *testing.T) {
	if bounds[0] != lowest || bounds[numBounds-1] != highest || !slices.IsSorted(bounds[:]) {
		t.Fatalf("bounds are %v", bounds)
	}
	for i, bound := range bounds {
		if i > 0 && float64(bound)/float64(bounds[i-1]) > 1.29 {
			t.Errorf("%v is far from %v", bound, bounds[i-1])
		}
		for d, want := range map[time.Duration]int{bound - 1: i, bound: i, bound + 1: i + 1} {
			if got := bucketOf(d); got != want {
				t.Errorf("%v is in bucket %d, want %d", d, got, want)
			}
		}
	}
	if got := bucketOf(math.MaxInt64); got != numBounds {
		t.Errorf("the longest is in bucket %d", got)
	}
	if got := bucketOf(0); got != 0 {
		t.Errorf("nothing is in bucket %d", got)
	}
}

func TestBuckets(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-1, 0, lowest, lowest + 1, 99 * time.Millisecond, 2 * time.Minute} {
		h.record(d)
	}
	s := h.snapshot()
	if want := 2*time.Minute + 99*time.Millisecond + 2*lowest + 1; s.Count != 6 || s.Sum != want {
		t.Errorf("%d last %v, want 6 and %v", s.Count, s.Sum, want)
	}
	var got []time.Duration
	for _, b := range s.Buckets() {
		got = append(got, b.Bound)
		want := int64(5)
		switch {
		case b.Bound == lowest:
			want = 3
		case b.Bound < 100*time.Millisecond:
			want = 4
		}
		if b.Count != want {
			t.Errorf("up to %v are %d, want %d", b.Bound, b.Count, want)
		}
	}
	want := []time.Duration{
		50e3, 100e3, 250e3, 500e3, 1e6, 2500e3, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6,
		1e9, 2500e6, 5e9, 10e9, 25e9, 50e9, 100e9,
	}
	if !slices.Equal(got, want) {
		t.Errorf("bounds are %v, want %v", got, want)
	}
}

// Quantiles are close to the true ones, whatever the durations are like.
func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"uniform":   func() time.Duration { return time.Millisecond + time.Duration(random.Int64N(1e9)) },
		"lognormal": func() time.Duration { return time.Duration(5e6 * math.Exp(random.NormFloat64())) },
		"constant":  func() time.Duration { return 3 * time.Millisecond },
	} {
		var h histogram
		all := make([]time.Duration, 10000)
		for i := range all {
			all[i] = draw()
			h.record(all[i])
		}
		slices.Sort(all)
		s := h.snapshot()
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			got, want := s.Quantile(q), all[min(int(q*float64(len(all))), len(all)-1)]
			if ratio := float64(got) / float64(want); ratio < 0.8 || ratio > 1.28 {
				t.Errorf("%s: quantile %v is %v, want %v", name, q, got, want)
			}
		}
	}
}

func TestQuantileAtTheEdges(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	var one histogram
	one.record(0)
	s := one.snapshot()
	if got := s.Quantile(0.5); got <= 0 || got > lowest {
		t.Errorf("of the shortest: %v", got)
	}
	var long histogram
	long.record(time.Hour)
	s = long.snapshot()
	if got := s.Quantile(0.5); got != highest {
		t.Errorf("of the longest: %v", got)
	}
}

func TestRecorder(t *testing.T) {
	r := NewRecorder()
	if s := r.Snapshot(); s.Calls != nil || s.Started != 0 {
		t.Errorf("a new recorder has %+v", s)
	}
	call, unknown := MethodOf([]byte(`"tools/call"`)), MethodOf([]byte(`"x"`))
	const each = 100
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range each {
				r.Call(call, OK, time.Millisecond)
				r.Call(call, Crashed, 3*time.Millisecond)
				r.Call(call, Refused, time.Hour)
				r.Call(unknown, Gone, time.Second)
				r.Call(200, 200, time.Second)
				r.BytesIn.Add(1)
				r.Noise.Add(2)
			}
		})
	}
	all.Wait()
	s := r.Snapshot()
	if len(s.Calls) != 2 || s.Calls[0].Method != Other || s.Calls[1].Method != call {
		t.Fatalf("calls %+v", s.Calls)
	}
	const n = 8 * each
	if got := s.Calls[1].Outcomes; got != [numOutcomes]int64{OK: n, Crashed: n, Refused: n} {
		t.Errorf("outcomes %v", got)
	}
	if got := s.Calls[1].Latency; got.Count != 2*n || got.Sum != n*4*time.Millisecond {
		t.Errorf("latency %d, %v", got.Count, got.Sum)
	}
	if got := s.Calls[0].Outcomes; got != [numOutcomes]int64{Gone: n, Refused: n} {
		t.Errorf("outcomes of others %v", got)
	}
	if s.BytesIn != n || s.Noise != 2*n || s.BytesOut != 0 {
		t.Errorf("counters %d, %d, %d", s.BytesIn, s.Noise, s.BytesOut)
	}
}

func TestOutcomeNames(t *testing.T) {
	seen := map[string]bool{}
	for o := range numOutcomes {
		if name := o.String(); name == "" || seen[name] {
			t.Errorf("outcome %d is %q", o, name)
		} else {
			seen[name] = true
		}
	}
}

// Recording is in the way of every call and must not allocate.
func TestRecordingAllocatesNothing(t *testing.T) {
	r := NewRecorder()
	raw := []byte(`"tools/call"`)
	r.Call(MethodOf(raw), OK, time.Millisecond)
	if n := testing.AllocsPerRun(100, func() {
		r.Call(MethodOf(raw), OK, 700*time.Microsecond)
		r.BytesIn.Add(100)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCall(b *testing.B) {
	r := NewRecorder()
	raw := []byte(`"tools/call"`)
	b.ReportAllocs()
	for b.Loop() {
		r.Call(MethodOf(raw), OK, 700*time.Microsecond)
	}
}

func BenchmarkCallParallel(b *testing.B) {
	r := NewRecorder()
	raw := []byte(`"tools/call"`)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Call(MethodOf(raw), OK, 700*time.Microsecond)
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	r := NewRecorder()
	for m := range methods {
		r.Call(Method(m), OK, time.Millisecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := r.Snapshot()
		_ = s.Calls[0].Latency.Quantile(0.99)
	}
}
