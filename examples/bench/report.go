// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

const notKnown = "n/a"

// writeMarkdown prints the medians as tables.
func (r *results) writeMarkdown(w io.Writer) error {
	var out bytes.Buffer
	r.heading(&out, "MCP `tools/call` echo")
	// Ratios come first, for they carry over to other machines. The peers and
	// the floors speak the legacy era, so that is what they are compared in.
	r.perLoad(&out, "Share of the ideal calls/s, 1/(1/h + 1/s): h of bare net/http, s of bare stdio", isBridge,
		func(s *systemResult, l load) string { return number(r.idealShare(s, l), 2) })
	r.compareTable(&out)
	r.translationTable(&out)
	r.perLoad(&out, "Calls per second", all,
		func(s *systemResult, l load) string { return number(s.median(rate(l)), 0) })
	r.perLoad(&out, "Latency p50 / p99, ms", all,
		func(s *systemResult, l load) string {
			return number(s.median(p50(l))/1e3, 3) + " / " + number(s.median(p99(l))/1e3, 3)
		})
	r.perLoad(&out, "CPU time of the process itself per call, µs", all,
		func(s *systemResult, l load) string { return number(s.median(cpu(l)), 0) })
	r.memoryTable(&out)
	r.notes(&out)
	_, err := out.WriteTo(w)
	return err
}

// perLoad writes a table with a column for each load.
func (r *results) perLoad(out io.Writer, title string, which func(*systemResult) bool, cell func(*systemResult, load) string) {
	var header []string
	for _, l := range r.Loads {
		header = append(header, l.Title)
	}
	t := newTable(out, title, header...)
	for i := range r.Systems {
		s := &r.Systems[i]
		if !which(s) {
			continue
		}
		var cells []string
		for _, l := range r.Loads {
			cells = append(cells, cell(s, l))
		}
		t.row(s, cells)
	}
}

func all(*systemResult) bool            { return true }
func isBridge(s *systemResult) bool     { return !s.isOurs() || s.Name == shproxyName }
func isTranslated(s *systemResult) bool { return s.untranslated() != "" }

// compareTable has the ratios that are no share of the ideal.
func (r *results) compareTable(out io.Writer) {
	web, ours := r.find(httpName), r.find(shproxyName)
	one, many := r.Loads[0], r.Loads[1]
	t := newTable(out, "Compared",
		"p50, "+one.Title+": to bare net/http's", "what it adds to bare stdio's p50: to the same", "CPU a call, "+many.Title+": to bare net/http's",
		"calls/s, "+many.Title+": shproxy makes", "CPU a call, "+many.Title+": shproxy needs")
	for i := range r.Systems {
		s := &r.Systems[i]
		if !isBridge(s) {
			continue
		}
		cells := []string{factor(s.ratio(p50(one), web)), factor(r.addedLatency(s, one)), factor(s.ratio(cpu(many), web)), "", ""}
		if ours != nil && s != ours {
			cells[3] = factor(ours.ratio(rate(many), s))
			cells[4] = part(s.ratio(cpu(many), ours))
		}
		t.row(s, cells)
	}
}

// translationTable compares calls that are translated with those that pass.
func (r *results) translationTable(out io.Writer) {
	if !slices.ContainsFunc(r.Systems, func(s systemResult) bool { return isTranslated(&s) }) {
		return
	}
	r.perLoad(out, "Translation: calls/s and CPU a call, relative to the same clients in front of a server of their era", isTranslated,
		func(s *systemResult, l load) string {
			base := r.find(s.untranslated())
			return number(s.ratio(rate(l), base), 2) + " / " + number(s.ratio(cpu(l), base), 2)
		})
}

// memoryTable also has the start time: both are the price of being there.
func (r *results) memoryTable(out io.Writer) {
	t := newTable(out, "Start and memory (RSS of the process / with its descendants)",
		"start, ms", "1 session, MB", fmt.Sprintf("%d sessions, MB", manySessions), "process, KB a session")
	for i := range r.Systems {
		s := &r.Systems[i]
		megabytes := func(m func(*round) memory) string {
			own := s.median(func(r *round) float64 { return known(float64(m(r).Own)) })
			tree := s.median(func(r *round) float64 { return known(float64(m(r).Tree)) })
			return number(own/1e6, 1) + " / " + number(tree/1e6, 1)
		}
		t.row(s, []string{
			number(s.median(func(r *round) float64 { return known(r.StartMillis) }), 0),
			megabytes(func(r *round) memory { return r.OneSession }),
			megabytes(func(r *round) memory { return r.ManySessions }),
			number(s.median((*round).sessionBytes)/1e3, 0),
		})
	}
}

// sessionBytes is what one more session costs the process itself.
func (r *round) sessionBytes() float64 {
	if r.ManySessions.Own == 0 {
		return math.NaN()
	}
	return float64(r.ManySessions.Own-r.OneSession.Own) / (manySessions - 1)
}

// notes say what went wrong where, once for each system and load.
func (r *results) notes(out io.Writer) {
	var lines []string
	note := func(line string) {
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for _, s := range r.Systems {
		for _, l := range r.Loads {
			failed, first := 0, ""
			for _, round := range s.Rounds {
				if bad := round.Loads[l.Key]; bad.Errors > 0 {
					failed, first = failed+bad.Errors, bad.Error
				}
			}
			if failed > 0 {
				note(fmt.Sprintf("- %s, %s: %d calls failed in all rounds together; the last round's first: %s", s.Title, l.Title, failed, first))
			}
		}
		for _, round := range s.Rounds {
			if round.Failure != "" {
				note(fmt.Sprintf("- %s did not run: %s", s.Title, round.Failure))
			}
			if round.Left > 0 {
				note(fmt.Sprintf("- %s left processes behind when it was stopped (%d in one round).", s.Title, round.Left))
			}
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\n### Failures\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// A table writes Markdown, a system a row.
type table struct {
	out     io.Writer
	columns int
}

func newTable(out io.Writer, title string, header ...string) *table {
	fmt.Fprintf(out, "\n### %s\n\n| |%s|\n|---|%s\n", title,
		" "+strings.Join(header, " | ")+" ", strings.Repeat("---:|", len(header)))
	return &table{out: out, columns: len(header)}
}

func (t *table) row(s *systemResult, cells []string) {
	if s.Missing != "" {
		cells = append([]string{s.Missing}, make([]string, t.columns-1)...)
	}
	fmt.Fprintf(t.out, "| %s | %s |\n", s.Title, strings.Join(cells, " | "))
}

func joinKnown(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// number formats with a comma between thousands.
func number(v float64, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return notKnown
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

// factor formats a ratio as 12.3x, part as 1/12.3.
func factor(v float64) string { return withRatio(v, "%.1fx") }
func part(v float64) string   { return withRatio(v, "1/%.1f") }

func withRatio(v float64, format string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return notKnown
	}
	return fmt.Sprintf(format, v)
}
