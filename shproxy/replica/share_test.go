// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"
)

// gated is a directory whose Share waits, where there is a limit, until it is
// let through.
type gated struct {
	faulty
	asked, through chan struct{}
}

func (d *gated) Share(ctx context.Context, name, key string, n, limit int) (bool, error) {
	if limit >= 0 && d.asked != nil {
		d.asked <- struct{}{}
		<-d.through
	}
	return d.faulty.Share(ctx, name, key, n, limit)
}

// What leaves while the directory is asked for a place has left.
func TestLeaveDuringEnter(t *testing.T) {
	t.Parallel()
	d := &gated{}
	a := join(t, d, testKey, nil)
	if !a.Enter(t.Context(), "x", 2) {
		t.Fatal("nothing fits")
	}
	d.asked, d.through = make(chan struct{}), make(chan struct{})
	entered := make(chan bool)
	go func() { entered <- a.Enter(t.Context(), "x", 2) }()
	<-d.asked
	a.Leave("x")
	d.through <- struct{}{}
	if !<-entered {
		t.Fatal("the second does not fit")
	}
	d.asked = nil
	has := func(n int) {
		t.Helper()
		a.eventually(func() bool {
			d.Memory.mu.Lock()
			defer d.Memory.mu.Unlock()
			return d.shared[a.keys.hide("x")][a.name] == n
		})
	}
	has(1)
	a.Leave("x")
	has(0)
	for i := range 2 {
		if !a.Enter(t.Context(), "x", 2) {
			t.Errorf("place %d is taken by nobody", i)
		}
	}
}

// heeding is a directory that does nothing for a context that has ended.
type heeding struct{ faulty }

func (d *heeding) Share(ctx context.Context, name, key string, n, limit int) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return d.faulty.Share(ctx, name, key, n, limit)
}

func (d *heeding) Take(ctx context.Context, key string, n int, every time.Duration, burst int) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return d.faulty.Take(ctx, key, n, every, burst)
}

// Who leaves at once is counted as everybody else.
func TestCallerHasLeft(t *testing.T) {
	t.Parallel()
	d := new(heeding)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	entered, taken := 0, 0
	for range 3 {
		for _, m := range []*tester{a, b} {
			if m.Enter(ctx, "x", 2) {
				entered++
			}
			if m.Take(ctx, "x", 1, time.Hour, 2) == 0 {
				taken++
			}
		}
	}
	if entered != 2 || taken != 2 || a.Status().Directory != "" {
		t.Errorf("%d entered, %d were taken of 2; the directory: %q", entered, taken, a.Status().Directory)
	}
}

// slow is a directory that takes its time for counts.
type slow struct{ faulty }

func (d *slow) Share(ctx context.Context, name, key string, n, limit int) (bool, error) {
	if limit < 0 {
		select {
		case <-time.After(longInterval / 20):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return d.faulty.Share(ctx, name, key, n, limit)
}

// More counts than can be told in one interval do not mean that the directory is
// away.
func TestManyCounts(t *testing.T) {
	t.Parallel()
	d := new(slow)
	a := join(t, d, testKey, nil)
	const keys = 50
	for i := range keys {
		if !a.Enter(t.Context(), strconv.Itoa(i), 1) {
			t.Fatal("nothing fits")
		}
	}
	d.Memory.mu.Lock()
	d.records, d.shared = nil, nil
	d.Memory.mu.Unlock()
	a.eventually(func() bool {
		d.Memory.mu.Lock()
		defer d.Memory.mu.Unlock()
		return len(d.shared) == keys
	})
	if n := a.Status().DirectoryErrors; n > 0 || strings.Contains(a.log.String(), "ERROR") {
		t.Errorf("%d errors\n%s", n, a.log)
	}
}
