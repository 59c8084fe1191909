// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"time"
)

// Results are everything that was measured, as -json prints it.
type results struct {
	Date         time.Time      `json:"date"`
	Machine      string         `json:"machine"`
	Interpreters string         `json:"interpreters"` // of the peers
	Seconds      float64        `json:"seconds"`      // of one measurement
	Loads        []load         `json:"loads"`
	Systems      []systemResult `json:"systems"`
	rounds       int
	maxCalls     int
}

type systemResult struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Missing string  `json:"missing,omitempty"`
	Rounds  []round `json:"rounds"`
}

// isOurs reports whether the system comes with the repository.
func (s *systemResult) isOurs() bool {
	return slices.Contains(ownNames(), s.Name) || slices.Contains([]string{bareName, oauthdynName, boltName, redisName, shclientName, fetchserverName}, s.Name)
}

// untranslated is the system with the same clients in front of a server of
// their era; empty if nothing is translated.
func (s *systemResult) untranslated() string {
	switch s.Name {
	case toLegacyName:
		return modernName
	case toModernName:
		return shproxyName
	}
	return ""
}

// A round is what one start of a system showed. Figures that could not be
// had are 0.
type round struct {
	Failure      string            `json:"failure,omitempty"` // why it did not start
	StartMillis  float64           `json:"start_ms"`          // from exec to the first initialize
	Idle         memory            `json:"memory_idle"`
	OneSession   memory            `json:"memory_one_session"`
	ManySessions memory            `json:"memory_many_sessions"`
	Loaded       memory            `json:"memory_after_loads"`
	Loads        map[string]sample `json:"loads"` // by load key
	Left         int               `json:"processes_left"`
}

// Memory is a resident set, in bytes.
type memory struct {
	Own  int64 `json:"own"`  // of the system's process
	Tree int64 `json:"tree"` // with its descendants
}

// A sample is one measurement.
type sample struct {
	Rate      float64 `json:"calls_per_second"` // with the right reply
	P50Micros float64 `json:"p50_us"`
	P90Micros float64 `json:"p90_us"`
	P99Micros float64 `json:"p99_us"`
	CPUMicros float64 `json:"cpu_us_per_call"`
	Allocated float64 `json:"allocated_bytes_per_call,omitempty"`
	PeakBytes int64   `json:"peak_bytes,omitempty"` // of a process that was run for the calls
	Errors    int     `json:"errors"`
	Error     string  `json:"first_error,omitempty"`
}

func newSample(t tally, elapsed time.Duration) sample {
	s := sample{
		Rate:      float64(len(t.latencies)) / elapsed.Seconds(),
		P50Micros: percentile(t.latencies, 50).Seconds() * 1e6,
		P90Micros: percentile(t.latencies, 90).Seconds() * 1e6,
		P99Micros: percentile(t.latencies, 99).Seconds() * 1e6,
		PeakBytes: t.peak,
		Errors:    t.errors,
	}
	if calls := len(t.latencies); calls > 0 {
		s.CPUMicros = t.cpu.Seconds() * 1e6 / float64(calls)
		s.Allocated = float64(t.allocated) / float64(calls)
	}
	if t.err != nil {
		s.Error = t.err.Error()
	}
	return s
}

func failedSample(count int, err error) sample {
	return sample{Errors: count, Error: err.Error()}
}

func (s sample) String() string {
	text := fmt.Sprintf("%.0f calls/s, p50 %.3f ms, p99 %.3f ms, CPU %.0f us a call",
		s.Rate, s.P50Micros/1e3, s.P99Micros/1e3, s.CPUMicros)
	if s.Errors > 0 {
		text += fmt.Sprintf("; %d errors, first: %s", s.Errors, s.Error)
	}
	return text
}

func (r *round) startText() string {
	if r.Failure != "" {
		return "failed: " + r.Failure
	}
	return fmt.Sprintf("started in %.0f ms", r.StartMillis)
}

