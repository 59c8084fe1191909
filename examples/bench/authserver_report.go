// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
)

// writeAuthServers prints the medians of what authorization servers issue,
// ratios first.
func (r *results) writeAuthServers(w io.Writer) error {
	var out bytes.Buffer
	r.heading(&out, "Authorization servers, 32 requests at a time")
	ours := r.find(boltName)
	r.perLoad(&out, "Replies per second / oauthdyn on bolt gives", all,
		func(s *systemResult, l load) string {
			cell := number(s.median(rate(l)), 0)
			if ours != nil && s != ours {
				cell += " / " + factor(ours.ratio(rate(l), s))
			}
			return cell
		})
	r.perLoad(&out, "Latency p50 / p99, ms", all,
		func(s *systemResult, l load) string {
			return number(s.median(p50(l))/1e3, 2) + " / " + number(s.median(p99(l))/1e3, 2)
		})
	r.perLoad(&out, "CPU time per reply, µs", all,
		func(s *systemResult, l load) string { return number(s.median(cpu(l)), 0) })
	t := newTable(&out, "Memory", "idle, MB", "after a sign-in, MB")
	for i := range r.Systems {
		s := &r.Systems[i]
		t.row(s, []string{
			number(s.median(func(r *round) float64 { return known(float64(r.Idle.Own)) })/1e6, 1),
			number(s.median(func(r *round) float64 { return known(float64(r.OneSession.Own)) })/1e6, 1),
		})
	}
	r.notes(&out)
	_, err := out.WriteTo(w)
	return err
}
