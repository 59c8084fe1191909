// SPDX-License-Identifier: Apache-2.0

package toolargs

import (
	"fmt"
	"strings"
)

// DidYouMean is ": did you mean …?" with the known name that is spelled most
// like the given one, or nothing if none is.
func DidYouMean(name string, known []string) string {
	best, least := "", len(name)/3+1
	for _, candidate := range known {
		d := distance(strings.ToLower(name), strings.ToLower(candidate), least)
		if d < least || d == least && best == "" {
			best, least = candidate, d
		}
	}
	if best == "" || least >= len(name) {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is the number of letters to insert, drop, change or swap with their
// neighbour to get from one text to the other, or more than limit (Damerau and
// Levenshtein).
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
