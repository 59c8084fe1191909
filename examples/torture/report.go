// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// results are what the run found out.
type results struct {
	Marker     string         `json:"marker"` // of the processes of the run
	Date       time.Time      `json:"date"`
	Go         string         `json:"go"`
	CPUs       int            `json:"cpus"`
	Race       bool           `json:"race_detector"`
	Seed       uint64         `json:"seed"`
	Seconds    float64        `json:"seconds"`
	Asked      int            `json:"clients_asked"`
	Clients    int            `json:"clients"`
	Phases     []*phaseResult `json:"phases"`
	Skipped    []string       `json:"skipped"`
	Violations []violation    `json:"violations"`       // the first ones
	Counts     map[string]int `json:"violation_counts"` // all of them, by kind
}

// A phaseResult is what one phase found out.
type phaseResult struct {
	Name     string                    `json:"name"`
	Seconds  float64                   `json:"seconds"`
	Clients  int                       `json:"clients"`
	Calls    int                       `json:"calls"`
	Messages int                       `json:"messages"` // to clients, each checked
	Counts   map[string]map[string]int `json:"counts"`
	Times    map[string]spread         `json:"times"`
	Dropped  int64                     `json:"messages_dropped"` // as the proxy says: nobody was there any more

	MostSessions int `json:"most_sessions"`
	MostChildren int `json:"most_children"`

	WarmUp int            `json:"warm_up_clients"`
	Before vitals         `json:"before"`
	Warm   vitals         `json:"after_warm_up"`
	After  vitals         `json:"after"`
	Left   map[string]int `json:"processes_left"`

	GoroutinesBefore int `json:"goroutines_before"`
	Goroutines       int `json:"goroutines_after"`

	EndMillis    float64 `json:"end_ms,omitempty"`
	OrphanMillis float64 `json:"orphans_ms,omitempty"`

	stats   *stats
	origins map[string]int // of goroutines, before
}

// complete takes over what was counted.
func (r *phaseResult) complete() {
	r.Times = r.stats.spreads()
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	r.Counts = r.stats.counts
	r.Calls, r.Messages = r.stats.sums["calls"], r.stats.sums["messages"]
}

// passed reports whether nothing was found that must not be.
func (r *results) passed() bool { return len(r.Violations) == 0 }

func (r *results) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeText prints the report: one screen, and the violations.
func (r *results) writeText(w io.Writer) error {
	var out bytes.Buffer
	race := ""
	if r.Race {
		race = ", race detector"
	}
	fmt.Fprintf(&out, "torture: %d clients in %.0f s, seed %d, %s, %s, %d CPUs%s\n\n",
		r.Clients, r.Seconds, r.Seed, r.Date.Format("2006-01-02"), r.Go, r.CPUs, race)
	r.phaseTable(&out)
	r.timeTable(&out)
	r.countLines(&out)
	for _, s := range r.Skipped {
		fmt.Fprintf(&out, "skipped  %s\n", s)
	}
	fmt.Fprintf(&out, "\nmessages of surviving sessions: %d lost, %d duplicated, %d reordered, %d misrouted\n",
		r.Counts[badLost], r.Counts[badDuplicated], r.Counts[badReordered], r.Counts[badMisrouted])
	r.verdict(&out)
	_, err := out.WriteTo(w)
	return err
}

func (r *results) phaseTable(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "phase\tclients\tcalls\tmessages\tmost sessions, processes\tfiles\tgoroutines\tthreads\tRSS start, warm, end MB\tleft\tended in")
	for _, p := range r.Phases {
		ended := "-"
		if p.EndMillis > 0 {
			ended = fmt.Sprintf("%.0f ms, processes %.0f ms later", p.EndMillis, p.OrphanMillis)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d, %d\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.Clients, p.Calls, p.Messages, p.MostSessions, p.MostChildren,
			change(p.Before.Files, p.After.Files), change(p.GoroutinesBefore, p.Goroutines), change(p.Before.Threads, p.After.Threads),
			p.memory(), words(p.Left), ended)
	}
	t.Flush()
	fmt.Fprintln(out)
}

func change(before, after int) string {
	if before == 0 && after == 0 {
		return "-"
	}
	return fmt.Sprintf("%d > %d", before, after)
}

func (r *phaseResult) memory() string {
	if r.After.Resident == 0 {
		return "-"
	}
	mb := func(v vitals) string {
		if v.Resident == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f", float64(v.Resident)/1e6)
	}
	return mb(r.Before) + ", " + mb(r.Warm) + ", " + mb(r.After)
}

func (r *results) timeTable(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "p50 / p99 / longest, ms\t"+strings.Join(timed, "\t"))
	for _, p := range r.Phases {
		fmt.Fprint(t, p.Name)
		for _, name := range timed {
			s := p.Times[name]
			if s.Count == 0 {
				fmt.Fprint(t, "\t-")
				continue
			}
			fmt.Fprintf(t, "\t%.1f / %.1f / %.1f", s.P50, s.P99, s.Max)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	fmt.Fprintln(out)
}

// countLines sums up the phases.
func (r *results) countLines(out io.Writer) {
	sum := make(map[string]map[string]int)
	for _, p := range r.Phases {
		for group, counts := range p.Counts {
			if sum[group] == nil {
				sum[group] = make(map[string]int)
			}
			for name, n := range counts {
				sum[group][name] += n
			}
		}
	}
	for _, group := range slices.Sorted(maps.Keys(sum)) {
		fmt.Fprintf(out, "%-10s  %s\n", group, words(sum[group]))
	}
}

func (r *results) verdict(out io.Writer) {
	if r.Clients < r.Asked {
		fmt.Fprintf(out, "the time was up after %d of %d clients\n", r.Clients, r.Asked)
	}
	if r.passed() {
		fmt.Fprintln(out, "nothing leaked, nothing went wrong")
		return
	}
	total := 0
	for _, n := range r.Counts {
		total += n
	}
	fmt.Fprintf(out, "%d violations: %s\n", total, words(r.Counts))
	for _, v := range r.Violations {
		fmt.Fprintf(out, "- %v\n", v)
		if v.Client > 0 {
			fmt.Fprintf(out, "  the same client alone: go run ./examples/torture -seed %d -phases %s -only %d\n", r.Seed, v.Phase, v.Client)
		}
	}
}
