// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSafe(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"plain":             {"a b\nc", "a b\nc"},
		"escape sequence":   {"\x1b[31mred\x1b[m\x1b]0;title\a", "[31mred[m]0;title"},
		"C1 controls":       {"a\u009b31mb\u0090c", "a31mbc"},
		"carriage return":   {"visible\rhidden\r\nnext", "visiblehidden\nnext"},
		"backspace, delete": {"pass\b\b\b\bword\x7f", "password"},
		"bidi overrides":    {"a\u202eb\u2066c\u200fd\u061ce", "abcde"},
		"invisible tags":    {"a\U000e0041b\ufeffc\u00add", "abcd"},
		"line separators":   {"a\u2028b\u2029c\u0085d\ve\ff", "a\nb\nc\nd\ne\nf"},
		"tabs":              {"a\tb\n日\tc", "a       b\n日      c"},
		"not UTF-8":         {"a\xffb", "a\ufffdb"},
		"joined emoji":      {"👩‍👩‍👧 e\u0301", "👩‍👩‍👧 e\u0301"},
	} {
		if got := Safe(test.text); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if got, want := Line(" a \r\n\n b\tc\x1b "), "a b      c"; got != want {
		t.Errorf("Line: %q, want %q", got, want)
	}
	if got, want := Summary("\n  first \nsecond"), "first"; got != want {
		t.Errorf("Summary: %q, want %q", got, want)
	}
}

func TestClip(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 0, "abc"},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"a b c", 3, "a…"},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"👩‍👩‍👧👩‍👩‍👧", 3, "👩‍👩‍👧…"},
		{"abc", 1, "…"},
	} {
		if got := Clip(test.text, test.width); got != test.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 0, "one two three"},
		{"one two three", 13, "one two three"},
		{"one two three", 12, "one two\nthree"},
		{"one two three", 7, "one two\nthree"},
		{"one  two", 6, "one\ntwo"},
		{"https://example.com/long is", 10, "https://example.com/long\nis"},
		{"see https://example.com now", 12, "see\nhttps://example.com\nnow"},
		{"日本語テキスト", 5, "日本\n語テ\nキス\nト"},
		{"日本語", 1, "日\n本\n語"},
		{"a\nlong line", 5, "a\nlong\nline"},
		{"  - item goes on", 8, "  - item\ngoes on"},
		{"     indented", 8, "     indented"},
		{"          ", 4, ""},
	} {
		if got := Wrap(test.text, test.width); got != test.want {
			t.Errorf("Wrap(%q, %d) = %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("one two 日本語 e\u0301 👩‍👩‍👧\n   x", 7)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if width < 2 || width > 200 {
			return
		}
		text = Safe(text)
		got := Wrap(text, width)
		if bare := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }; bare(got) != bare(text) {
			t.Fatalf("Wrap(%q, %d) = %q: text is lost", text, width, got)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if Width(line) > width && strings.Contains(strings.TrimSpace(line), " ") && !strings.ContainsAny(line, "\u200c\u200d") {
				t.Fatalf("Wrap(%q, %d): %q has %d columns", text, width, line, Width(line))
			}
		}
		for _, line := range wrapCell([]span{{text: strings.ReplaceAll(text, "\n", " ")}}, width) {
			if spansWidth(line) > width {
				t.Fatalf("a cell of %q for %d: %q has %d columns", text, width, line, spansWidth(line))
			}
		}
	})
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b[31m\u202e\r\n\t日")
	f.Fuzz(func(t *testing.T, text string) {
		got := Safe(text)
		if !utf8.ValidString(got) {
			t.Fatalf("Safe(%q) = %q is not UTF-8", text, got)
		}
		for _, r := range got {
			if r != '\n' && hidden(r) {
				t.Fatalf("Safe(%q) = %q holds %U", text, got, r)
			}
		}
		if again := Safe(got); again != got {
			t.Fatalf("Safe(%q) = %q, and again %q", text, got, again)
		}
		if strings.Contains(Line(text), "\n") {
			t.Fatalf("Line(%q) has more than one line", text)
		}
	})
}
