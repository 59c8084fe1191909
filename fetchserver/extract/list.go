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
	if w.nesting >= maxNesting || n.isEmpty() {
		w.container(n)
		return
	}
	number, ordered := 1, n.atom == atom.Ol
	if start, err := strconv.Atoi(strings.TrimSpace(n.attr("start"))); err == nil && start >= 0 && start < 1e9 {
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
	first := true
	for c := n.first; c != nil && !w.stop(); c = c.next {
		if c.dropped || c.isText() && strings.TrimSpace(c.text) == "" {
			continue
		}
		if c.atom != atom.Li && (c.atom == atom.Ul || c.atom == atom.Ol) && !first {
			// A list directly inside a list belongs to the item before it.
			w.tight = true
			outer := len(w.prefix)
			w.prefix = append(w.prefix, "  "...)
			w.list(c)
			w.prefix = w.prefix[:outer]
			continue
		}
		label := string(mark) + " "
		if ordered {
			label = strconv.Itoa(number) + label
			number = min(number+1, 999999999)
		}
		w.tight = !loose && (!first || tight)
		w.nested(c, label, strings.Repeat(" ", len(label)), func(item *node) {
			w.tight = !loose
			w.item(item)
		})
		first = false
	}
	w.tight = tight
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

// isLoose reports whether an item of the list has several paragraphs.
func (n *node) isLoose() bool {
	for li := n.first; li != nil; li = li.next {
		paragraphs := 0
		for c := li.first; c != nil; c = c.next {
			if c.dropped {
				continue
			}
			switch c.atom {
			case atom.P, atom.Pre, atom.Blockquote, atom.Table:
				paragraphs++
			}
		}
		if paragraphs > 1 {
			return true
		}
	}
	return false
}
