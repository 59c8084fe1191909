// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// place is where inline text is written: it decides about line breaks.
type place uint8

const (
	inParagraph place = iota
	inHeading         // one line; line breaks become spaces
	inCell            // one line; line breaks become <br>
)

// style is a set of inline styles.
type style uint8

const (
	strong style = 1 << iota
	emphasis
	strike
)

// run is a piece of inline content with one style in one link.
type run struct {
	kind  runKind
	style style
	link  int32  // index+1 into inliner.links; 0 = none
	text  string // source text, or finished Markdown for an image
}

type runKind uint8

const (
	textRun runKind = iota
	codeRun
	imageRun
	breakRun
)

// inliner collects the inline nodes of one block as runs, with white space
// collapsed across elements. It is reused from block to block.
type inliner struct {
	w     *writer
	runs  []run
	links []*node
	space bool // the last run ends with a space, or there is none
	place place
	// images counts the bytes of imageRuns, which a base URL makes many times
	// longer than their source.
	images int
}

// inlineText renders the inline nodes from first up to end, without space
// around it. In a paragraph, "\n" is a hard line break.
func (w *writer) inlineText(first, end *node, where place) string {
	in := &w.inline
	*in = inliner{w: w, runs: in.runs[:0], links: in.links[:0], space: true, place: where}
	for n := first; n != nil && n != end; n = n.next {
		in.walk(n, 0, 0)
	}
	if len(in.runs) == 0 {
		return ""
	}
	w.inlineLeft = w.limit - len(w.out) + 1
	r := renderer{w: w, links: in.links, place: where}
	r.render(in.runs, 0)
	return strings.Trim(string(r.out), " \n")
}

func (in *inliner) walk(n *node, s style, link int32) {
	if n.dropped || in.w.stop() {
		return
	}
	if n.isText() {
		in.text(n.text, s, link)
		return
	}
	switch n.atom {
	case atom.Br:
		in.lineBreak()
		return
	case atom.Img:
		in.image(n, s, link)
		return
	case atom.Code, atom.Kbd, atom.Samp, atom.Tt:
		if !n.hasBlock && in.code(n, s, link) {
			return
		}
	case atom.B, atom.Strong:
		s |= strong
	case atom.I, atom.Em, atom.Cite, atom.Dfn, atom.Var:
		s |= emphasis
	case atom.Del, atom.S, atom.Strike:
		s |= strike
	case atom.A:
		if in.place == inHeading && n.isAnchor() {
			return
		}
		if link == 0 && n.attr("href") != "" {
			in.links = append(in.links, n)
			link = int32(len(in.links))
		}
	}
	separate := n.isBlock() || isTablePart(n.atom)
	if separate {
		in.separate()
	}
	for c := n.first; c != nil; c = c.next {
		in.walk(c, s, link)
	}
	if separate {
		in.separate()
	}
}

// text adds text with its white space collapsed.
func (in *inliner) text(s string, st style, link int32) {
	if in.space {
		s = strings.TrimLeft(s, " \t\r\n\f")
	}
	if s == "" {
		return
	}
	s = collapse(s)
	in.space = s[len(s)-1] == ' '
	in.add(run{kind: textRun, style: st, link: link, text: s})
}

func (in *inliner) add(r run) { in.runs = append(in.runs, r) }

// collapse makes each run of white space one space.
func collapse(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] == ' ' && (i == 0 || s[i-1] != ' ') || !isSpace(s[i])
	}
	if clean {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if !isSpace(s[i]) {
			out = append(out, s[i])
		} else if len(out) == 0 || out[len(out)-1] != ' ' {
			out = append(out, ' ')
		}
	}
	return string(out)
}

func (in *inliner) lineBreak() {
	if len(in.runs) == 0 {
		return
	}
	if in.place == inHeading {
		in.text(" ", 0, 0)
		return
	}
	in.add(run{kind: breakRun})
	in.space = true
}

// separate keeps the text of adjacent blocks apart where blocks cannot be.
func (in *inliner) separate() {
	if len(in.runs) == 0 || in.runs[len(in.runs)-1].kind == breakRun {
		return
	}
	if in.place == inHeading {
		in.text(" ", 0, 0)
		return
	}
	in.lineBreak()
}

// code adds a code span and reports whether it could: an image or a line break
// inside it cannot be expressed.
func (in *inliner) code(n *node, s style, link int32) bool {
	if n.descendant(func(d *node) bool { return d.atom == atom.Img }) != nil {
		return false
	}
	var b strings.Builder
	n.appendText(&b)
	text := strings.ReplaceAll(b.String(), "\n", " ")
	if strings.TrimSpace(text) == "" {
		in.text(text, s, link)
		return true
	}
	in.add(run{kind: codeRun, style: s, link: link, text: text})
	in.space = false
	return true
}

func (in *inliner) image(n *node, s style, link int32) {
	if in.images > in.w.limit {
		return // the output is full before this one
	}
	src := in.w.imageSource(n)
	if src == "" {
		return
	}
	alt := appendEscaped(nil, collapse(strings.TrimSpace(cleanText(n.attr("alt")))), escapeContext{inLink: true, table: in.place == inCell})
	text := "![" + string(alt) + "](" + src + ")"
	in.images += len(text)
	in.add(run{kind: imageRun, style: s, link: link, text: text})
	in.space = false
}

// isAnchor reports whether n is the permanent link that many generators put
// into headings.
func (n *node) isAnchor() bool {
	if !strings.HasPrefix(n.attr("href"), "#") && n.attr("href") != "" && !strings.Contains(n.attr("class"), "anchor") {
		return false
	}
	switch strings.TrimSpace(n.textContent()) {
	case "", "#", "¶", "§", "🔗", "Link", "link", "Permalink":
		return n.descendant(func(d *node) bool { return d.atom == atom.Img }) == nil
	}
	return false
}
