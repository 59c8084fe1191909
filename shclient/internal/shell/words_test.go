// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"slices"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
		fail bool
	}{
		{"", nil, false},
		{"  call\techo  message=hi ", []string{"call", "echo", "message=hi"}, false},
		{`echo message='a b' x="c 'd'" e=f\ g`, []string{"echo", "message=a b", "x=c 'd'", "e=f g"}, false},
		{`x="a\"b\\c\d"`, []string{`x=a"b\c\d`}, false},
		{`x='a\b'`, []string{`x=a\b`}, false},
		{`'' ""`, []string{"", ""}, false},
		{`a:='{"b":"c d"}'`, []string{`a:={"b":"c d"}`}, false},
		{"list # tools", []string{"list"}, false},
		{"read x#y", []string{"read", "x#y"}, false},
		{`end\`, []string{`end\`}, false},
		{"größe=✓ ü", []string{"größe=✓", "ü"}, false},
		{"it's", nil, true},
		{`say "hi`, nil, true},
	} {
		got, err := Split(tt.line)
		if (err != nil) != tt.fail || !slices.Equal(got, tt.want) {
			t.Errorf("Split(%q) = %q, %v; want %q", tt.line, got, err, tt.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{"a b", "it's", `"`, `\`, "#", "ü\u2003x", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = Split(text)
		got, err := Split(Quote(text) + " next")
		if want := []string{string([]rune(text)), "next"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("Split(Quote(%q)) = %q, %v", text, got, err)
		}
	})
}
