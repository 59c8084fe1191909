// SPDX-License-Identifier: Apache-2.0

package exposition

import (
	"reflect"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	h := NewTimes(.5, 1)
	for _, d := range []time.Duration{0, 500 * time.Millisecond, 750 * time.Millisecond, 3 * time.Second} {
		h.Add(d)
	}
	want := Distribution{Count: 4, Sum: 4.25, Buckets: []Bucket{{Bound: .5, Count: 2}, {Bound: 1, Count: 3}}}
	if got := h.Distribution(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
