// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"strings"
	"testing"
)

func TestIndent(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	huge := `["` + strings.Repeat("x", maxIndented) + `"]`
	for text, want := range map[string]string{
		`{"a":[1,2.50],"b":{}}`:               "{\n  \"a\": [\n    1,\n    2.50\n  ],\n  \"b\": {}\n}",
		`12345678901234567890`:                `12345678901234567890`,
		`{"a":1}{"a":2}`:                      `{"a":1}{"a":2}`,
		`["` + `[[[[\"[[` + `"]`:              "[\n  \"[[[[\\\"[[\"\n]",
		`["` + strings.Repeat("[", 99) + `"]`: "[\n  \"" + strings.Repeat("[", 99) + "\"\n]",
		deep:                                  deep,
		huge:                                  huge,
		"":                                    "",
	} {
		if got := indent(text); got != want {
			t.Errorf("%.60s: got %.200q", text, got)
		}
	}
}
