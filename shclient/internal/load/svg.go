// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// The picture, in pixels.
const (
	svgWidth, svgHeight     = 800, 450
	svgLeft, svgRight       = 70, 40
	svgTop, svgBottom       = 50, 60
	plotWidth, plotHeight   = svgWidth - svgLeft - svgRight, svgHeight - svgTop - svgBottom
	pointsPerDecade, decade = 40, 1.0
)

// colours of the steps, told apart by people who do not see all colours.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"}

// WriteSVG draws the latency of each step by share of calls, on a logarithmic
// scale towards 100 %, as plots of HDR histograms do.
func (r *Report) WriteSVG(w io.Writer) error {
	nines, most := r.scale()
	var b strings.Builder
	what := r.Tool
	if what == "" {
		what = r.Method
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="15">Latency of %s at %s</text>`+"\n", svgLeft, escape(what), escape(r.Target))
	r.drawGrid(&b, nines, most)
	for i, row := range r.Steps {
		drawStep(&b, i, row, nines, most)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// scale is how many nines the shares have, and the longest latency.
func (r *Report) scale() (nines float64, most time.Duration) {
	nines, most = 1, time.Microsecond
	for _, row := range r.Steps {
		if n := row.Succeeded; n > 0 {
			nines = max(nines, math.Ceil(math.Log10(float64(n))))
			most = max(most, row.tally.Latency.Max())
		}
	}
	return nines, most
}

func (r *Report) drawGrid(b *strings.Builder, nines float64, most time.Duration) {
	step := gridStep(ms(most))
	for v := 0.0; v <= ms(most)*1.0001; v += step {
		y := svgTop + plotHeight*(1-v/ms(most))
		fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			svgLeft, y, plotWidth, svgLeft-6, y+4, strconv.FormatFloat(v, 'g', 4, 64))
	}
	for n := 0.0; n <= nines; n++ {
		x := svgLeft + plotWidth*n/nines
		fmt.Fprintf(b, `<path d="M%.1f %dv%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x, svgTop, plotHeight, x, svgTop+plotHeight+16, share(1-math.Pow(10, -n)))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">share of calls</text>`+"\n", svgLeft+plotWidth/2, svgTop+plotHeight+34)
	fmt.Fprintf(b, `<text x="18" y="%d" text-anchor="middle" transform="rotate(-90 18 %d)">latency in ms</text>`+"\n", svgTop+plotHeight/2, svgTop+plotHeight/2)
}

// gridStep is a round number of which about five make the whole.
func gridStep(whole float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(whole/5)))
	for _, m := range []float64{1, 2, 5} {
		if unit*m*5 >= whole*.8 {
			return unit * m
		}
	}
	return unit * 10
}

func drawStep(b *strings.Builder, i int, row Row, nines float64, most time.Duration) {
	colour := colours[i%len(colours)]
	name := fmt.Sprintf("%d in flight", row.Sessions*row.Concurrency)
	if row.Rate > 0 {
		name = fmt.Sprintf("%s calls/s", strconv.FormatFloat(row.Rate, 'f', -1, 64))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s: %s calls/s, p99 %s ms</text>`+"\n",
		svgLeft+8, svgTop+14+15*i, colour, name, number(row.PerSecond), number(row.Latency.P99))
	if row.Succeeded == 0 {
		return
	}
	fmt.Fprintf(b, `<path fill="none" stroke="%s" stroke-width="1.5" d="`, colour)
	own := math.Log10(float64(row.Succeeded)) // no step knows more nines than it has calls
	command := "M"
	for x := 0.0; x < own; x += decade / pointsPerDecade {
		drawPoint(b, command, x, row.tally.Latency.Quantile(1-math.Pow(10, -x)), nines, most)
		command = "L"
	}
	drawPoint(b, command, own, row.tally.Latency.Max(), nines, most)
	b.WriteString(`"/>` + "\n")
}

func drawPoint(b *strings.Builder, command string, x float64, d time.Duration, nines float64, most time.Duration) {
	fmt.Fprintf(b, "%s%.1f %.1f", command, svgLeft+plotWidth*x/nines, svgTop+plotHeight*(1-float64(d)/float64(most)))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes all
	return b.String()
}
