// SPDX-License-Identifier: Apache-2.0

// Package replicatest tests implementations of replica.Directory.
package replicatest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// long is a lease that does not end during a test, and short one that does.
const (
	long  = time.Hour
	short = 20 * time.Millisecond
)

// Run tests directories. open returns one that is empty.
func Run(t *testing.T, open func(t *testing.T) replica.Directory) {
	for name, test := range map[string]func(*testing.T, replica.Directory){
		"Records": records, "Lease": lease, "Share": share, "ShareOfTheDead": shareOfTheDead, "ShareOfTheSlow": shareOfTheSlow, "Race": race, "Take": take,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, d replica.Directory, name, record string, lease time.Duration) {
	t.Helper()
	if err := d.Put(t.Context(), name, []byte(record), lease); err != nil {
		t.Fatal(err)
	}
}

// list returns what is there, as text.
func list(t *testing.T, d replica.Directory) string {
	t.Helper()
	all, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text = append(text, name+"="+string(all[name]))
	}
	return strings.Join(text, " ")
}

func records(t *testing.T, d replica.Directory) {
	if got := list(t, d); got != "" {
		t.Errorf("at first: %q", got)
	}
	put(t, d, "a", "1", long)
	put(t, d, "b", "\x00\xff", long)
	put(t, d, "a", "2", long)
	if got, want := list(t, d), "a=2 b=\x00\xff"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func lease(t *testing.T, d replica.Directory) {
	put(t, d, "short", "1", short)
	put(t, d, "renewed", "1", short)
	put(t, d, "renewed", "2", long)
	for list(t, d) != "renewed=2" {
		if t.Context().Err() != nil {
			t.Fatal("the lease does not end")
		}
		time.Sleep(short) // between two questions
	}
	put(t, d, "short", "3", long)
	if got, want := list(t, d), "renewed=2 short=3"; got != want {
		t.Errorf("after another Put: got %q, want %q", got, want)
	}
}

func try(t *testing.T, d replica.Directory, name, key string, n, limit int, want bool) {
	t.Helper()
	ok, err := d.Share(t.Context(), name, key, n, limit)
	if err != nil {
		t.Fatal(err)
	}
	if ok != want {
		t.Errorf("Share(%s, %s, %d, %d) = %v", name, key, n, limit, ok)
	}
}

func share(t *testing.T, d replica.Directory) {
	put(t, d, "a", "1", long)
	put(t, d, "b", "1", long)
	try(t, d, "a", "x", 2, 3, true)
	try(t, d, "b", "x", 1, 3, true)
	try(t, d, "b", "x", 2, 3, false)
	try(t, d, "a", "x", 3, 3, false)
	try(t, d, "b", "y", 3, 3, true) // another key is another count
	try(t, d, "a", "x", 1, 3, true)
	try(t, d, "b", "x", 2, 3, true)
	try(t, d, "a", "x", 2, 3, false)
	try(t, d, "b", "x", 0, 0, false) // a has one
	try(t, d, "b", "x", 0, -1, true)
	try(t, d, "a", "x", 3, 3, true)
	try(t, d, "b", "x", 9, -1, true) // without a limit
	try(t, d, "a", "x", 1, 3, false)
}

func shareOfTheDead(t *testing.T, d replica.Directory) {
	put(t, d, "a", "1", long)
	put(t, d, "b", "1", short)
	put(t, d, "c", "1", short)
	try(t, d, "b", "x", 1, -1, true)
	try(t, d, "c", "x", 2, -1, true)
	for {
		ok, err := d.Share(t.Context(), "a", "x", 3, 3)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		time.Sleep(short) // between two questions
	}
}

// shareOfTheSlow has a replica put its record too late, and not tell again what it
// has, since it has not noticed that it was gone.
func shareOfTheSlow(t *testing.T, d replica.Directory) {
	put(t, d, "a", "1", long)
	put(t, d, "slow", "1", short)
	try(t, d, "slow", "x", 2, -1, true)
	for {
		ok, err := d.Share(t.Context(), "a", "x", 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			break
		}
		time.Sleep(short) // between two questions
	}
	if got, want := list(t, d), "a=1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	try(t, d, "a", "x", 1, 3, true)
	put(t, d, "slow", "2", long)
	try(t, d, "a", "x", 2, 3, false)
	try(t, d, "slow", "x", 3, 3, false)
	try(t, d, "slow", "x", 2, 3, true)
}

// race takes the last places from several replicas at one time.
func race(t *testing.T, d replica.Directory) {
	const replicas, limit = 8, 20
	var taken atomic.Int64
	var all sync.WaitGroup
	for i := range replicas {
		name := fmt.Sprint("replica", i)
		put(t, d, name, "1", long)
		all.Go(func() {
			for n := 1; n <= limit; n++ {
				ok, err := d.Share(t.Context(), name, "x", n, limit)
				if err != nil {
					t.Error(err)
				}
				if err != nil || !ok {
					return
				}
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if taken.Load() != limit {
		t.Errorf("%d places were taken of %d", taken.Load(), limit)
	}
}

// take takes from several replicas at one time what is earned too slowly to
// matter, and then something that is earned at once.
func take(t *testing.T, d replica.Directory) {
	const slow, fast, burst = time.Hour, time.Microsecond, 20
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range burst {
				wait, err := d.Take(t.Context(), "x", 1, slow, burst)
				if err != nil || wait < 0 || wait > slow {
					t.Errorf("wait %v, %v", wait, err)
				}
				if wait == 0 {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	if taken.Load() != burst {
		t.Errorf("%d were taken of %d", taken.Load(), burst)
	}
	for _, test := range []struct {
		key      string
		n        int
		every    time.Duration
		min, max time.Duration
	}{
		{"x", 2, slow, time.Hour, 2 * time.Hour},
		{"y", 1000, slow, 0, 0}, // more than there can be, of which 980 are owed
		{"y", 1, slow, 981*time.Hour - time.Minute, 981 * time.Hour},
		{"y", 1000, slow, 1000*time.Hour - time.Minute, 1000 * time.Hour},
		{"z", burst, fast, 0, 0},
		{"at once", 1, time.Nanosecond, 0, 0}, // no time that a clock of Redis would show
		{"none", 0, slow, 0, 0},
	} {
		wait, err := d.Take(t.Context(), test.key, test.n, test.every, burst)
		if err != nil || wait < test.min || wait > test.max {
			t.Errorf("Take(%s, %d): %v, %v", test.key, test.n, wait, err)
		}
	}
	for { // what was taken is earned again
		wait, err := d.Take(t.Context(), "z", burst, fast, burst)
		if err != nil {
			t.Fatal(err)
		}
		if wait == 0 {
			return
		}
		time.Sleep(short) // between two questions
	}
}
