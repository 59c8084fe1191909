// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, test := range []struct {
		line string
		want []string
	}{
		{"npx -y server", []string{"npx", "-y", "server"}},
		{"  npx\t-y\n server ", []string{"npx", "-y", "server"}},
		{`a "b c" 'd e'f ""`, []string{"a", "b c", "d ef", ""}},
		{`a "say \"hi\"" 'it''s'`, []string{"a", `say "hi"`, "its"}},
		{`a '$HOME' '|' '{"k": "v"}'`, []string{"a", "$HOME", "|", `{"k": "v"}`}},
		{`a --x=$ --price=5$ a&b`, []string{"a", "--x=$", "--price=5$", "a&b"}},
	} {
		got, err := words(test.line)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v", test.line, got, err)
		}
	}
	if runtime.GOOS != "windows" {
		if got, err := words(`a b\ c "d\\e\f" \$x`); err != nil || !slices.Equal(got, []string{"a", "b c", `d\e\f`, "$x"}) {
			t.Errorf("%q, %v", got, err)
		}
	}
	for line, want := range map[string]string{
		" ":              "the command is empty",
		`a "b`:           `quotation mark " is not closed`,
		"a 'b":           "quotation mark ' is not closed",
		"cd x && run":    `"&&" needs a shell; write -- sh -c`,
		"a | b":          `"|" needs a shell`,
		"a; b":           `"a;" needs a shell`,
		"a 2>&1":         "needs a shell",
		"a > log":        "needs a shell",
		"a $HOME":        "needs a shell",
		`a "${HOME}"`:    "needs a shell",
		"a `id`":         "needs a shell",
		"~/bin/a":        "needs a shell",
		"KEY=secret run": "set with -e",
	} {
		if got, err := words(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %q", line, got, err, want)
		}
	}
}

// A quoted word comes out as it went in, whatever is in it.
func FuzzWords(f *testing.F) {
	f.Add("npx", "a b")
	f.Add("a", `'"$`)
	f.Fuzz(func(t *testing.T, line, text string) {
		_, _ = words(line)
		if strings.Contains(text, "'") {
			return
		}
		got, err := words("run '" + text + "'")
		if err != nil || len(got) != 2 || got[1] != text {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	})
}
