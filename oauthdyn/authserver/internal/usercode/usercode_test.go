// SPDX-License-Identifier: Apache-2.0

package usercode

import (
	"strings"
	"testing"
)

func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 1000 {
		code := New()
		if seen[code] || len(code) != 8 || strings.ContainsAny(code, "AEIOUY01") {
			t.Fatalf("made %q", code)
		}
		seen[code] = true
		for _, r := range code {
			letters[r] = true
		}
		for _, typed := range []string{code, Format(code), strings.ToLower(Format(code)), " " + code[:2] + " " + code[2:] + "\t", code[:4] + "–" + code[4:]} {
			if Parse(typed) != code {
				t.Errorf("%q is read as %q", typed, Parse(typed))
			}
		}
	}
	if len(letters) != len(alphabet) {
		t.Errorf("%d letters came up", len(letters))
	}
	for _, typed := range []string{"", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF/GHJK", "BCDFGHJ\x00", "ÄCDFGHJ", strings.Repeat("-", 100) + "BCDFGHJK"} {
		if code := Parse(typed); code != "" || Format(code) != "" {
			t.Errorf("%q is read as %q", typed, code)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("bcdf-ghjk")
	f.Add("ſcdfghjk")
	f.Fuzz(func(t *testing.T, typed string) {
		code := Parse(typed)
		if code != "" && (len(code) != length || strings.Trim(code, alphabet) != "" || Parse(Format(code)) != code) {
			t.Errorf("%q is read as %q", typed, code)
		}
	})
}
