// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	s := Screen{Width: 40}
	for _, test := range []struct {
		progress, total float64
		message, want   string
	}{
		{1, 4, "", " 25% ███████░░░░░░░░░░░░░░░░░░░░░░░ 1/4"},
		{4, 4, "", "100% ██████████████████████████████ 4/4"},
		{5, 4, "", "100% ██████████████████████████████ 5/4"},
		{-1, 4, "", "  0% ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ -1/4"},
		{7, 0, "copying\n日本\x1b[2J", "7  copying 日本[2J"},
		{0.5, 0, strings.Repeat("long ", 20), "0.5  long long long long long long lon…"},
		{math.NaN(), 4, "", "?"},
		{1, math.Inf(1), "", "1"},
	} {
		got := s.Progress(test.progress, test.total, test.message)
		if got != test.want {
			t.Errorf("%v of %v: %q, want %q", test.progress, test.total, got, test.want)
		}
		if Width(got) >= s.Width {
			t.Errorf("%q has %d columns", got, Width(got))
		}
	}
	if got, want := (Screen{Width: 60}).Progress(1, 2, "reading the long list of files"), " 50% ███████████████░░░░░░░░░░░░░░░ 1/2  reading the long…"; got != want {
		t.Errorf("with a message: %q, want %q", got, want)
	}
	if got, want := (Screen{Width: 12}).Progress(100, 200, "x"), "50% 100/200"; got != want {
		t.Errorf("narrow: %q, want %q", got, want)
	}
}

func TestBar(t *testing.T) {
	var out strings.Builder
	now := time.Unix(0, 0)
	bar := NewBar(&out, Screen{Width: 40}, func() time.Time { return now })
	step := func(what, want string) {
		t.Helper()
		if got := strings.ReplaceAll(out.String(), eraseLine, "<"); got != want {
			t.Errorf("%s writes %q, want %q", what, got, want)
		}
		out.Reset()
	}
	now = now.Add(time.Second)
	bar.Update(1, 0, "a")
	step("the first update", "<1  a")
	bar.Update(2, 0, "b")
	step("one at once after it", "")
	bar.Print("log")
	step("a line above", "<log\n<2  b")
	now = now.Add(time.Second)
	bar.Update(3, 0, "c")
	step("a later update", "<3  c")
	bar.Update(4, 4, "")
	step("the last update", "<100% ██████████████████████████████ 4/4")
	bar.Clear()
	step("the end", "<")
	bar.Clear()
	step("a second end", "")
	bar.Print("after")
	step("a line after the end", "after\n")
	now = now.Add(time.Second)

	bar.Stop()
	bar.Update(5, 5, "")
	step("an update while it is stopped", "")
	bar.Start()
	bar.Update(5, 0, "")
	step("an update after that", "<5")
	bar.Stop()
	step("a stop", "<")

	bar = NewBar(&out, Screen{}, nil)
	bar.Update(1, 2, "x")
	step("an update into a pipe", "")
	bar.Print("log")
	step("a line into a pipe", "log\n")
}
