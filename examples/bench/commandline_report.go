// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
)

// writeCommandLines prints the medians of whole processes, ratios first.
func (r *results) writeCommandLines(w io.Writer) error {
	var out bytes.Buffer
	r.heading(&out, "Commands that call one tool, whole processes one after the other")
	timed := *r
	timed.Loads = r.Loads[:len(r.Loads)-1] // without that for the memory
	ours := r.find(shclientName)
	timed.perLoad(&out, "Time of a run (p50), to shclient's", isPeer,
		func(s *systemResult, l load) string { return factor(s.ratio(p50(l), ours)) })
	timed.perLoad(&out, "Time of a run, p50 / p90, ms", all,
		func(s *systemResult, l load) string {
			return number(s.median(p50(l))/1e3, 1) + " / " + number(s.median(p90(l))/1e3, 1)
		})
	timed.perLoad(&out, "CPU time of a run, ms", all,
		func(s *systemResult, l load) string { return number(s.median(cpu(l))/1e3, 1) })
	t := newTable(&out, "Peak memory of a call over HTTP", "RSS, MB")
	memory := r.Loads[len(r.Loads)-1]
	for i := range r.Systems {
		s := &r.Systems[i]
		t.row(s, []string{number(s.median(peak(memory))/1e6, 1)})
	}
	r.notes(&out)
	_, err := out.WriteTo(w)
	return err
}

func isPeer(s *systemResult) bool { return !s.isOurs() }
