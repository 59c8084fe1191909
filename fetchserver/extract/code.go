// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// codeBlock writes a fenced code block, its text untouched but for the lines
// that its elements make.
func (w *writer) codeBlock(n *node) {
	if isGutter(n) || n.parent != nil && isGutter(n.parent) {
		return
	}
	var b strings.Builder
	w.codeText(n, &b)
	text := strings.ReplaceAll(strings.ReplaceAll(b.String(), "\r\n", "\n"), "\r", "\n")
	if n.first != nil && n.first.isText() {
		text = strings.TrimPrefix(text, "\n") // HTML drops a line break right after <pre>
	}
	if strings.TrimSpace(text) == "" && n.descendant(isCode) == nil {
		return
	}
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	if len(fence) > 40 {
		fence = strings.Repeat("~", max(3, min(longestRun(text, '~')+1, 40)))
	}
	w.begin(codeBlock)
	w.out = append(append(w.out, fence...), language(n)...)
	for text != "" && !w.stop() {
		line, rest, _ := strings.Cut(text, "\n")
		w.newline()
		w.out = append(w.out, line...)
		text = rest
	}
	w.newline()
	w.out = append(w.out, fence...)
}

func (w *writer) codeText(n *node, b *strings.Builder) {
	for c := n.first; c != nil; c = c.next {
		if w.stop() {
			return
		}
		switch {
		case c.isText():
			b.WriteString(c.text)
		case c.atom == atom.Br:
			b.WriteByte('\n')
		case isGutter(c):
		default:
			// Elements that are lines of their own end the line before them.
			own := kindOf(c.atom)&block != 0 && c.atom != atom.Td
			if own && b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
				b.WriteByte('\n')
			}
			w.codeText(c, b)
			if own && c.next != nil && !strings.HasSuffix(b.String(), "\n") {
				b.WriteByte('\n')
			}
		}
	}
}

func isCode(n *node) bool { return n.atom == atom.Code }

// isGutter reports whether n holds line numbers.
func isGutter(n *node) bool {
	switch n.attr("class") {
	case "gutter", "linenos", "lineno", "linenodiv", "line-number", "line-numbers", "line-numbers-rows", "rouge-gutter gl", "ln", "lnt":
		return true
	}
	return false
}

// language finds the language of a code block where highlighters note it: on
// the block, on the code inside it or on the two elements around it.
func language(n *node) string {
	if l := languageOf(n); l != "" {
		return l
	}
	if code := n.descendant(isCode); code != nil {
		if l := languageOf(code); l != "" {
			return l
		}
	}
	for p, level := n.parent, 0; p != nil && level < 2; p, level = p.parent, level+1 {
		if l := languageOf(p); l != "" {
			return l
		}
	}
	return ""
}

func languageOf(n *node) string {
	for _, key := range []string{"data-lang", "data-language"} {
		if l := languageName(n.attr(key)); l != "" {
			return l
		}
	}
	words := strings.Fields(n.attr("class"))
	for i, word := range words {
		for _, prefix := range []string{"language-", "lang-", "highlight-source-", "highlight-", "sourceCode-"} {
			if rest, ok := strings.CutPrefix(word, prefix); ok {
				return languageName(rest)
			}
		}
		if (word == "brush:" || word == "sourceCode") && i+1 < len(words) {
			return languageName(strings.TrimSuffix(words[i+1], ";"))
		}
		if rest, ok := strings.CutPrefix(word, "brush:"); ok {
			return languageName(strings.TrimSuffix(rest, ";"))
		}
	}
	return ""
}

// languageName keeps what can be an info string, and drops the names that
// highlighters have for "none".
func languageName(s string) string {
	s = strings.ToLower(trimSpace(s))
	if len(s) > 30 || strings.ContainsAny(s, " `~\\&") {
		return ""
	}
	switch s {
	case "none", "text", "plain", "plaintext", "nohighlight", "default", "notranslate":
		return ""
	}
	return s
}
