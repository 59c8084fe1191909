// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// testAddTransaction is about records that are made once. The limit is three of
// a kind.
func testAddTransaction(t *testing.T, f *fixture) {
	ctx := t.Context()
	add := func(id string) error {
		return f.AddTransaction(ctx, kind, store.HashOf(id), []byte(id), f.now().Add(time.Minute))
	}
	f.must(add("a"))
	f.check("again", add("a"), store.ErrConflict)
	f.must(f.AddTransaction(ctx, "other", store.HashOf("a"), nil, f.now().Add(time.Minute)))
	got, err := f.Transaction(ctx, kind, store.HashOf("a"))
	f.must(err)
	if string(got) != "a" {
		t.Errorf("record %q", got)
	}
	f.must(f.PutTransaction(ctx, kind, store.HashOf("b"), nil, f.now().Add(time.Hour)))
	f.check("one that was put", add("b"), store.ErrConflict)
	f.must(add("c"))
	f.check("fourth", add("d"), store.ErrFull)
	f.check("again when it is full", add("a"), store.ErrConflict)

	f.advance(time.Minute)
	f.must(add("a")) // takes its own place
	f.check("again", add("a"), store.ErrConflict)
	_, err = f.TakeTransaction(ctx, kind, store.HashOf("a"))
	f.must(err)
	f.must(add("a"))
}

func testAddTransactionRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	results := race(func() error {
		return f.AddTransaction(ctx, kind, store.HashOf("a"), nil, f.now().Add(time.Minute))
	})
	if results[nil] != 1 || results[store.ErrConflict] != racers-1 {
		t.Errorf("results %v, want one winner", results)
	}
}

// testCounts counts in windows; three counters of a kind can run.
func testCounts(t *testing.T, f *fixture) {
	ctx := t.Context()
	start := f.now()
	count := func(kind store.Kind, id string, want int, ends time.Time) {
		t.Helper()
		n, end, err := f.Count(ctx, kind, store.HashOf(id), time.Minute)
		f.must(err)
		if n != want || !end.Equal(ends) {
			t.Errorf("%s: %d until %v, want %d until %v", id, n, end, want, ends)
		}
	}
	count(kind, "a", 1, start.Add(time.Minute))
	count(kind, "b", 1, start.Add(time.Minute))
	count("other", "a", 1, start.Add(time.Minute))
	f.advance(59 * time.Second)
	count(kind, "a", 2, start.Add(time.Minute))
	f.advance(time.Second)
	count(kind, "a", 1, start.Add(2*time.Minute))
	count(kind, "a", 2, start.Add(2*time.Minute))
	_, err := f.Collect(ctx) // "b" has ended
	f.must(err)
	count(kind, "c", 1, start.Add(2*time.Minute))
	count(kind, "d", 1, start.Add(2*time.Minute))
	_, _, err = f.Count(ctx, kind, store.HashOf("e"), time.Minute)
	f.check("fourth counter", err, store.ErrFull)
	count(kind, "a", 3, start.Add(2*time.Minute))
}

func testCountRace(t *testing.T, f *fixture) {
	ctx := t.Context()
	var (
		mu   sync.Mutex
		seen = map[int]bool{}
	)
	results := race(func() error {
		n, _, err := f.Count(ctx, kind, store.HashOf("a"), time.Minute)
		mu.Lock()
		defer mu.Unlock()
		seen[n] = true
		return err
	})
	if results[nil] != racers || len(seen) != racers || !seen[racers] {
		t.Errorf("results %v, %d different counts; want each from 1 to %d once", results, len(seen), racers)
	}
}
