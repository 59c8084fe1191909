// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"time"
)

// The bounds of a plan.
const (
	MaxSessions = 1000
	MaxLanes    = 4096 // sessions x concurrency: calls in flight
	MaxRate     = 1_000_000
	MaxCalls    = 100_000_000
	MaxDuration = time.Hour // of a step, and of the warm-up
	MaxSteps    = 50
	MaxTimeout  = 10 * time.Minute
)

// A Plan says how much of which load. Every step takes Duration, or Calls calls
// if that is sooner.
type Plan struct {
	Sessions    int
	Concurrency []int         // calls in flight in each session; several are a ramp
	Rate        []float64     // calls a second to start; empty is a closed loop, several are a ramp
	Calls       int64         // of a step; 0: as many as fit
	Duration    time.Duration // of a step
	Warmup      time.Duration // of calls that do not count, before the first step
	Timeout     time.Duration // of a call
}

// Check returns what is wrong with the plan.
func (p Plan) Check() error {
	switch {
	case p.Sessions < 1 || p.Sessions > MaxSessions:
		return fmt.Errorf("sessions: want 1 to %d", MaxSessions)
	case len(p.Concurrency) == 0:
		return errors.New("concurrency: want at least 1")
	case len(p.Concurrency) > 1 && len(p.Rate) > 1:
		return errors.New("want a list for concurrency or for rate, not for both")
	case max(len(p.Concurrency), len(p.Rate)) > MaxSteps:
		return fmt.Errorf("want at most %d steps", MaxSteps)
	case p.Calls < 0 || p.Calls > MaxCalls:
		return fmt.Errorf("calls: want at most %d", MaxCalls)
	case p.Duration <= 0 || p.Duration > MaxDuration:
		return fmt.Errorf("duration: want more than 0 and at most %v", MaxDuration)
	case p.Warmup < 0 || p.Warmup > MaxDuration:
		return fmt.Errorf("warm-up: want at most %v", MaxDuration)
	case p.Timeout <= 0 || p.Timeout > MaxTimeout:
		return fmt.Errorf("timeout: want more than 0 and at most %v", MaxTimeout)
	}
	for _, c := range p.Concurrency {
		if c < 1 || c > MaxLanes/p.Sessions {
			return fmt.Errorf("concurrency: want 1 to %d with %d sessions (%d calls in flight)", MaxLanes/p.Sessions, p.Sessions, MaxLanes)
		}
	}
	for _, r := range p.Rate {
		if !(r > 0.001 && r <= MaxRate) {
			return fmt.Errorf("rate: want more than 0.001 and at most %d calls a second", MaxRate)
		}
	}
	return nil
}

// Steps are the steps of the plan, in order.
func (p Plan) Steps() []Step {
	var steps []Step
	for i := range max(len(p.Concurrency), len(p.Rate)) {
		s := Step{
			Sessions:    p.Sessions,
			Concurrency: p.Concurrency[min(i, len(p.Concurrency)-1)],
			Calls:       p.Calls,
			Duration:    p.Duration,
			Timeout:     p.Timeout,
		}
		if len(p.Rate) > 0 {
			s.Rate = p.Rate[min(i, len(p.Rate)-1)]
		}
		steps = append(steps, s)
	}
	return steps
}

// A Step is one kind of load for some time.
type Step struct {
	Sessions    int
	Concurrency int
	Rate        float64 // 0: a closed loop
	Calls       int64   // 0: as many as fit
	Duration    time.Duration
	Timeout     time.Duration
}

// Lanes is how many calls may be in flight.
func (s Step) Lanes() int { return s.Sessions * s.Concurrency }
