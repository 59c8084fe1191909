// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strconv"
	"strings"

	"golang.org/x/net/html/atom"
)

// notes are the footnotes of a page: links to an element of the page that has
// their text, written as [^label] and [^label]: text.
type notes struct {
	roots  []*node
	ids    map[string]*node // what links can lead to; built at the first link that may be a note's
	labels map[*node]string // by the element with the text
	used   map[string]int   // how often, by label
}

// noteLabel returns the label of the footnote that a link leads to, or "".
func (w *writer) noteLabel(a *node) string {
	href := a.attr("href")
	if len(href) < 2 || href[0] != '#' || w.inNote {
		return ""
	}
	text := strings.Trim(a.textContent(), "[]()^ ")
	if text == "" || len(text) > 6 || !isNoteMark(text) || !isNoteLink(a) {
		return ""
	}
	target := w.noteTarget(href[1:])
	if target == nil || a.isBelow(target) {
		return ""
	}
	if label := w.notes.labels[target]; label != "" {
		return label
	}
	label := text
	if !isWordByte(text[0]) || text[0] >= 0x80 { // * or †
		label = "note"
	}
	if n := w.notes.used[label]; n > 0 { // the numbers begin again in each chapter
		w.notes.used[label]++
		label += "-" + strconv.Itoa(n+1)
	}
	w.notes.labels[target] = label
	w.notes.used[label]++
	return label
}

// isNoteMark: a number, one or two letters, or a sign.
func isNoteMark(s string) bool {
	if strings.Trim(s, "0123456789") == "" || strings.Trim(s, "*†‡§¶") == "" {
		return true
	}
	return len(s) <= 2 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz") == ""
}

// isNoteLink reports whether a link looks like a footnote's: raised, or called
// one.
func isNoteLink(a *node) bool {
	if a.within(atom.Sup) || a.descendant(func(d *node) bool { return d.atom == atom.Sup }) != nil {
		return true
	}
	if r := a.attr("role"); r == "doc-noteref" {
		return true
	}
	names := strings.ToLower(a.attr("class") + " " + a.attr("href"))
	return strings.Contains(names, "note") || strings.HasPrefix(names, " #fn")
}

// noteTarget returns the element with an id, if it can hold a footnote and
// will be written.
func (w *writer) noteTarget(id string) *node {
	if w.notes.ids == nil {
		w.notes.ids, w.notes.labels, w.notes.used = map[string]*node{}, map[*node]string{}, map[string]int{}
		for _, root := range w.notes.roots {
			w.notes.collect(root)
		}
	}
	n := w.notes.ids[id]
	for up := 0; n != nil && up < 3; up++ {
		switch n.atom {
		case atom.Li, atom.P, atom.Dd, atom.Div, atom.Aside:
			if n.chars > 5000 || isDropped(n) {
				return nil
			}
			return n
		case atom.A, atom.Span, atom.Sup, atom.B, atom.Strong: // the number of the note
			n = n.parent
		default:
			return nil
		}
	}
	return nil
}

func (s *notes) collect(n *node) {
	if n.isText() || n.dropped {
		return
	}
	if id := n.attr("id"); id != "" && len(s.ids) < 1<<16 {
		if _, ok := s.ids[id]; !ok {
			s.ids[id] = n
		}
	}
	for c := n.first; c != nil; c = c.next {
		s.collect(c)
	}
}

func isDropped(n *node) bool {
	for ; n != nil; n = n.parent {
		if n.dropped {
			return true
		}
	}
	return false
}

func (n *node) isBelow(a *node) bool {
	for p := n.parent; p != nil; p = p.parent {
		if p == a {
			return true
		}
	}
	return false
}

func (w *writer) noteOf(n *node) string {
	if w.notes.labels == nil {
		return ""
	}
	return w.notes.labels[n]
}

// writeNote writes the text of a footnote.
func (w *writer) writeNote(label string, n *node) {
	delete(w.notes.labels, n) // is written once
	outer := w.inNote
	w.inNote = true
	w.nested(separatedBlock, n, "[^"+label+"]: ", "    ", func(n *node) {
		w.tight = false
		w.item(n)
	})
	w.inNote = outer
}

// isBacklink reports whether a link leads from a footnote back to the text.
func (n *node) isBacklink() bool {
	if !strings.HasPrefix(n.attr("href"), "#") {
		return false
	}
	text := strings.TrimSpace(n.textContent())
	return len(text) <= 3 || strings.ContainsAny(text, "↩↑⬆^") || n.attr("role") == "doc-backlink" ||
		strings.Contains(n.attr("class"), "backref")
}

// note adds a reference to a footnote.
func (in *inliner) note(label string) { in.raw("[^" + label + "]") }
