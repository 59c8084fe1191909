// SPDX-License-Identifier: Apache-2.0

package render

import (
	"regexp"
	"strconv"
	"strings"
)

// maxText is the width beyond which text of a wide terminal is wrapped
// nevertheless: longer lines are hard to read.
const maxText = 100

// Markdown draws the Markdown that tools and prompts write: headings, lists,
// quotes, code, tables, links, rules and emphasis. The lines of the source stay
// lines, since the text may be none; those that are too long are wrapped. The
// result ends with a line break.
//
// For a pipe the text stays as it is.
func (s Screen) Markdown(text string) string {
	if !s.Terminal() {
		return endLine(text)
	}
	lines := strings.Split(strings.TrimRight(Safe(text), "\n "), "\n")
	d := markdown{Screen: s, width: min(s.Width, maxText)}
	for i := 0; i < len(lines); {
		i += d.block(lines[i:])
	}
	return d.out.String()
}

func endLine(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

// markdown is a document that is being drawn.
type markdown struct {
	Screen
	width int
	out   strings.Builder
}

var (
	fenceLine   = regexp.MustCompile("^ {0,3}(`{3,}|~{3,})[^`]*$")
	headingLine = regexp.MustCompile(`^ {0,3}(#{1,6}) +(.*?)(?: +#+)? *$`)
	ruleLine    = regexp.MustCompile(`^ {0,3}(?:(?:- *){3,}|(?:\* *){3,}|(?:_ *){3,})$`)
	quoteLine   = regexp.MustCompile(`^ {0,3}((?:> ?)+)(.*)$`)
	itemLine    = regexp.MustCompile(`^( *)([-*+]|\d{1,9}[.)]) +(.*)$`)
	tableRule   = regexp.MustCompile(`^ {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$`)
)

// block draws the block that begins with the first line, and returns how many
// lines it took.
func (d *markdown) block(lines []string) int {
	line := lines[0]
	if m := fenceLine.FindStringSubmatch(line); m != nil {
		return d.fenced(lines, m[1])
	}
	if len(lines) > 1 && strings.Contains(line, "|") && strings.Contains(lines[1], "-") && tableRule.MatchString(lines[1]) {
		return d.table(lines)
	}
	if m := headingLine.FindStringSubmatch(line); m != nil {
		d.heading(m[1], m[2])
	} else if ruleLine.MatchString(line) {
		d.line(nil, []span{{strings.Repeat("─", d.width), dim}})
	} else if m := quoteLine.FindStringSubmatch(line); m != nil {
		bar := span{strings.Repeat("│ ", strings.Count(m[1], ">")), dim}
		d.hanging([]span{bar}, []span{bar}, d.inline(m[2], 0))
	} else if m := itemLine.FindStringSubmatch(line); m != nil {
		d.item(m[1], m[2], m[3])
	} else if strings.HasPrefix(line, "    ") {
		d.line(nil, []span{{line, 0}}) // code, or something that was aligned
	} else {
		d.hanging(nil, nil, d.inline(line, 0))
	}
	return 1
}

// line writes one line, however long it is.
func (d *markdown) line(indent, spans []span) {
	d.out.WriteString(d.paintAll(indent) + d.paintAll(spans) + "\n")
}

// hanging writes a paragraph after first, and its further lines after indent.
func (d *markdown) hanging(first, indent, spans []span) {
	for i, part := range wrap(spans, max(d.width-spansWidth(first), minColumn)) {
		if i == 0 {
			d.line(first, part)
		} else {
			d.line(indent, part)
		}
	}
}

func (d *markdown) heading(marks, text string) {
	if !d.Color {
		text = marks + " " + text
	}
	a := heading
	if len(marks) > 2 {
		a = bold
	}
	d.hanging(nil, nil, d.inline(text, a))
}

// item is that of a list.
func (d *markdown) item(indent, mark, text string) {
	if len(mark) == 1 {
		mark = "•"
		for box, sign := range map[string]string{"[ ] ": "☐", "[x] ": "☑", "[X] ": "☑"} {
			if rest, ok := strings.CutPrefix(text, box); ok {
				mark, text = sign, rest
			}
		}
	}
	indent = indent[:min(len(indent), d.width/2)]
	first := indent + mark + " "
	blank := strings.Repeat(" ", Width(first))
	d.hanging([]span{{first, 0}}, []span{{blank, 0}}, d.inline(text, 0))
}

// fenced draws a block of code, which is never wrapped: it may be copied.
func (d *markdown) fenced(lines []string, fence string) int {
	for i, line := range lines[1:] {
		if end := strings.TrimSpace(line); strings.HasPrefix(end, fence) && strings.Trim(end, fence[:1]) == "" {
			return i + 2
		}
		d.line([]span{{"  ", 0}}, []span{{line, code}})
	}
	return len(lines)
}

// table draws rows of cells between bars.
func (d *markdown) table(lines []string) int {
	aligns := tableAligns(lines[1])
	rows := [][][]span{d.cells(lines[0], bold)}
	n := 2
	for ; n < len(lines) && strings.Contains(lines[n], "|"); n++ {
		rows = append(rows, d.cells(lines[n], 0))
	}
	widths := fit(naturalWidths(rows), d.width)
	var rule []span
	for _, w := range widths {
		rule = append(rule, span{strings.Repeat("─", w), dim}, span{strings.Repeat(" ", columnGap), 0})
	}
	for i, row := range rows {
		d.gridRow(&d.out, row, widths, aligns)
		if i == 0 {
			d.line(nil, rule[:len(rule)-1])
		}
	}
	return n
}

func (d *markdown) cells(line string, a attr) [][]span {
	var cells [][]span
	for _, text := range splitRow(line) {
		cells = append(cells, d.inline(text, a))
	}
	return cells
}

// splitRow cuts a row of a table at its bars, but for those that are escaped.
func splitRow(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|")
	const bar = "\x00" // never in safe text
	cells := strings.Split(strings.ReplaceAll(line, `\|`, bar), "|")
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), bar, "|")
	}
	return cells
}

func tableAligns(rule string) []align {
	var aligns []align
	for _, cell := range splitRow(rule) {
		left, right := strings.HasPrefix(cell, ":"), strings.HasSuffix(cell, ":")
		switch {
		case left && right:
			aligns = append(aligns, alignCenter)
		case right:
			aligns = append(aligns, alignRight)
		default:
			aligns = append(aligns, alignLeft)
		}
	}
	return aligns
}

// Size draws a number of bytes for people.
func Size(bytes int64) string {
	const step = 1024
	if bytes < step {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	value, unit := float64(bytes), 0
	for value >= step && unit < 4 {
		value /= step
		unit++
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}
