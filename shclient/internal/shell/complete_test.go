// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"slices"
	"strings"
	"testing"
)

func TestCompleteLine(t *testing.T) {
	complete := Completer(func(words []string, prefix string) []string {
		var list []string
		all := []string{"call", "cancel", "list"}
		switch strings.Join(words, " ") {
		case "call":
			all = []string{"größer", "größte", "two words"}
		case "call echo":
			all = []string{"message=", "mode="}
		case "bad":
			all = []string{"\xff"}
		}
		for _, s := range all {
			if strings.HasPrefix(s, prefix) {
				list = append(list, s)
			}
		}
		return list
	})
	for _, tt := range []struct{ line, want, several string }{
		{"|", "|", "call cancel list"},
		{"c|", "ca|", ""},
		{"ca|", "ca|", "call cancel"},
		{"l|", "list |", ""},
		{"  li| x", "  list | x", ""},
		{"call gr|", "call größ|", ""},
		{"call größ|", "call größ|", "größer größte"},
		{"call t|", "call 'two words' |", ""},
		{"call echo me|", "call echo message=|", ""},
		{"call echo |mo=x", "call echo m|mo=x", ""},
		{"call 'tw|", "call 'tw|", ""},
		{"none|", "none|", ""},
		{"bad |", "bad |", ""},
	} {
		before, after, _ := strings.Cut(tt.line, "|")
		line, pos, several := complete.Line(before+after, len(before))
		if got := line[:pos] + "|" + line[pos:]; got != tt.want || strings.Join(several, " ") != tt.several {
			t.Errorf("%q: %q, %q; want %q, %q", tt.line, got, several, tt.want, tt.several)
		}
	}
}

func TestManyEntriesAreCut(t *testing.T) {
	complete := Completer(func([]string, string) []string { return slices.Repeat([]string{"a", "b"}, maxShown) })
	if _, _, several := complete.Line("", 0); len(several) != maxShown+1 {
		t.Errorf("%d entries", len(several))
	}
}

func TestColumns(t *testing.T) {
	words := []string{"one", "two", "three", "four", "größer"}
	for width, want := range map[int]string{
		1:  "one\ntwo\nthree\nfour\ngrößer\n",
		16: "one     four\ntwo     größer\nthree\n",
		80: "one     two     three   four    größer\n",
	} {
		if got := Columns(words, width); got != want {
			t.Errorf("width %d:\n%swant\n%s", width, got, want)
		}
	}
}
