// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A Completer lists what the last word of a command may become: words are those
// before it, prefix is what of it stands already. Every entry begins with
// prefix; one that ends in "=" goes on.
type Completer func(words []string, prefix string) []string

const maxShown = 200 // of the entries

// Line completes the word in front of pos as far as it is certain. If it is not,
// it lists the entries.
func (c Completer) Line(line string, pos int) (newLine string, newPos int, several []string) {
	words, last := cut(line[:pos])
	if last.quote != 0 {
		return line, pos, nil
	}
	list := slices.DeleteFunc(c(words, last.text.String()), func(s string) bool {
		return !utf8.ValidString(s) || !strings.HasPrefix(s, last.text.String())
	})
	if len(list) == 0 {
		return line, pos, nil
	}
	common := commonPrefix(list)
	written := Quote(common)
	if len(list) == 1 && !strings.HasSuffix(common, "=") {
		written += " "
	}
	if common != last.text.String() || len(list) == 1 {
		line = line[:last.start] + written + line[pos:]
		return line, last.start + len(written), nil
	}
	if len(list) > maxShown {
		list = append(list[:maxShown], "…")
	}
	return line, pos, list
}

func commonPrefix(list []string) string {
	common := list[0]
	for _, s := range list[1:] {
		for !strings.HasPrefix(s, common) {
			_, size := utf8.DecodeLastRuneInString(common)
			common = common[:len(common)-size]
		}
	}
	return common
}
