// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A sleeper is a lane whose calls take what took says, in the time of a bubble.
type sleeper struct {
	took   func(call int) (time.Duration, error)
	calls  int
	closed chan struct{}
	once   sync.Once
}

func (s *sleeper) Do(deadline time.Time) (time.Time, error) {
	d, err := s.took(s.calls)
	s.calls++
	select {
	case <-time.After(d):
	case <-time.After(time.Until(deadline)):
		err = errSilent
	case <-s.closed:
		err = errInterrupted
	}
	return time.Now(), err
}

func (s *sleeper) Close() { s.once.Do(func() { close(s.closed) }) }

func sleepers(n int, took func(int) (time.Duration, error)) (lanes []Lane) {
	for range n {
		lanes = append(lanes, &sleeper{took: took, closed: make(chan struct{})})
	}
	return lanes
}

func always(d time.Duration) func(int) (time.Duration, error) {
	return func(int) (time.Duration, error) { return d, nil }
}

func measure(ctx context.Context, s Step, took func(int) (time.Duration, error)) (Row, *Tally) {
	if s.Timeout == 0 {
		s.Timeout = time.Minute
	}
	var tally Tally
	var report Report
	report.Add(run(ctx, sleepers(s.Lanes(), took), s, &tally, time.Sleep), &tally)
	return report.Steps[0], &tally
}

func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row, _ := measure(t.Context(), Step{Sessions: 2, Concurrency: 2, Duration: time.Second}, always(10*time.Millisecond))
		if row.Succeeded != 400 || row.PerSecond != 400 || row.Failed != 0 {
			t.Errorf("4 lanes of 10 ms in 1 s: %d calls, %v/s, %d failed; want 400", row.Succeeded, row.PerSecond, row.Failed)
		}
		if row.Latency.Min != 10 || row.Latency.P50 != 10 || row.Latency.Max != 10 || row.Delay != nil {
			t.Errorf("latencies %+v, delays %v; want 10 ms, none", row.Latency, row.Delay)
		}
	})
}

func TestCallsEndAStep(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			row, _ := measure(t.Context(), Step{Sessions: 1, Concurrency: 4, Rate: rate, Calls: 10, Duration: time.Hour}, always(time.Millisecond))
			if row.Succeeded != 10 || row.NotStarted != 0 || time.Since(start) > time.Second {
				t.Errorf("rate %v: %d calls, %d not started, in %v; want 10, 0", rate, row.Succeeded, row.NotStarted, time.Since(start))
			}
		})
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row, _ := measure(t.Context(), Step{Sessions: 1, Concurrency: 8, Rate: 100, Duration: 2 * time.Second}, always(50*time.Millisecond))
		if row.Succeeded != 200 || row.NotStarted != 0 || row.Latency.Max != 50 || row.Delay.Max != 0 {
			t.Errorf("%d calls, %d not started, %+v, delay %+v; want 200 calls of 50 ms that start in time", row.Succeeded, row.NotStarted, row.Latency, *row.Delay)
		}
	})
}

// A server that stalls for a second holds up a hundred calls. A closed loop sees
// one slow call; an open one must see them all.
func TestNoCoordinatedOmission(t *testing.T) {
	stall := func(call int) (time.Duration, error) {
		if call == 100 {
			return time.Second, nil
		}
		return time.Millisecond, nil
	}
	synctest.Test(t, func(t *testing.T) {
		row, tally := measure(t.Context(), Step{Sessions: 1, Concurrency: 1, Rate: 100, Duration: 10 * time.Second}, stall)
		if row.Succeeded != 1000 || row.NotStarted != 0 {
			t.Errorf("%d calls, %d not started; want 1000, 0", row.Succeeded, row.NotStarted)
		}
		// The calls due while it stalls wait 990, 980, … ms, less 9 for each that
		// is made up for: some 110 wait for longer than that.
		if p := tally.Latency.Quantile(.9); p < 50*time.Millisecond || tally.Latency.Max() != time.Second {
			t.Errorf("p90 %v, max %v; want the calls that were held up to show", p, tally.Latency.Max())
		}
		if tally.Latency.Quantile(.85) > 2*time.Millisecond {
			t.Errorf("p85 %v, want that of calls that were not held up", tally.Latency.Quantile(.85))
		}
		if row.Delay.Max < 980 {
			t.Errorf("starts are behind by %v ms at most, want about 989", row.Delay.Max)
		}
	})
}

func TestCallsThatWereNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row, _ := measure(t.Context(), Step{Sessions: 1, Concurrency: 1, Rate: 100, Duration: time.Second}, always(100*time.Millisecond))
		if row.Succeeded != 10 || row.NotStarted != 90 || row.PerSecond != 10 {
			t.Errorf("%d calls, %d not started, %v/s; want 10, 90, 10", row.Succeeded, row.NotStarted, row.PerSecond)
		}
	})
}

func TestInterruption(t *testing.T) {
	for _, rate := range []float64{0, 0.01, 100} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 95*time.Millisecond)
			defer cancel()
			start := time.Now()
			row, tally := measure(ctx, Step{Sessions: 1, Concurrency: 1, Rate: rate, Duration: time.Hour}, always(20*time.Millisecond))
			if took := time.Since(start); took > 100*time.Millisecond {
				t.Errorf("rate %v: it ends after %v", rate, took)
			}
			if row.Failed != 0 || row.NotStarted != 0 || rate != .01 && row.Succeeded != 4 {
				t.Errorf("rate %v: %d calls, %d failed (%v), %d not started; want 4 that were answered", rate, row.Succeeded, row.Failed, tally.Failures(), row.NotStarted)
			}
		})
	}
}

func TestFailuresAreNoLatencies(t *testing.T) {
	every := func(call int) (time.Duration, error) {
		switch call % 4 {
		case 0:
			return time.Millisecond, &Failure{Class: ClassTool, Kind: "tool error", Text: "out of tea"}
		case 1:
			return 2 * time.Hour, nil
		}
		return 10 * time.Millisecond, nil
	}
	synctest.Test(t, func(t *testing.T) {
		row, _ := measure(t.Context(), Step{Sessions: 1, Concurrency: 1, Calls: 8, Duration: time.Hour, Timeout: time.Second}, every)
		want := []FailureCount{{ClassServer, "timeout", 2, ""}, {ClassTool, "tool error", 2, "out of tea"}}
		if row.Failed != 4 || len(row.Failures) != 2 || row.Failures[0] != want[0] || row.Failures[1] != want[1] {
			t.Errorf("%d failures: %+v, want %+v", row.Failed, row.Failures, want)
		}
		if row.Succeeded != 4 || row.Latency.Min != 10 || row.Latency.Max != 10 {
			t.Errorf("%d calls, %+v; want 4 of 10 ms", row.Succeeded, row.Latency)
		}
	})
}

func TestLanesWithoutConnectionPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row, _ := measure(t.Context(), Step{Sessions: 1, Concurrency: 1, Duration: 10 * time.Second}, func(int) (time.Duration, error) { return 0, io.EOF })
		if row.Failed < 10 || row.Failed > 20 {
			t.Errorf("%d attempts in 10 s, want a pause that grows to 1 s", row.Failed)
		}
		if row.Failures[0].Kind != "connection closed" || row.Failures[0].Class != ClassUnreachable {
			t.Errorf("failures are %+v", row.Failures)
		}
	})
}

func TestPlanBounds(t *testing.T) {
	good := Plan{Sessions: 1, Concurrency: []int{1}, Duration: time.Second, Timeout: time.Second}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Plan){
		"no session":         func(p *Plan) { p.Sessions = 0 },
		"many sessions":      func(p *Plan) { p.Sessions = MaxSessions + 1 },
		"no lane":            func(p *Plan) { p.Concurrency = []int{4, 0} },
		"no concurrency":     func(p *Plan) { p.Concurrency = nil },
		"many lanes":         func(p *Plan) { p.Sessions, p.Concurrency = 1000, []int{5} },
		"two ramps":          func(p *Plan) { p.Concurrency, p.Rate = []int{1, 2}, []float64{1, 2} },
		"many steps":         func(p *Plan) { p.Rate = make([]float64, MaxSteps+1) },
		"no rate":            func(p *Plan) { p.Rate = []float64{0} },
		"high rate":          func(p *Plan) { p.Rate = []float64{2 * MaxRate} },
		"negative calls":     func(p *Plan) { p.Calls = -1 },
		"many calls":         func(p *Plan) { p.Calls = MaxCalls + 1 },
		"no time":            func(p *Plan) { p.Duration = 0 },
		"long":               func(p *Plan) { p.Duration = MaxDuration + 1 },
		"long warm-up":       func(p *Plan) { p.Warmup = MaxDuration + 1 },
		"no time for a call": func(p *Plan) { p.Timeout = 0 },
	} {
		p := good
		if change(&p); p.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ramp := good
	ramp.Rate = []float64{10, 20}
	if steps := ramp.Steps(); len(steps) != 2 || steps[1].Rate != 20 || steps[1].Concurrency != 1 {
		t.Errorf("steps are %+v", steps)
	}
}
