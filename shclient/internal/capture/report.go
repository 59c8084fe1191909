// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// marks stand before a change in text.
var marks = map[Kind]string{Added: "+", Removed: "-", Changed: "~"}

// WriteChanges writes changes for people, a line for each, those of a subject
// below its name.
func WriteChanges(w io.Writer, changes []Change) error {
	var b strings.Builder
	for i, c := range changes {
		if i == 0 || changes[i-1].Subject != c.Subject {
			b.WriteString(printable(c.Subject) + "\n")
		}
		fmt.Fprintf(&b, "  %s %s", marks[c.Kind], printable(c.Path))
		switch {
		case c.Path == "$": // all of it: too much for a line
		case c.Kind == Added:
			b.WriteString(": " + short(c.After))
		case c.Kind == Removed:
			b.WriteString(": " + short(c.Before))
		default:
			b.WriteString(": " + short(c.Before) + " → " + short(c.After))
		}
		if c.Breaking {
			b.WriteString("  (breaking: " + printable(c.Why) + ")")
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Breaking are the changes that break clients.
func Breaking(changes []Change) []Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return !c.Breaking })
}

// maxShort is how many characters of a value are shown.
const maxShort = 60

func short(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // it was JSON before
	text := printable(strings.TrimSpace(b.String()))
	if utf8.RuneCountInString(text) > maxShort {
		text = string([]rune(text)[:maxShort-1]) + "…"
	}
	return text
}

// printable drops what would control a terminal: names come from strangers.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
}
