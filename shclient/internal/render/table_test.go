// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"testing"
)

// drawn compares what was drawn with lines that begin after the first break.
func drawn(t *testing.T, name, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestTable(t *testing.T) {
	head := []string{"NAME", "SIZE", "DESCRIPTION"}
	rows := [][]string{
		{"日本語", "3", "wide\ncharacters"},
		{"cafe\u0301", "", "combining mark"},
		{"x\x1b[2J", "12", ""},
	}
	drawn(t, "wide", Screen{Width: 80}.Table(head, rows), `
NAME    SIZE  DESCRIPTION
日本語  3     wide characters
cafe`+"\u0301"+`          combining mark
x[2J    12
`)
	drawn(t, "narrow", Screen{Width: 24}.Table(head, rows), `
NAME    SIZE  DESCRIPTIO
              N
日本語  3     wide
              characters
cafe`+"\u0301"+`          combining
              mark
x[2J    12
`)
	drawn(t, "pipe", Screen{}.Table(head, rows), "日本語\t3\twide characters\ncafe\u0301\t\tcombining mark\nx[2J\t12\t\n")
	drawn(t, "colour", Screen{Width: 80, Color: true}.Table([]string{"A"}, [][]string{{"b"}}), "\x1b[1mA\x1b[m\nb\n")
	drawn(t, "empty", Screen{Width: 80}.Table(nil, nil), "")
}

func TestTableOfManyColumnsStays(t *testing.T) {
	row := make([]string, 40)
	for i := range row {
		row[i] = strings.Repeat("x", 20)
	}
	if got := (Screen{Width: 80}).Table(nil, [][]string{row}); strings.Count(got, "x") != 800 {
		t.Errorf("text is lost:\n%s", got)
	}
}

func TestMarkdown(t *testing.T) {
	source := "# Title `x` #\n" +
		"Some *emphasis*, **strong** and snake_case_name, 2*3*4.\n" +
		"See [the docs](https://example.com/a_b_c) or <https://example.com>.\n\n" +
		"- first item that is long enough to go on in the next line\n" +
		"  * second\n" +
		"10. tenth\n" +
		"- [x] done\n\n" +
		"> quoted\n" +
		"---\n" +
		"```go\nfunc main() { **not bold** } // and a line of code that is not wrapped\n```\n" +
		"| a | b \\| c |\n|---|--:|\n| 日本 | 1 |\n| x | 100 |\n" +
		"![alt](pic.png) \x1b[31mred\n"
	drawn(t, "without colour", Screen{Width: 40}.Markdown(source), `
# Title `+"`x`"+`
Some *emphasis*, **strong** and
snake_case_name, 2*3*4.
See the docs (https://example.com/a_b_c)
or https://example.com.

• first item that is long enough to go
  on in the next line
  • second
10. tenth
☑ done

│ quoted
────────────────────────────────────────
  func main() { **not bold** } // and a line of code that is not wrapped
a     b | c
────  ─────
日本      1
x       100
[image: alt] pic.png [31mred
`)
	drawn(t, "pipe", Screen{}.Markdown("# a\x1b"), "# a\x1b\n")
}

func TestInline(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a **b** c", "a {1 b} c"},
		{"*a b*", "{3 a b}"},
		{"***a***", "{1;3 a}"},
		{"**a *b* c**", "{1 a }{1;3 b}{1  c}"},
		{"__a__ _b_", "{1 a} {3 b}"},
		{"~~a~~ ~b~", "{9 a} ~b~"},
		{"`a*b*`", "{36 a*b*}"},
		{"`` a`b ``", "{36 a`b}"},
		{"a*b*c a_b_c", "a*b*c a_b_c"},
		{"* a* b", "* a* b"},
		{"**a", "**a"},
		{"`a", "`a"},
		{`\*a\*`, "*a*"},
		{`C:\dir`, `C:\dir`},
		{"[a](b)", "a ({4 b})"},
		{"[**a**](<b> \"t\")", "{1 a} ({4 b})"},
		{"[a](b(c))", "a ({4 b(c)})"},
		{"[https://x.example](https://x.example)", "{4 https://x.example}"},
		{"[a] (b)", "[a] (b)"},
		{"[a](b", "[a](b"},
		{"a < b > c", "a < b > c"},
		{"日*本*", "日*本*"},
		{"(*a*)", "({3 a})"},
	} {
		s := Screen{Width: 80, Color: true}
		got := strings.NewReplacer("\x1b[m", "}", "\x1b[", "{").Replace(s.paintAll(s.inline(test.text, 0)))
		want := test.want
		for _, p := range []string{"1;3", "1", "3", "4", "9", "36"} {
			want = strings.ReplaceAll(want, "{"+p+" ", "{"+p+"m")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", test.text, got, want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	f.Add("# a\n- **b** `c` [d](e)\n|a|b|\n|-|-|\n|c|\n```\n> q", 20)
	f.Add("***a** b*\\", 3)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if width < 1 || width > 300 {
			return
		}
		if got := (Screen{Width: width}).Markdown(text); strings.Contains(got, "\x1b") {
			t.Fatalf("%q becomes %q", text, got)
		}
		got := Screen{Width: width, Color: true}.Markdown(text)
		for rest := got; ; {
			_, after, found := strings.Cut(rest, "\x1b")
			if !found {
				break
			}
			end := strings.IndexByte(after, 'm')
			if end < 1 || strings.Trim(after[:end], "[;0123456789") != "" {
				t.Fatalf("%q becomes %q", text, got)
			}
			rest = after[end:]
		}
	})
}
