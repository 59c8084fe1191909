// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// A Report is what a run came to. Its JSON form is what `shclient load --json`
// writes.
type Report struct {
	Target      string  `json:"target"`
	Transport   string  `json:"transport"` // http or stdio
	Protocol    string  `json:"protocol"`  // version
	Method      string  `json:"method"`
	Tool        string  `json:"tool,omitempty"`
	Steps       []Row   `json:"steps"`
	ClientCPU   float64 `json:"client_cpu_us_per_call"` // what the measuring cost; 0: not known
	Interrupted bool    `json:"interrupted"`
}

// A Row is one step of a report.
type Row struct {
	Sessions    int            `json:"sessions"`
	Concurrency int            `json:"concurrency"`    // calls in flight in each session
	Rate        float64        `json:"rate,omitempty"` // calls a second to start, of an open loop
	Seconds     float64        `json:"seconds"`
	Succeeded   int64          `json:"succeeded"`
	Failed      int64          `json:"failed"`
	NotStarted  int64          `json:"not_started"`              // of an open loop, for want of a free lane
	PerSecond   float64        `json:"calls_per_second"`         // that succeeded
	Latency     Summary        `json:"latency_ms"`               // of those
	Delay       *Summary       `json:"start_delay_ms,omitempty"` // of starts behind their time, in an open loop; part of the latency
	Failures    []FailureCount `json:"failures"`

	tally *Tally
}

// A Summary describes durations, in milliseconds.
type Summary struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func summarize(h *Histogram) Summary {
	return Summary{
		Min: ms(h.Min()), Mean: ms(h.Mean()), Max: ms(h.Max()),
		P50: ms(h.Quantile(.5)), P90: ms(h.Quantile(.9)), P99: ms(h.Quantile(.99)), P999: ms(h.Quantile(.999)),
	}
}

// ms is a duration in milliseconds with three digits behind the point.
func ms(d time.Duration) float64 { return float64(d.Round(time.Microsecond).Microseconds()) / 1000 }

// Add appends the row of a step.
func (r *Report) Add(o Outcome, t *Tally) {
	row := Row{
		Sessions: o.Sessions, Concurrency: o.Concurrency, Rate: o.Rate,
		Seconds:   o.Elapsed.Round(time.Millisecond).Seconds(),
		Succeeded: t.Latency.Count(), Failed: t.Failed(), NotStarted: o.NotStarted,
		Latency: summarize(&t.Latency), Failures: t.Failures(), tally: t,
	}
	if o.Elapsed > 0 {
		row.PerSecond = float64(int64(10*float64(row.Succeeded)/o.Elapsed.Seconds()+.5)) / 10
	}
	if o.Rate > 0 {
		delay := summarize(&t.Delay)
		row.Delay = &delay
	}
	r.Steps = append(r.Steps, row)
	r.Interrupted = r.Interrupted || o.Interrupted
}

// Failed is how many calls failed, of how many that were made.
func (r *Report) Failed() (failed, made int64) {
	for _, row := range r.Steps {
		failed += row.Failed
		made += row.Failed + row.Succeeded
	}
	return failed, made
}

// Classes are who is to blame for failures.
func (r *Report) Classes() map[Class]int64 {
	classes := make(map[Class]int64)
	for _, row := range r.Steps {
		for _, f := range row.Failures {
			classes[f.Class] += f.Count
		}
	}
	return classes
}

// Write writes the report for people: what was called, a row for each step, the
// failures, and the distribution of the last step. It is at most 80 columns wide
// unless numbers are large.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	what := r.Method
	if r.Tool != "" {
		what = r.Tool
	}
	fmt.Fprintf(&b, "%s at %s\nMCP %s over %s\n\n", what, r.Target, r.Protocol, r.Transport)
	r.writeTable(&b)
	r.writeRemarks(&b)
	if last := r.Steps[len(r.Steps)-1]; last.Succeeded > 0 {
		title := "latency in ms"
		if len(r.Steps) > 1 {
			title += " of the last step"
		}
		b.WriteByte('\n')
		writePlot(&b, title, &last.tally.Latency)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeTable(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	open := r.Steps[0].Rate > 0
	first := "in flight"
	if open {
		first = "rate/s"
	}
	fmt.Fprintf(table, "%s\tcalls/s\tcalls\tfailed\tp50 ms\tp90\tp99\tp99.9\tmax\t\n", first)
	for _, row := range r.Steps {
		load := strconv.Itoa(row.Sessions * row.Concurrency)
		if row.Sessions > 1 {
			load = fmt.Sprintf("%dx%d", row.Sessions, row.Concurrency)
		}
		if open {
			load = strconv.FormatFloat(row.Rate, 'f', -1, 64)
		}
		l := row.Latency
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t\n", load, number(row.PerSecond),
			row.Succeeded, row.Failed, number(l.P50), number(l.P90), number(l.P99), number(l.P999), number(l.Max))
	}
	table.Flush()
}

func (r *Report) writeRemarks(w io.Writer) {
	var remarks []string
	for _, row := range r.Steps {
		step := ""
		if len(r.Steps) > 1 {
			step = fmt.Sprintf("in flight %d: ", row.Sessions*row.Concurrency)
			if row.Rate > 0 {
				step = fmt.Sprintf("rate %s: ", strconv.FormatFloat(row.Rate, 'f', -1, 64))
			}
		}
		for _, f := range row.Failures {
			text := fmt.Sprintf("%s%d x %s", step, f.Count, f.Kind)
			if f.Example != "" {
				text += ": " + f.Example
			}
			remarks = append(remarks, text)
		}
		if row.NotStarted > 0 {
			remarks = append(remarks, fmt.Sprintf("%s%d calls were due but not started: all %d were in flight", step, row.NotStarted, row.Sessions*row.Concurrency))
		}
		if row.Delay != nil && row.Succeeded > 0 {
			remarks = append(remarks, fmt.Sprintf("%sstarts behind their time, part of the latency: p50 %s ms, p99 %s ms", step, number(row.Delay.P50), number(row.Delay.P99)))
		}
	}
	if r.ClientCPU > 0 {
		remarks = append(remarks, fmt.Sprintf("measuring took %s µs of CPU per call", number(r.ClientCPU)))
	}
	if r.Interrupted {
		remarks = append(remarks, "interrupted: this is what there was until then")
	}
	if len(remarks) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(remarks, "\n"))
	}
}

// number writes a figure with three digits, or all of a large one.
func number(f float64) string {
	switch {
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}
