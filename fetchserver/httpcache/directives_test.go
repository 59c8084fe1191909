// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestDirectives(t *testing.T) {
	for _, tc := range []struct {
		lines   string // of Cache-Control, separated by |
		name    string
		value   string
		present bool
	}{
		{`max-age=60`, "max-age", "60", true},
		{`MAX-AGE=60`, "max-age", "60", true},
		{`max-age="60"`, "max-age", "60", true},
		{`max-age="6\0"`, "max-age", "60", true},
		{`public, max-age=60`, "max-age", "60", true},
		{`public|max-age=60`, "max-age", "60", true},
		{`,, ,max-age=60,`, "max-age", "60", true},
		{`max-age=60, max-age=1`, "max-age", "60", true},
		{`ext="max-age=60, no-store", public`, "max-age", "", false},
		{`ext="max-age=60, no-store", public`, "no-store", "", false},
		{`ext="max-age=60, no-store", public`, "public", "", true},
		{`ext="a\"b, no-store", public`, "no-store", "", false},
		{`no-cache="Set-Cookie, X"`, "no-cache", "Set-Cookie, X", true},
		{`no-store =1`, "no-store", "1", true},
		{``, "max-age", "", false},
	} {
		h := http.Header{"Cache-Control": strings.Split(tc.lines, "|")}
		arg, present := parseDirectives(h)[tc.name]
		if arg.value != tc.value || present != tc.present {
			t.Errorf("%s: %s is %q, %v", tc.lines, tc.name, arg.value, present)
		}
	}
}

func TestSeconds(t *testing.T) {
	for value, want := range map[string]time.Duration{
		`60`: 60 * time.Second, `"60"`: 60 * time.Second, `0`: 0, `0060`: 60 * time.Second,
		`2147483648`: maxDelta * time.Second, `99999999999999999999999999`: maxDelta * time.Second,
		``: -1, `-1`: -1, `+1`: -1, `1.5`: -1, `1a`: -1, `'60'`: -1, `"60`: -1, `"60"x`: -1, ` 60`: -1, `"`: -1, `"\`: -1,
	} {
		got, present, valid := parseDirectives(http.Header{"Cache-Control": {"max-age=" + value}}).seconds("max-age")
		if !present || valid != (want >= 0) || valid && got != want {
			t.Errorf("max-age=%s: %v, present %v, valid %v", value, got, present, valid)
		}
	}
}

func TestTooManyDirectivesAreNotKept(t *testing.T) {
	var b strings.Builder
	for range maxDirectives + 1 {
		b.WriteString("x" + strings.Repeat("y", b.Len()%200) + strings.Repeat("z", b.Len()/200) + ",")
	}
	if !parseDirectives(http.Header{"Cache-Control": {b.String() + "max-age=60"}}).has("no-store") {
		t.Error("a field with too many directives may be kept")
	}
}

func FuzzDirectives(f *testing.F) {
	for _, seed := range []string{
		`max-age=60, s-maxage="6\"0", no-cache="a, b"`, `max-age=99999999999999999999`, `ext="max-age=1`, `a="\`, `=`, `"no-store"`, "\x00=\xff",
		`max-age=1, max-age=2`, `no-store =`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		d := parseDirectives(http.Header{"Cache-Control": {line}})
		if len(d) > maxDirectives {
			t.Fatalf("%d directives", len(d))
		}
		for name := range d {
			if name != strings.ToLower(name) || strings.Trim(name, " \t") != name {
				t.Errorf("name %q", name)
			}
			if age, present, valid := d.seconds(name); age < 0 || age > maxDelta*time.Second || valid && !present {
				t.Errorf("%s: %v, %v, %v", name, age, present, valid)
			}
		}
		// What stands first as a directive of its own is never lost.
		first := parseDirectives(http.Header{"Cache-Control": {"no-store, " + line}})
		if !first.has("no-store") {
			t.Errorf("no-store is lost before %q", line)
		}
		// Nor does a further line undo or hide one.
		second := parseDirectives(http.Header{"Cache-Control": {line, "no-store"}})
		if !second.has("no-store") {
			t.Errorf("no-store is lost after %q", line)
		}
	})
}
