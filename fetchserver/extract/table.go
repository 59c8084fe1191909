// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strconv"
	"strings"

	"golang.org/x/net/html/atom"
)

const (
	maxColumns  = 200
	maxCellText = 2000 // a longer cell is a layout, not data
)

// table writes a data table as a GFM table, and the blocks of a layout table
// one after the other.
func (w *writer) table(n *node) {
	rows, caption := tableRows(n)
	if caption != nil {
		w.container(caption)
	}
	w.strays(n)
	if !isData(n, rows) {
		for _, row := range rows {
			for c := row.first; c != nil && !w.stop(); c = c.next {
				if !c.isText() && !c.dropped {
					w.container(c)
				}
			}
		}
		return
	}
	lines := w.grid(rows)
	if len(lines) == 0 {
		return
	}
	w.begin(tableBlock)
	for i, line := range lines {
		if i > 0 {
			w.newline()
		}
		w.writeRow(line)
		if i == 0 {
			w.newline()
			w.out = append(append(w.out, '|'), strings.Repeat(" --- |", len(line))...)
		}
		if w.stop() {
			break
		}
	}
}

// tableRows returns the rows of a table, those of its head first, and its
// caption. Tables inside cells keep theirs.
func tableRows(table *node) (rows []*node, caption *node) {
	var body []*node
	var walk func(n *node, inHead bool)
	walk = func(n *node, inHead bool) {
		for c := n.first; c != nil; c = c.next {
			switch {
			case c.isText() || c.dropped || c.atom == atom.Table || c.atom == atom.Td || c.atom == atom.Th:
			case c.atom == atom.Caption:
				caption = c
			case c.atom == atom.Tr:
				for p := n; p != table && !p.hasRows; p = p.parent {
					p.hasRows = true
				}
				if inHead {
					rows = append(rows, c)
				} else {
					body = append(body, c)
				}
			default:
				walk(c, inHead || c.atom == atom.Thead)
			}
		}
	}
	walk(table, false)
	return append(rows, body...), caption
}

// strays writes what stands in a table outside of its cells; browsers show it
// before the table.
func (w *writer) strays(n *node) {
	for c := n.first; c != nil && !w.stop(); c = c.next {
		switch {
		case c.dropped || c.atom == atom.Caption || c.atom == atom.Td || c.atom == atom.Th:
		case c.isText():
			if strings.TrimSpace(c.text) != "" {
				w.paragraph(c, c.next)
			}
		case c.hasRows || isTablePart(c.atom) && c.atom != atom.Table:
			w.strays(c)
		case c.atom != atom.Col && c.atom != atom.Colgroup && c.isBlock():
			w.block(c)
		case c.atom != atom.Col && c.atom != atom.Colgroup && !c.isEmpty():
			w.paragraph(c, c.next)
		}
	}
}

// isData reports whether a table has columns of short cells, and not only the
// looks of a page.
func isData(table *node, rows []*node) bool {
	if role := table.attr("role"); role == "presentation" || role == "none" || len(rows) < 2 {
		return false
	}
	wide := false
	for _, row := range rows {
		columns := 0
		for c := row.first; c != nil; c = c.next {
			if c.atom != atom.Td && c.atom != atom.Th {
				continue
			}
			columns++
			if c.chars > maxCellText || c.hasBlock && c.descendant(isLayout) != nil {
				return false
			}
		}
		wide = wide || columns > 1
	}
	return wide
}

func isLayout(n *node) bool {
	return n.atom == atom.Table || n.atom == atom.Pre || n.atom == atom.Blockquote || isHeading(n.atom)
}

// grid places the cells of rows in columns. A span fills its further places
// with nil, as far as other rows have cells there.
func (w *writer) grid(rows []*node) [][]*node {
	width := 0
	for _, row := range rows {
		cells := 0
		for c := row.first; c != nil; c = c.next {
			if c.atom == atom.Td || c.atom == atom.Th {
				cells++
			}
		}
		width = max(width, min(cells, maxColumns))
	}
	var lines [][]*node
	pending := make([]int, width) // rows that a cell above still spans, by column
	total := 0
	for _, row := range rows {
		line := make([]*node, 0, width)
		fill := func() {
			for len(line) < width && pending[len(line)] > 0 {
				pending[len(line)]--
				line = append(line, nil)
			}
		}
		for c := row.first; c != nil; c = c.next {
			if c.atom != atom.Td && c.atom != atom.Th || c.dropped {
				continue
			}
			fill()
			if len(line) == width {
				break
			}
			down := span(c, "rowspan") - 1
			for i := range min(span(c, "colspan"), width-len(line)) {
				pending[len(line)] = down
				if i == 0 {
					line = append(line, c)
				} else {
					line = append(line, nil)
				}
			}
		}
		fill()
		if total += len(line); len(line) > 0 {
			lines = append(lines, line)
		}
		if total > maxNodes || w.stop() {
			break
		}
	}
	if len(lines) > 0 { // the first line names the number of columns
		for len(lines[0]) < width {
			lines[0] = append(lines[0], nil)
		}
	}
	return lines
}

func span(n *node, key string) int {
	v, err := strconv.Atoi(strings.TrimSpace(n.attr(key)))
	if err != nil || v < 1 {
		return 1
	}
	return min(v, 65534)
}

func (w *writer) writeRow(line []*node) {
	w.out = append(w.out, '|')
	for _, c := range line {
		w.out = append(w.out, ' ')
		if c != nil {
			if text := w.inlineText(c.first, nil, inCell); len(text) > 0 {
				w.out = append(append(w.out, text...), ' ')
			}
		}
		w.out = append(w.out, '|')
		if w.stop() {
			return
		}
	}
}
