// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
)

// writeForwardAuth prints the medians of checks as tables, ratios first.
func (r *results) writeForwardAuth(w io.Writer) error {
	var out bytes.Buffer
	r.heading(&out, "Forward-auth checks of a known token")
	bare, ours := r.find(bareName), r.find(oauthdynName)
	r.perLoad(&out, "Checks per second: to bare net/http's / oauthdyn makes", all,
		func(s *systemResult, l load) string {
			cell := number(s.ratio(rate(l), bare), 3)
			if ours != nil && s != ours && s != bare {
				cell += " / " + factor(ours.ratio(rate(l), s))
			}
			return cell
		})
	r.perLoad(&out, "Checks per second", all,
		func(s *systemResult, l load) string { return number(s.median(rate(l)), 0) })
	r.perLoad(&out, "Latency p50 / p99, ms", all,
		func(s *systemResult, l load) string {
			return number(s.median(p50(l))/1e3, 3) + " / " + number(s.median(p99(l))/1e3, 3)
		})
	r.perLoad(&out, "CPU time per check, µs", all,
		func(s *systemResult, l load) string { return number(s.median(cpu(l)), 0) })
	t := newTable(&out, "Memory before any load", "RSS, MB")
	for i := range r.Systems {
		s := &r.Systems[i]
		t.row(s, []string{number(s.median(func(r *round) float64 { return known(float64(r.OneSession.Own)) })/1e6, 1)})
	}
	r.notes(&out)
	_, err := out.WriteTo(w)
	return err
}

// heading says what was measured, where and how long.
func (r *results) heading(out io.Writer, what string) {
	fmt.Fprintf(out, "%s, %s. %s.\n", what, r.Date.Format("2006-01-02"), joinKnown(r.Machine, r.Interpreters))
	fmt.Fprintf(out, "Medians; rounds: %d; %g s a measurement; the load generator shares the CPUs.\n", r.rounds, r.Seconds)
	if r.maxCalls > 0 {
		fmt.Fprintf(out, "At most %d calls a measurement: too few to compare.\n", r.maxCalls)
	}
}
