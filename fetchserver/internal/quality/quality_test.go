// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"math"
	"os"
	"testing"
)

// TestQuality holds what has been reached. Each floor is a little below it.
func TestQuality(t *testing.T) {
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		t.Skip("MCP_TEST_DATA is not set: it names a directory of data sets; internal/quality/dataset says which, and where they come from")
	}
	for _, test := range []struct {
		set    Set
		sample int // of so many pages one, in a short run
		floors map[string]float64
	}{
		{aeb{}, 6, map[string]float64{"F1": .974}},
		{wcxb{}, 30, map[string]float64{"F1": .860}},
	} {
		t.Run(test.set.Name(), func(t *testing.T) {
			var o Options
			if testing.Short() || raceEnabled {
				o.Every = test.sample // enough to see that it runs; the numbers say little
			}
			r, err := test.set.Run(t.Context(), dir, &o)
			if err != nil {
				t.Fatal(err)
			}
			for name, floor := range test.floors {
				got := r.Values[name]
				t.Logf("%s %.4f over %d pages", name, got, len(r.Pages))
				if o.Every > 1 {
					floor -= .1
				}
				if got < floor {
					t.Errorf("%s = %.4f, less than %.4f", name, got, floor)
				}
			}
		})
	}
	t.Run("charset", func(t *testing.T) {
		r, err := charsetSet{}.Run(t.Context(), dir, &Options{Every: 30})
		if err != nil {
			t.Fatal(err)
		}
		if r.Values["damaged"] != 0 || r.Values["wrong"] != 0 || r.Values["recognised"] == 0 {
			t.Errorf("%v, want some recognised and nothing wrong", r.Values)
		}
	})
	t.Run("vectors", func(t *testing.T) {
		for name, want := range map[Set]map[string]float64{
			robotsSet{}:  {"met": 400, "of": 400},
			commonmark{}: {"survive": 572, "of": 588},
			addressSet{}: {"passed": 0, "refused": 0, "of": 253},
		} {
			r, err := name.Run(t.Context(), dir, &Options{})
			if err != nil {
				t.Fatal(err)
			}
			for key, value := range want {
				if r.Values[key] != value {
					t.Errorf("%s: %s = %v, want %v", name.Name(), key, r.Values[key], value)
				}
			}
		}
	})
}

// TestScores checks the scorers by hand-made cases; the benchmarks' own
// scripts give the same numbers.
func TestScores(t *testing.T) {
	for _, test := range []struct {
		name               string
		want, got          string
		shingleP, shingleR float64
		wordP, wordR       float64
	}{
		{"same", "a b c d e", "a, b; c-d e!", 1, 1, 1, 1},
		{"one word more", "a b c d", "a b c d e", .5, 1, .8, 1},
		{"one word less", "a b c d e", "a b c d", 1, .5, 1, .8},
		{"short texts are one shingle", "a b", "a b", 1, 1, 1, 1},
		{"repetition counts", "a b c d", "a b c d a b c d", .2, 1, .5, 1},
		{"other order", "a b c d", "d c b a", 0, 0, 1, 1},
		{"nothing found", "a b c d", "", 0, 0, 0, 0},
		{"nothing to find", "", "a", 0, 0, 0, 0},
		{"nothing in both", "", "", 1, 1, 1, 1},
		{"letters and numbers of any script", "Ünï 漢字 ٣ x_1", "Ünï-漢字…٣ x_1", 1, 1, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := scoreShingles(words(test.want), words(test.got))
			if !near(s.Precision, test.shingleP) || !near(s.Recall, test.shingleR) {
				t.Errorf("shingles: precision %v, recall %v", s.Precision, s.Recall)
			}
			w := scoreWords(words(test.want), words(test.got))
			if !near(w.Precision, test.wordP) || !near(w.Recall, test.wordR) {
				t.Errorf("words: precision %v, recall %v", w.Precision, w.Recall)
			}
		})
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// TestRendered: the text of Markdown is what its reader sees.
func TestRendered(t *testing.T) {
	got := rendered("# T\n\nSee [*the* page](http://example.com/x) and `a*b` \\_.\n\n![alt](i.png)\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n- one\n- two\n")
	list := words(got)
	want := []string{"T", "See", "the", "page", "and", "a", "b", "_", "a", "b", "1", "2", "one", "two"}
	if len(list) != len(want) {
		t.Fatalf("%q", list)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("word %d is %q, want %q", i, list[i], want[i])
		}
	}
}
