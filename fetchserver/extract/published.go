// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"regexp"
	"strings"
	"time"
)

// dateLayouts are the ways to write a date that have one reading only, and
// what is kept of it.
var dateLayouts = []struct{ read, write string }{
	{time.RFC3339Nano, time.RFC3339},
	{"2006-01-02T15:04:05.999999999Z0700", time.RFC3339},
	{"2006-01-02T15:04Z07:00", time.RFC3339},
	{"2006-01-02T15:04Z0700", time.RFC3339},
	{"2006-01-02 15:04:05Z07:00", time.RFC3339},
	{"2006-01-02 15:04:05 Z0700", time.RFC3339},
	{"2006-01-02 15:04:05 Z07:00", time.RFC3339},
	{"2006-01-02 15:04:05 MST", "2006-01-02T15:04:05"},
	{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05"},
	{"2006-01-02T15:04", "2006-01-02T15:04:05"},
	{"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05"},
	{"2006-01-02 15:04", "2006-01-02T15:04:05"},
	{"2006-1-2", time.DateOnly},
	{"2006/1/2", time.DateOnly},
	{"2006.1.2", time.DateOnly},
	{"20060102", time.DateOnly},
	{"2006-01", "2006-01"},
	{"2006", "2006"},
	{"January 2, 2006", time.DateOnly},
	{"January 2 2006", time.DateOnly},
	{"Jan 2, 2006", time.DateOnly},
	{"Jan 2 2006", time.DateOnly},
	{"2 January 2006", time.DateOnly},
	{"2 Jan 2006", time.DateOnly},
	{time.RFC1123Z, time.RFC3339},
	{"Monday, January 2, 2006", time.DateOnly},
	{"Monday, January 2, 2006 - 15:04", "2006-01-02T15:04:05"},
	{"January 2, 2006 3:04 pm", "2006-01-02T15:04:05"},
	{"January 2, 2006 3:04 PM", "2006-01-02T15:04:05"},
	{"Mon Jan 2 15:04:05 MST 2006", "2006-01-02T15:04:05"},
}

var yearDigits = regexp.MustCompile(`\b(1[5-9]|20)[0-9]{2}\b`)

// publication returns a date in RFC 3339 form, as far as it is given; a date
// that can be read in two ways as it is; and nothing for what is no date.
func publication(s string) string {
	s = oneLine(plain(s), 60)
	if len(s) < 4 {
		return ""
	}
	dotless := strings.Replace(s, ". ", " ", 1) // "Jan. 2, 2006"
	for _, layout := range dateLayouts {
		for _, candidate := range [...]string{s, dotless} {
			t, err := time.Parse(layout.read, candidate)
			if err != nil {
				continue
			}
			// The years that stand for "no date" in databases.
			if t.Year() < 1500 || t.Year() > 2200 || t.Year() == 1970 && t.YearDay() == 1 {
				return ""
			}
			return t.Format(layout.write)
		}
	}
	if len(s) <= 40 && yearDigits.MatchString(s) {
		return s
	}
	return ""
}
