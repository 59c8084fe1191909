// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// Whether "*" and "_" are emphasis depends on what is around them and on the
// other delimiters of the paragraph (CommonMark section 6.2). So delimiters
// are chosen first, then judged by the specification's own algorithm, and
// those that it would read differently are changed or given up: the text
// survives, its style does not.

// delimiterRun is a sequence of delimiters of one kind, as CommonMark's
// algorithm sees it. Its pieces lie next to each other.
type delimiterRun struct {
	mark              byte
	pieces            []int32 // left to right, those that are not matched yet
	length            int     // in characters
	original          int
	canOpen, canClose bool
	isBracket         bool // not a run but the start of a link
}

// maxRounds bounds how often delimiters are changed before all that do not
// work are given up.
const maxRounds = 64

// resolve chooses the delimiters.
func (in *inliner) resolve() {
	styled := false
	for i := range in.pieces {
		p := &in.pieces[i]
		if p.kind != opening {
			continue
		}
		switch p.style {
		case strong, emphasis:
			p.mark = '*'
			if i > 0 && in.pieces[i-1].kind == closing && in.pieces[i-1].mark == '*' {
				p.mark = '_'
			}
		case strike:
			p.mark = '~'
		default:
			continue // written as tags
		}
		in.pieces[p.peer].mark = p.mark
		styled = true
	}
	if !styled {
		return
	}
	for range maxRounds {
		if in.judge() {
			return
		}
	}
	for i := range in.pieces {
		in.pieces[i].mark = 0
	}
}

// setMark changes the delimiters of the element that piece i opens or closes.
func (in *inliner) setMark(i int32, mark byte) {
	in.pieces[i].mark = mark
	in.pieces[in.pieces[i].peer].mark = mark
}

// change tries the other delimiter, or gives the style up.
func (in *inliner) change(i int32) {
	if in.pieces[i].mark == '*' {
		in.setMark(i, '_')
	} else {
		in.setMark(i, 0)
	}
}

// judge runs the algorithm "process emphasis" of the specification over the
// delimiters. It changes those that would not be read as they are meant and
// reports whether there were none. It changes at least one of them each time.
func (in *inliner) judge() bool {
	ok := true
	stack, arena := in.runs[:0], in.arena[:0]
	defer func() { in.runs, in.arena = stack[:0], arena[:0] }()
	for i := 0; i < len(in.pieces); i++ {
		p := &in.pieces[i]
		switch p.kind {
		case linkOpening:
			stack = append(stack, delimiterRun{isBracket: true})
			continue
		case linkClosing, splitPiece:
			for len(stack) > 0 {
				top := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				if top.isBracket {
					break
				}
				if top.length > 0 {
					in.change(top.pieces[0])
					ok = false
				}
			}
			continue
		case opening, closing:
		default:
			continue
		}
		if p.mark == 0 {
			continue
		}
		run := delimiterRun{mark: p.mark}
		start, end := len(arena), i
		for ; end < len(in.pieces); end++ {
			q := &in.pieces[end]
			if q.kind != opening && q.kind != closing {
				break
			}
			if q.mark == 0 && q.style != sub && q.style != sup {
				continue
			}
			if q.mark != p.mark {
				break
			}
			arena = append(arena, int32(end))
			run.length += q.style.width()
		}
		run.pieces = arena[start:]
		run.original = run.length
		in.flank(&run, i, end)
		if !in.fits(&run, stack) {
			ok = false
			i-- // what is left of the run is another one
			continue
		}
		i = end - 1
		if run.canClose && !in.closeRun(&stack, &run) {
			return false
		}
		if run.length > 0 {
			if in.pieces[run.pieces[0]].kind == closing {
				in.change(run.pieces[0])
				return false
			}
			stack = append(stack, run)
		}
	}
	for _, left := range stack {
		if !left.isBracket && left.length > 0 {
			in.change(left.pieces[0])
			ok = false
		}
	}
	return ok
}

