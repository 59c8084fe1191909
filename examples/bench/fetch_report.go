// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
)

// writeReaders prints the medians of conversions, ratios first.
func (r *results) writeReaders(w io.Writer) error {
	var out bytes.Buffer
	r.heading(&out, "Pages to Markdown, from bytes in memory")
	ours := r.find(fetchserverName)
	r.perLoad(&out, "Of a page, to fetchserver's: time / CPU time", isPeer,
		func(s *systemResult, l load) string {
			return factor(1/s.ratio(rate(l), ours)) + " / " + factor(s.ratio(cpu(l), ours))
		})
	r.perLoad(&out, "Of a page, ms: time / CPU time", all,
		func(s *systemResult, l load) string {
			return number(1e3/s.median(rate(l)), 2) + " / " + number(s.median(cpu(l))/1e3, 2)
		})
	r.perLoad(&out, "Time of a page p50 / p90 / p99, ms", all,
		func(s *systemResult, l load) string {
			return number(s.median(p50(l))/1e3, 1) + " / " + number(s.median(p90(l))/1e3, 1) + " / " + number(s.median(p99(l))/1e3, 1)
		})
	r.perLoad(&out, "Memory: allocated for a page, MB / peak of the process, MB", all,
		func(s *systemResult, l load) string {
			allocated := func(r *round) float64 { return known(r.Loads[l.Key].Allocated) }
			return number(s.median(allocated)/1e6, 2) + " / " + number(s.median(peak(l))/1e6, 0)
		})
	r.notes(&out)
	_, err := out.WriteTo(w)
	return err
}

// writeFetchers prints the medians of calls and of whole processes.
func (r *results) writeFetchers(w io.Writer) error {
	var out bytes.Buffer
	r.heading(&out, fmt.Sprintf("A page of about %d KB from an origin on loopback", sampleBytes/1000))
	ours := r.find(fetchserverName)
	r.perLoad(&out, "Calls per second: fetchserver makes", isPeer,
		func(s *systemResult, l load) string {
			if ours == nil {
				return notKnown
			}
			return factor(ours.ratio(rate(l), s))
		})
	r.perLoad(&out, "Calls per second", all,
		func(s *systemResult, l load) string { return number(s.median(rate(l)), 1) })
	r.perLoad(&out, "Latency p50 / p90, ms", all,
		func(s *systemResult, l load) string {
			return number(s.median(p50(l))/1e3, 2) + " / " + number(s.median(p90(l))/1e3, 2)
		})
	r.perLoad(&out, "CPU time of a call, of all processes of the server, ms", all,
		func(s *systemResult, l load) string { return number(s.median(cpu(l))/1e3, 2) })
	t := newTable(&out, "Start until a first page was fetched, and memory of the processes (RSS)", "start, ms", "then, MB", "after all loads, MB")
	for i := range r.Systems {
		s := &r.Systems[i]
		megabytes := func(m func(*round) memory) string {
			return number(s.median(func(r *round) float64 { return known(float64(m(r).Own)) })/1e6, 1)
		}
		start := s.median(func(r *round) float64 { return known(r.StartMillis) })
		t.row(s, []string{
			number(start, 0),
			megabytes(func(r *round) memory { return r.OneSession }),
			megabytes(func(r *round) memory { return r.Loaded }),
		})
	}
	r.notes(&out)
	_, err := out.WriteTo(w)
	return err
}
