// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// Reports of data races are found in pieces, with where they come from.
func TestAlarm(t *testing.T) {
	var l proxyLog
	const text = "time=1 level=INFO msg=listening\n==================\nWARNING: DATA RACE\nRead at 0x1 by goroutine 7:\n  main.f()\n\nmore\n"
	for i := range text {
		if _, err := l.Write([]byte(text[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	got := l.alarm()
	if len(got) != 1 || !strings.HasPrefix(got[0], "WARNING: DATA RACE\n") || !strings.Contains(got[0], "main.f()") {
		t.Errorf("got %q", got)
	}
}
