// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestBusy: a call that gets no turn in its time says so.
func TestBusy(t *testing.T) {
	s, err := New(&Options{MaxConcurrent: 1, IgnoreRobots: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	turn, err := s.pace.Wait(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	defer turn.Done()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	_, err = s.Fetch(ctx, &Request{URL: "https://example.com/"})
	if err == nil || !strings.Contains(Explain(err), "busy") {
		t.Errorf("error = %v", err)
	}
}

func TestSlice(t *testing.T) {
	for _, test := range []struct {
		s             string
		start, length int
		want          string
	}{
		{"abc", 0, 5, "abc"},
		{"abc", 1, 1, "b"},
		{"abc", 3, 1, ""},
		{"abc", 99, 1, ""},
		{"aöb€c𝄞d", 1, 4, "öb€c"},
		{"aöb€c𝄞d", 5, 1, "𝄞"},
		{"aöb€c𝄞d", 5, 999, "𝄞d"},
		{"", 0, 1, ""},
		{"\xff\xfe", 1, 1, "\xfe"},
	} {
		var d Document
		d.setText(test.s)
		if got := d.slice(test.start, test.length); got != test.want {
			t.Errorf("%q: slice(%d, %d) = %q, want %q", test.s, test.start, test.length, got, test.want)
		}
		if got := slice(test.s, test.start, test.length); got != test.want {
			t.Errorf("slice(%q, %d, %d) = %q, want %q", test.s, test.start, test.length, got, test.want)
		}
	}
}

func FuzzSlice(f *testing.F) {
	f.Add("aöb€c𝄞d", 2, 3)
	f.Fuzz(func(t *testing.T, s string, start, length int) {
		if start < 0 || length < 1 {
			return
		}
		runes := []rune(s)
		want := string(runes[min(start, len(runes)) : min(start, len(runes))+min(length, len(runes)-min(start, len(runes)))])
		if got := slice(s, start, length); string([]rune(got)) != want {
			t.Errorf("slice(%q, %d, %d) = %q, want %q", s, start, length, got, want)
		}
		// In a text with marks, too.
		long := strings.Repeat("ä𝄞x", markEvery) + s
		var d Document
		d.setText(long)
		if got, want := d.slice(start%d.Length, length), slice(long, start%d.Length, length); got != want {
			t.Errorf("slice(%q, %d, %d) of a long text: %d bytes, want %d", s, start, length, len(got), len(want))
		}
	})
}

// BenchmarkSlice is what a slice of a long text costs, with the words around it.
func BenchmarkSlice(b *testing.B) {
	s, err := New(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	d := &Document{URL: &url.URL{Scheme: "https", Host: "example.com"}, Markdown: true}
	d.setText(strings.Repeat("wörd ", 200_000))
	b.ReportAllocs()
	for b.Loop() {
		s.content(d, d.describe("https://example.com", 990_000, 5000), 5000)
	}
}
