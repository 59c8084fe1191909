// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"testing"
)

func TestPercentile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	tests := []struct {
		sorted []int
		q      float64
		want   int
	}{
		{nil, 50, 0},
		{[]int{7}, 0, 7},
		{[]int{7}, 99, 7},
		{[]int{1, 2}, 50, 1},
		{[]int{1, 2, 3}, 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
		{hundred, 100, 100},
	}
	for _, test := range tests {
		if got := percentile(test.sorted, test.q); got != test.want {
			t.Errorf("percentile %g of %d values = %d, want %d", test.q, len(test.sorted), got, test.want)
		}
	}
}

func TestMedian(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		values []float64
		want   float64
	}{
		{nil, nan},
		{[]float64{nan}, nan},
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1}, 2.5},
		{[]float64{nan, 8, 2, nan, 4}, 4},
	}
	for _, test := range tests {
		if got := median(test.values); got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
			t.Errorf("median(%v) = %g, want %g", test.values, got, test.want)
		}
	}
}

func TestIdeal(t *testing.T) {
	if got := ideal(30, 60); math.Abs(got-20) > 1e-9 {
		t.Errorf("ideal(30, 60) = %g, want 20", got)
	}
	if got := ideal(math.NaN(), 60); !math.IsNaN(got) {
		t.Errorf("ideal with an unknown rate = %g", got)
	}
}