func newResults(b *bench) *results {
	res := &results{
		Date:    time.Now().UTC().Truncate(time.Second),
		Machine: joinKnown(machine(), fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())),
		Seconds: b.duration.Seconds(),
		Loads:   b.loads,
		rounds:  b.rounds, maxCalls: b.calls,
	}
	for _, s := range b.systems {
		res.Systems = append(res.Systems, systemResult{Name: s.name(), Title: s.title(), Missing: s.missing()})
	}
	return res
}

func (r *results) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// failure returns an error if a system of this repository did not answer
// every call. How the peers fare is a result, and no failure.
func (r *results) failure() error {
	for _, s := range r.Systems {
		if !s.isOurs() {
			continue
		}
		for _, round := range s.Rounds {
			if round.Failure != "" {
				return fmt.Errorf("%s: %s", s.Title, round.Failure)
			}
			for _, l := range r.Loads {
				if bad := round.Loads[l.Key]; bad.Errors > 0 {
					return fmt.Errorf("%s: %s: %d calls failed, first: %s", s.Title, l.Title, bad.Errors, bad.Error)
				}
			}
			if round.Left > 0 {
				return errors.New(s.Title + ": processes were left behind")
			}
		}
	}
	return nil
}

// find returns a system's results, or nil.
func (r *results) find(name string) *systemResult {
	for i := range r.Systems {
		if r.Systems[i].Name == name {
			return &r.Systems[i]
		}
	}
	return nil
}

// A figure is a number of a round; NaN if the round does not have it.
type figure func(*round) float64

func known(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

func rate(l load) figure { return func(r *round) float64 { return known(r.Loads[l.Key].Rate) } }
func p50(l load) figure  { return func(r *round) float64 { return known(r.Loads[l.Key].P50Micros) } }
func p90(l load) figure  { return func(r *round) float64 { return known(r.Loads[l.Key].P90Micros) } }
func p99(l load) figure  { return func(r *round) float64 { return known(r.Loads[l.Key].P99Micros) } }
func cpu(l load) figure  { return func(r *round) float64 { return known(r.Loads[l.Key].CPUMicros) } }
func peak(l load) figure {
	return func(r *round) float64 { return known(float64(r.Loads[l.Key].PeakBytes)) }
}

// median returns the median of a figure over the rounds.
func (s *systemResult) median(f figure) float64 {
	var values []float64
	for i := range s.Rounds {
		values = append(values, f(&s.Rounds[i]))
	}
	return median(values)
}

// ratio returns the median of a figure divided by another system's in the
// same round: what disturbs the machine for a while disturbs both.
func (s *systemResult) ratio(f figure, base *systemResult) float64 {
	if base == nil {
		return math.NaN()
	}
	var values []float64
	for i := range min(len(s.Rounds), len(base.Rounds)) {
		values = append(values, f(&s.Rounds[i])/f(&base.Rounds[i]))
	}
	return median(values)
}

// idealShare returns the median share of the ideal rate of the same round.
func (r *results) idealShare(s *systemResult, l load) float64 {
	return r.beside(s, rate(l), func(own, web, pipe float64) float64 { return own / ideal(web, pipe) })
}

// addedLatency returns the median of what the system adds to the p50 of bare
// stdio, in units of the p50 of bare net/http.
func (r *results) addedLatency(s *systemResult, l load) float64 {
	return r.beside(s, p50(l), func(own, web, pipe float64) float64 { return (own - pipe) / web })
}

// beside returns the median of what f makes of a figure and those of the two
// floors in the same round.
func (r *results) beside(s *systemResult, of figure, f func(own, web, pipe float64) float64) float64 {
	web, pipe := r.find(httpName), r.find(stdioName)
	if web == nil || pipe == nil {
		return math.NaN()
	}
	var values []float64
	for i := range s.Rounds {
		values = append(values, f(of(&s.Rounds[i]), of(&web.Rounds[i]), of(&pipe.Rounds[i])))
	}
	return median(values)
}
