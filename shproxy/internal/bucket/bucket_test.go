// SPDX-License-Identifier: Apache-2.0

package bucket

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Buckets
		take := func(key string, n int, want time.Duration) {
			t.Helper()
			if got := b.Take(key, n, 100*time.Millisecond, 5); got != want {
				t.Errorf("Take(%s, %d) at %v: wait %v, want %v", key, n, time.Now(), got, want)
			}
		}
		for range 5 {
			take("a", 1, 0)
		}
		take("a", 1, 100*time.Millisecond)
		take("a", 3, 300*time.Millisecond)
		take("b", 1, 0) // another key
		time.Sleep(100 * time.Millisecond)
		take("a", 1, 0)
		take("a", 1, 100*time.Millisecond)
		time.Sleep(time.Hour) // no more than the burst is saved
		take("a", 100, 0)     // more are taken when all are there
		take("a", 1, 9600*time.Millisecond)
		take("a", 100, 10*time.Second)
		time.Sleep(10*time.Second - time.Millisecond)
		take("a", 100, time.Millisecond)
		take("a", 4, 0)
	})
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Buckets
		for i := range 10 * sweepAt {
			b.Take(fmt.Sprint(i), 1, time.Second, 1)
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(b.earned); n > 2*sweepAt {
			t.Errorf("%d keys are kept", n)
		}
		b.Take("a", 1, time.Second, 1)
		if b.Take("a", 1, time.Second, 1) == 0 {
			t.Error("one that was used just now is forgotten")
		}
	})
}
