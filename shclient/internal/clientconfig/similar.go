// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"slices"
	"strings"
)

// maxSimilar is how many names are suggested.
const maxSimilar = 3

// similar are the names that may have been meant.
func (c *Catalog) similar(name string) []string {
	var list []string
	for _, s := range c.Servers {
		if s.Hidden || s.Problem != "" {
			continue
		}
		id, wanted := s.ID(), name
		if !strings.Contains(name, ":") {
			id = s.Name
		}
		id, wanted = strings.ToLower(id), strings.ToLower(wanted)
		if len(wanted) > 2 && strings.Contains(id, wanted) || distance(id, wanted) <= min(3, len(wanted)/2) {
			list = append(list, s.ID())
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxSimilar)]
}

// distance is the number of letters to insert, delete or change (Levenshtein),
// for names of which one is short.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
