// SPDX-License-Identifier: Apache-2.0

package render

import "strings"

const (
	columnGap = 2 // blanks between columns
	minColumn = 6 // that a column keeps when others need room
)

// Table draws rows under a head for people. Columns are as wide as they must be;
// if the screen is too narrow, the widest give way and their cells are wrapped.
// A table without a head has none. Cells may be anything: they are made safe.
//
// For a pipe it writes one line for each row, with tabs between the cells and
// no head.
func (s Screen) Table(head []string, rows [][]string) string {
	if !s.Terminal() {
		return tabbed(rows)
	}
	cells := make([][][]span, 0, len(rows)+1)
	if len(head) > 0 {
		cells = append(cells, plainRow(head, bold))
	}
	for _, row := range rows {
		cells = append(cells, plainRow(row, 0))
	}
	return s.grid(cells, nil, s.Width)
}

func plainRow(row []string, a attr) [][]span {
	cells := make([][]span, len(row))
	for i, text := range row {
		cells[i] = []span{{Line(text), a}}
	}
	return cells
}

func tabbed(rows [][]string) string {
	var b strings.Builder
	for _, row := range rows {
		for i, text := range row {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(Line(text))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// align is where the text of a column stands.
type align byte

const (
	alignLeft align = iota
	alignRight
	alignCenter
)

// grid draws rows of cells in columns of a table at most width wide.
func (s Screen) grid(rows [][][]span, aligns []align, width int) string {
	widths := fit(naturalWidths(rows), width)
	var b strings.Builder
	for _, row := range rows {
		s.gridRow(&b, row, widths, aligns)
	}
	return b.String()
}

func naturalWidths(rows [][][]span) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], spansWidth(cell))
		}
	}
	return widths
}

// fit takes from the widest columns what a table is too wide.
func fit(widths []int, width int) []int {
	excess := columnGap * (len(widths) - 1)
	for _, w := range widths {
		excess += w
	}
	for excess -= width; excess > 0; {
		widest, next := 0, 0 // the widest column, and the width of the one after it
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		for i, w := range widths {
			if i != widest {
				next = max(next, w)
			}
		}
		if widths[widest] <= minColumn {
			break // a table of many columns stays wider than the screen
		}
		take := min(excess, max(1, widths[widest]-next), widths[widest]-minColumn)
		widths[widest] -= take
		excess -= take
	}
	return widths
}

func (s Screen) gridRow(b *strings.Builder, row [][]span, widths []int, aligns []align) {
	wrapped := make([][][]span, len(row))
	height := 1
	for i, cell := range row {
		wrapped[i] = wrapCell(cell, max(widths[i], 1))
		height = max(height, len(wrapped[i]))
	}
	for y := range height {
		var line strings.Builder
		blanks := 0 // that separate from the next text; none are written at the end
		for i := range row {
			var spans []span
			if y < len(wrapped[i]) {
				spans = wrapped[i][y]
			}
			used := spansWidth(spans)
			room := max(widths[i]-used, 0)
			if used == 0 {
				blanks += room + columnGap
				continue
			}
			before := 0
			if i < len(aligns) {
				before = [...]int{alignLeft: 0, alignRight: room, alignCenter: room / 2}[aligns[i]]
			}
			line.WriteString(strings.Repeat(" ", blanks+before))
			line.WriteString(s.paintAll(spans))
			blanks = room - before + columnGap
		}
		b.WriteString(line.String())
		b.WriteByte('\n')
	}
}