// fits gives up the delimiters of a run that their neighbours do not let open
// or close, and reports whether there were none.
func (in *inliner) fits(run *delimiterRun, stack []delimiterRun) bool {
	ok := true
	for _, at := range run.pieces {
		p := &in.pieces[at]
		if p.kind == opening && run.canOpen || p.kind == closing && run.canClose {
			continue
		}
		in.setMark(at, 0)
		ok = false
		if p.kind == opening {
			continue
		}
		for i := len(stack) - 1; i >= 0; i-- { // its opening is no delimiter any more
			o := &stack[i]
			if j := slices.Index(o.pieces, p.peer); j >= 0 {
				o.pieces = slices.Delete(slices.Clone(o.pieces), j, j+1)
				o.length -= p.style.width()
				break
			}
		}
	}
	return ok
}

// closeRun matches a run with the ones before it as far as it goes, and
// reports whether each match is one that is meant.
func (in *inliner) closeRun(stack *[]delimiterRun, run *delimiterRun) bool {
	s := *stack
	for at := len(s) - 1; at >= 0 && run.length > 0; {
		o := &s[at]
		if o.isBracket {
			break
		}
		if o.length == 0 { // given up
			at--
			continue
		}
		// The rule about sums that are multiples of three.
		odd := (o.canClose || run.canOpen) && (o.original+run.original)%3 == 0 && (o.original%3 != 0 || run.original%3 != 0)
		if o.mark != run.mark || o.mark == '~' && o.length != run.length || o.mark != '~' && odd {
			at--
			continue
		}
		used := 1
		if o.length >= 2 && run.length >= 2 {
			used = 2
		}
		first, last := run.pieces[0], o.pieces[len(o.pieces)-1]
		if in.pieces[first].peer != last || in.pieces[first].style.width() != used || at != top(s) {
			// The inner of the two elements is the one to change.
			in.change(max(last, min(first, in.pieces[first].peer)))
			return false
		}
		o.length, run.length = o.length-used, run.length-used
		o.pieces, run.pieces = o.pieces[:len(o.pieces)-1], run.pieces[1:]
		if o.length == 0 {
			s = s[:at]
			at--
		}
	}
	*stack = s
	return true
}

// top is the index of the last run of the stack that has delimiters left.
func top(stack []delimiterRun) int {
	for i := len(stack) - 1; i >= 0; i-- {
		if stack[i].isBracket || stack[i].length > 0 {
			return i
		}
	}
	return -1
}

// flank computes whether a run from piece i up to end can open and close.
func (in *inliner) flank(run *delimiterRun, i, end int) {
	before, after := in.runeBefore(i), in.runeAfter(end)
	left := !unicode.IsSpace(after) && (!isPunct(after) || isBreak(before))
	right := !unicode.IsSpace(before) && (!isPunct(before) || isBreak(after))
	if run.mark == '~' && (before == '~' || after == '~') {
		return // not told from it, escaped or not
	}
	run.canOpen, run.canClose = left, right
	if run.mark == '_' {
		run.canOpen = left && (!right || isPunct(before))
		run.canClose = right && (!left || isPunct(after))
	}
}

func (s style) width() int {
	if s == emphasis {
		return 1
	}
	return 2
}

// runeBefore is the character that will be written before piece i.
func (in *inliner) runeBefore(i int) rune {
	for i--; i >= 0; i-- {
		if r, written := in.pieces[i].edge(utf8.DecodeLastRuneInString); written {
			return r
		}
	}
	return ' '
}

// runeAfter is the character that will be written at piece i.
func (in *inliner) runeAfter(i int) rune {
	for ; i < len(in.pieces); i++ {
		if r, written := in.pieces[i].edge(utf8.DecodeRuneInString); written {
			return r
		}
	}
	return ' '
}

// edge is the first or last character of a piece, whichever decode takes of a
// text; false if nothing is written for the piece.
func (p *piece) edge(decode func(string) (rune, int)) (rune, bool) {
	switch p.kind {
	case textPiece, rawPiece:
		r, _ := decode(p.text)
		return r, true
	case opening, closing:
		return '*', p.mark != 0 || p.style == sub || p.style == sup
	case codePiece, linkOpening, linkClosing:
		return '`', true
	}
	return ' ', true
}

// isBreak: white space or punctuation, which a delimiter may touch on its
// outer side whatever is on its inner side.
func isBreak(c rune) bool { return unicode.IsSpace(c) || isPunct(c) }

func isPunct(c rune) bool { return unicode.IsPunct(c) || unicode.IsSymbol(c) }
