// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strconv"
	"strings"

	"golang.org/x/net/html/atom"
)

// list writes the items of a list. Children that are not items are written as
// they stand.
func (w *writer) list(n *node) {
	if w.nesting >= maxNesting || n.isEmpty() && !n.hasItem() {
		w.container(n)
		return
	}
	number, ordered := 1, n.atom == atom.Ol
	if start, err := strconv.Atoi(trimSpace(n.attr("start"))); err == nil && start >= 0 && start < 1e9 {
		number = start
	}
	mark := byte('-')
	if ordered {
		mark = '.'
	}
	// A list right after another of its kind would continue it.
	if w.listEnd == len(w.out) && w.listMark == mark {
		mark = map[byte]byte{'-': '*', '.': ')'}[mark]
	}
	tight, loose := w.tight, n.isLoose()
	kind := bulletBlock
	if ordered && number != 1 || n.startsEmpty() {
		kind = numberedBlock
	}
	items := 0
	indent := "  "
	for c := n.first; c != nil && !w.stop(); c = c.next {
		if c.dropped || c.isText() && trimLeftSpace(c.text) == "" {
			continue
		}
		if note := w.noteOf(c); note != "" {
			w.tight = tight
			w.writeNote(note, c)
			number++
			continue
		}
		if c.atom != atom.Li && (c.atom == atom.Ul || c.atom == atom.Ol) && items > 0 {
			// A list directly inside a list belongs to the item before it.
			w.tight, w.last = !loose, paragraphBlock
			outer := len(w.prefix)
			w.prefix = append(w.prefix, indent...)
			w.list(c)
			w.prefix = w.prefix[:outer]
			continue
		}
		label := string(mark) + " "
		if ordered {
			label = strconv.Itoa(number) + label
			number = min(number+1, 999999999)
		}
		indent = strings.Repeat(" ", len(label))
		if items > 0 {
			w.tight, kind = !loose, bulletBlock
		}
		if box := checkbox(c); box != nil {
			box.dropped = true
			if has(box.attrs, "checked") {
				label += "[x] "
			} else {
				label += "[ ] "
			}
		}
		w.nested(kind, c, label, indent, func(item *node) {
			w.tight = !loose
			w.item(item)
		})
		items++
	}
	w.tight, w.last = tight, bulletBlock
	w.listEnd, w.listMark = len(w.out), mark
}

func (w *writer) item(n *node) {
	if n.atom == atom.Li {
		w.container(n)
		return
	}
	if n.isBlock() {
		w.block(n)
		return
	}
	w.paragraph(n, n.next)
}

// isLoose reports whether the items of a list are paragraphs.
func (n *node) isLoose() bool {
	for li := n.first; li != nil; li = li.next {
		for c := li.first; c != nil; c = c.next {
			if c.atom == atom.P && !c.dropped && !c.isText() {
				return true
			}
		}
	}
	return false
}

func (n *node) hasItem() bool {
	for c := n.first; c != nil; c = c.next {
		if c.atom == atom.Li && !c.dropped {
			return true
		}
	}
	return false
}

// startsEmpty reports whether the first item of a list has no content.
func (n *node) startsEmpty() bool {
	for c := n.first; c != nil; c = c.next {
		if !c.dropped && !c.isText() {
			return c.isEmpty()
		}
	}
	return false
}

// checkbox returns the box of a task list's item: an input that comes before
// its text, perhaps in a label or a paragraph.
func checkbox(n *node) *node {
	for c := n.first; c != nil; c = c.next {
		switch {
		case c.dropped || c.isText() && trimLeftSpace(c.text) == "":
			continue
		case c.atom == atom.Input && strings.EqualFold(c.attr("type"), "checkbox"):
			return c
		case c.atom == atom.Label || c.atom == atom.P || c.atom == atom.Span:
			return checkbox(c)
		}
		return nil
	}
	return nil
}
