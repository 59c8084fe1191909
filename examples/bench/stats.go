// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"slices"
)

// percentile returns the q-th percentile of a sorted list by nearest rank,
// or the zero value if the list is empty.
func percentile[T any](sorted []T, q float64) T {
	if len(sorted) == 0 {
		var zero T
		return zero
	}
	rank := int(math.Ceil(q / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median returns the middle value, or the mean of the middle two. NaN stands
// for a figure that a round does not have, and is left out; the median of
// nothing is NaN.
func median(values []float64) float64 {
	known := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(known) == 0 {
		return math.NaN()
	}
	slices.Sort(known)
	middle := len(known) / 2
	if len(known)%2 == 1 {
		return known[middle]
	}
	return (known[middle-1] + known[middle]) / 2
}

// ideal returns the calls per second of a bridge that costs nothing beside
// its HTTP server, at httpRate, and the child behind it, at stdioRate, where
// all of them share the same processors.
func ideal(httpRate, stdioRate float64) float64 {
	return 1 / (1/httpRate + 1/stdioRate)
}
