// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// quantiles of the plot: each decade towards 1 has as much room as the one
// before it, as in plots of HDR histograms.
var quantiles = []float64{0, .25, .5, .75, .9, .95, .99, .995, .999, .9995, .9999, .99999, 1}

const barWidth = 50

// writePlot draws the latency at each of the quantiles that there are enough
// durations for. The length of the bars is logarithmic, from the shortest to the
// longest latency.
func writePlot(w io.Writer, title string, h *Histogram) {
	fmt.Fprintf(w, "%s by share of calls (bars logarithmic)\n", title)
	least, most := max(h.Min(), 1), h.Max()
	whole := math.Log(float64(most) / float64(least))
	for _, q := range quantiles {
		d := h.Quantile(q)
		switch {
		case q == 0:
			d = h.Min()
		case q < 1 && float64(h.Count())*(1-q) < 1:
			continue // the same as the maximum
		}
		length := 1.0
		if whole > 0 {
			length = math.Log(float64(max(d, 1))/float64(least)) / whole
		}
		fmt.Fprintf(w, "%8s %9s %s\n", share(q), number(ms(d)), bar(length))
	}
}

// share writes a quantile as a percentage.
func share(q float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", 100*q), "0"), ".") + "%"
}

// bar is a horizontal bar of a share of the width, in eighths of a column.
func bar(share float64) string {
	eighths := int(share*barWidth*8 + .5)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	if text == "" {
		text = "▏"
	}
	return text
}
