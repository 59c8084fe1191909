// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"sync"
	"time"
)

// What is timed. The crash of a server is timed by the server's clock.
const (
	toInitialize = "initialize"
	toEcho       = "echo"
	afterCrash   = "error after a crash"
	afterFork    = "the same, pipes held by a fork"
	afterClosing = "error after stdout was closed"
	toHealth     = "healthz"
)

var timed = []string{toInitialize, toEcho, toHealth, afterCrash, afterFork, afterClosing}

// stats count what happens in a phase. They are safe for concurrent use.
type stats struct {
	mu     sync.Mutex
	counts map[string]map[string]int  // guarded by mu; by group and name
	sums   map[string]int             // guarded by mu
	times  map[string][]time.Duration // guarded by mu
}

func newStats() *stats {
	return &stats{
		counts: make(map[string]map[string]int), sums: make(map[string]int), times: make(map[string][]time.Duration),
	}
}

func (s *stats) count(group, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[group] == nil {
		s.counts[group] = make(map[string]int)
	}
	s.counts[group][name]++
}

func (s *stats) add(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sums[name] += n
}

// total sums up a group.
func (s *stats) total(group string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, count := range s.counts[group] {
		n += count
	}
	return n
}

func (s *stats) sum(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sums[name]
}

func (s *stats) time(name string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times[name] = append(s.times[name], d)
}

// script counts a call and its steps.
func (s *stats) script(steps script) {
	s.add("calls", 1)
	if len(steps) == 0 {
		s.count("step", "echo")
	}
	for _, st := range steps {
		name := st.Do
		if name == doCrash || name == doFork {
			name += " " + st.How
		}
		if name == doResult && st.Bytes < 1<<20 {
			continue
		}
		s.count("step", name)
	}
}

// A spread is a distribution in milliseconds.
type spread struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func newSpread(times []time.Duration) spread {
	if len(times) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(share float64) float64 {
		i := min(int(share*float64(len(sorted))), len(sorted)-1)
		return float64(sorted[i].Microseconds()) / 1000
	}
	return spread{Count: len(sorted), P50: at(0.5), P99: at(0.99), Max: at(1)}
}

// spreads returns the distributions by name.
func (s *stats) spreads() map[string]spread {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]spread)
	for name, times := range s.times {
		all[name] = newSpread(times)
	}
	return all
}
