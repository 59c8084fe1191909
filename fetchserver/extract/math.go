// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// Elements of MathML that package atom does not know.
const (
	mFrac atom.Atom = 0xFFFF0000 + iota
	mSqrt
	mRoot
	mSup
	mSub
	mSubSup
	mUnder
	mOver
	mUnderOver
	mRow
	mTable
	mTr
	mTd
	mFenced
	mPhantom
	mSpace
)

var mathNames = map[string]atom.Atom{
	"mfrac": mFrac, "msqrt": mSqrt, "mroot": mRoot, "msup": mSup, "msub": mSub, "msubsup": mSubSup, "munder": mUnder, "mover": mOver,
	"munderover": mUnderOver, "mrow": mRow, "mtable": mTable, "mtr": mTr, "mtd": mTd, "mfenced": mFenced, "mphantom": mPhantom, "mspace": mSpace,
}

// startInMath names an element inside math. One of HTML's blocks ends a
// formula that was left open.
func (p *parser) startInMath(a atom.Atom) atom.Atom {
	if a == 0 {
		return mathNames[strings.ToLower(p.z.name)]
	}
	if kindOf(a)&closesP != 0 {
		p.closeOpen([]atom.Atom{atom.Math})
	}
	return a
}

// maxTeX bounds a formula in bytes.
const maxTeX = 10000

// formula adds the formula of a math element in TeX, between dollar signs.
func (in *inliner) formula(n *node) {
	tex := n.attr("alttext")
	if note := n.descendant(func(d *node) bool { return d.atom == atom.Annotation && strings.Contains(d.attr("encoding"), "tex") }); note != nil {
		tex = note.textContent()
	}
	if tex == "" {
		var b strings.Builder
		n.writeTeX(&b, 0)
		tex = b.String()
	}
	in.tex(tex, n.attr("display") == "block")
}

// tex adds a formula that is TeX.
func (in *inliner) tex(tex string, display bool) {
	tex = strings.Join(strings.Fields(cleanText(tex)), " ")
	if inner, ok := strings.CutPrefix(tex, `{\displaystyle `); ok && strings.HasSuffix(inner, "}") {
		tex = strings.TrimSpace(inner[:len(inner)-1])
	}
	if tex == "" || len(tex) > maxTeX {
		return
	}
	if in.place == inCell {
		tex = strings.ReplaceAll(tex, "|", `\vert `)
	}
	mark := "$"
	if display {
		mark = "$$"
	}
	in.raw(mark + strings.ReplaceAll(tex, "$", `\$`) + mark)
}

// isTeXScript reports whether a script element holds a formula, as pages for
// MathJax 2 have them.
func isTeXScript(media string) (display, ok bool) {
	kind, parameter, _ := strings.Cut(media, ";")
	return strings.Contains(parameter, "display"), strings.TrimSpace(kind) == "math/tex"
}

// isRendering reports whether an element is what MathJax or KaTeX made of a
// formula that stands beside it.
func isRendering(class string, before *node) bool {
	switch class, _, _ := strings.Cut(class, " "); class {
	case "katex-html":
		return before != nil
	case "MathJax", "MathJax_Preview", "MathJax_Display", "MathJax_SVG", "MathJax_SVG_Display":
		return true
	}
	return false
}

// writeTeX writes MathML as TeX.
func (n *node) writeTeX(b *strings.Builder, depth int) {
	if b.Len() > maxTeX || depth > 64 {
		return
	}
	if n.isText() {
		b.WriteString(strings.TrimSpace(n.text))
		return
	}
	child := func(i int) *node {
		for c := n.first; c != nil; c = c.next {
			if c.isText() {
				continue
			}
			if i == 0 {
				return c
			}
			i--
		}
		return nil
	}
	group := func(before string, i int) {
		b.WriteString(before + "{")
		if c := child(i); c != nil {
			c.writeTeX(b, depth+1)
		}
		b.WriteString("}")
	}
	base := func() {
		if c := child(0); c != nil {
			c.writeTeX(b, depth+1)
		}
	}
	all := func(between string) {
		first := true
		for c := n.first; c != nil; c = c.next {
			if !c.isText() && !first {
				b.WriteString(between)
			}
			first = first && c.isText()
			c.writeTeX(b, depth+1)
		}
	}
	switch n.atom {
	case atom.Annotation, atom.AnnotationXml, mPhantom:
	case mFrac:
		group(`\frac`, 0)
		group("", 1)
	case mSqrt:
		b.WriteString(`\sqrt{`)
		all("")
		b.WriteString("}")
	case mRoot:
		b.WriteString(`\sqrt[`)
		if c := child(1); c != nil {
			c.writeTeX(b, depth+1)
		}
		group("]", 0)
	case mSup, mOver:
		base()
		group("^", 1)
	case mSub, mUnder:
		base()
		group("_", 1)
	case mSubSup, mUnderOver:
		base()
		group("_", 1)
		group("^", 2)
	case mTable:
		b.WriteString(`\begin{matrix} `)
		all(` \\ `)
		b.WriteString(` \end{matrix}`)
	case mTr:
		all(" & ")
	case mFenced:
		b.WriteString("(")
		all(", ")
		b.WriteString(")")
	case mSpace:
		b.WriteString(" ")
	case atom.Mtext:
		b.WriteString(`\text{` + n.textContent() + "}")
	case atom.Mo:
		text := n.textContent()
		if strings.ContainsAny(text, "{}%#&") {
			text = `\` + text
		}
		b.WriteString(text)
	case atom.Mi:
		text := n.textContent()
		if len([]rune(text)) > 1 {
			text = `\mathrm{` + text + "}"
		}
		b.WriteString(text)
	default:
		all("")
	}
}
