// SPDX-License-Identifier: Apache-2.0

// Package exposition writes metrics for Prometheus, in its [text format]
// 0.0.4, and those of the process itself. It keeps no registry: the caller
// names each family once and then writes the samples it has at that moment.
//
//	to := exposition.NewWriter(w) // with the media type ContentType
//	to.Family(exposition.Gauge, "example_sessions", "Sessions that are open.")
//	to.Sample(3)
//
// It is made for the commands of this project, and changes with them.
//
// [text format]: https://prometheus.io/docs/instrumenting/exposition_formats/
package exposition

import (
	"io"
	"strconv"
	"strings"
)

// ContentType is the media type of what a [Writer] writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is what the samples of a family are.
type Kind string

// The kinds of families.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Label tells the samples of a family apart. Name must be one that Prometheus
// allows; Value may be anything.
type Label struct{ Name, Value string }

// Bucket is the number of observations that do not exceed a bound.
type Bucket struct {
	Bound float64
	Count int64
}

// Distribution is a sample of a histogram.
type Distribution struct {
	Buckets []Bucket // in ascending order, without that of infinity
	Sum     float64
	Count   int64
}

// Writer writes families one after the other. It is not safe for concurrent
// use.
type Writer struct {
	to   io.Writer
	name string // of the family
	head string // of the family, until it is written
	line []byte
}

// NewWriter returns a Writer to w. What w does not take is lost: whoever asked
// for it has gone.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Family starts a family, whose samples follow. One without samples leaves no
// trace. No name may be used twice.
func (w *Writer) Family(kind Kind, name, help string) {
	w.name = name
	w.head = "# HELP " + name + " " + helpEscapes.Replace(help) + "\n# TYPE " + name + " " + string(kind) + "\n"
}

// Sample writes a sample of a counter or a gauge.
func (w *Writer) Sample(value float64, labels ...Label) {
	w.sample("", value, labels, "")
}

// Distribution writes a sample of a histogram.
func (w *Writer) Distribution(d Distribution, labels ...Label) {
	for _, b := range d.Buckets {
		w.sample("_bucket", float64(b.Count), labels, number(b.Bound))
	}
	w.sample("_bucket", float64(d.Count), labels, "+Inf")
	w.sample("_sum", d.Sum, labels, "")
	w.sample("_count", float64(d.Count), labels, "")
}

// sample writes a line. bound is the value of the label le, if there is one.
func (w *Writer) sample(suffix string, value float64, labels []Label, bound string) {
	line := append(w.line[:0], w.head...)
	w.head = ""
	line = append(line, w.name...)
	line = append(line, suffix...)
	open := byte('{')
	for _, l := range labels {
		line = appendLabel(line, open, l)
		open = ','
	}
	if bound != "" {
		line = appendLabel(line, open, Label{"le", bound})
		open = ','
	}
	if open == ',' {
		line = append(line, '}')
	}
	line = append(line, ' ')
	line = append(line, number(value)...)
	w.line = append(line, '\n')
	_, _ = w.to.Write(w.line)
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func appendLabel(line []byte, open byte, l Label) []byte {
	line = append(line, open)
	line = append(line, l.Name...)
	line = append(line, `="`...)
	line = append(line, labelEscapes.Replace(strings.ToValidUTF8(l.Value, "\ufffd"))...)
	return append(line, '"')
}

// number writes a float as the format wants it, such as 5e-05, +Inf and NaN.
func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
