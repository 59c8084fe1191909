// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// visit waits for a turn, notes the name in log, and works for a while.
func visit(t *testing.T, p *Pacer, host string, work time.Duration, log func(string)) {
	turn, err := p.Wait(t.Context(), host)
	if err != nil {
		t.Errorf("%s: %v", host, err)
		return
	}
	log(host)
	time.Sleep(work)
	turn.Done()
}

// run starts visits in the given order and returns when each began, such as
// "a+0s".
func run(t *testing.T, p *Pacer, work time.Duration, hosts ...string) []string {
	start := time.Now()
	var mu sync.Mutex
	var log []string
	var all sync.WaitGroup
	for _, host := range hosts {
		all.Go(func() {
			visit(t, p, host, work, func(name string) {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, fmt.Sprint(name, "+", time.Since(start)))
			})
		})
		synctest.Wait()
	}
	all.Wait()
	if running, waiting := p.Load(); running != 0 || waiting != 0 {
		t.Errorf("%d running, %d waiting at the end", running, waiting)
	}
	return log
}

func TestTurns(t *testing.T) {
	for _, tc := range []struct {
		name  string
		opts  Options
		hosts string
		want  string
	}{
		{"all at once", Options{}, "a b c", "a+0s b+0s c+0s"},
		{"at most two in all", Options{Concurrent: 2}, "a b c d", "a+0s b+0s c+1s d+1s"},
		{"at most two at one host", Options{PerHost: 2}, "a a a b", "a+0s a+0s b+0s a+1s"},
		{"pauses in between", Options{Interval: 3 * time.Second}, "a a b a", "a+0s b+0s a+3s a+6s"},
		{"hosts take turns", Options{Concurrent: 1}, "a a a a b c", "a+0s a+1s b+2s c+3s a+4s a+5s"},
		{"a slow host does not fill the house", Options{Concurrent: 2, PerHost: 1}, "a a a a b b", "a+0s b+0s a+1s b+1s a+2s a+3s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := run(t, New(&tc.opts), time.Second, strings.Fields(tc.hosts)...)
				// Which of those that start at the same time comes first is open.
				want := strings.Fields(tc.want)
				byTime := func(a, b string) int {
					_, ta, _ := strings.Cut(a, "+")
					_, tb, _ := strings.Cut(b, "+")
					return strings.Compare(ta+a, tb+b)
				}
				slices.SortFunc(got, byTime)
				slices.SortFunc(want, byTime)
				if !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

func TestSlowHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(nil)
		p.Slow("a", 2*time.Second)
		if got := run(t, p, 0, "a", "b", "a", "a"); !slices.Equal(got, []string{"a+0s", "b+0s", "a+2s", "a+4s"}) {
			t.Errorf("got %v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Wait(ctx, "a"); !errors.Is(err, ErrFull) {
			t.Errorf("a turn that comes too late: %v", err)
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(&Options{PerHost: 1, MaxPause: time.Minute})
		first, err := p.Wait(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		waits := make(chan error)
		go func() {
			_, err := p.Wait(t.Context(), "a")
			waits <- err
		}()
		synctest.Wait()
		p.Pause("a", 30*time.Second)
		p.Pause("a", time.Second) // does not make it shorter
		var paused *PausedError
		if err := <-waits; !errors.As(err, &paused) || time.Until(paused.Until) != 30*time.Second || paused.Host != "a" {
			t.Errorf("who waits gets %v", err)
		}
		first.Done()
		if _, err := p.Wait(t.Context(), "a"); !errors.As(err, &paused) {
			t.Errorf("who comes then gets %v", err)
		}
		run(t, p, 0, "b")
		time.Sleep(30 * time.Second)
		run(t, p, 0, "a")

		p.Pause("a", time.Hour)
		time.Sleep(time.Minute)
		run(t, p, 0, "a") // the pause is capped
	})
}

func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(&Options{PerHost: 1, Queue: 8})
		turn, err := p.Wait(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waits := make(chan error)
		for range 2 {
			go func() {
				_, err := p.Wait(ctx, "a")
				waits <- err
			}()
		}
		synctest.Wait()
		if _, err := p.Wait(t.Context(), "a"); !errors.Is(err, ErrFull) {
			t.Errorf("the third in a queue of two: %v", err)
		}
		visit(t, p, "b", 0, func(string) {})
		cancel()
		for range 2 {
			if err := <-waits; !errors.Is(err, context.Canceled) {
				t.Errorf("who gives up gets %v", err)
			}
		}
		turn.Done()
		turn.Done() // twice does no harm
		run(t, p, 0, "a", "b")
		if _, err := p.Wait(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up before: %v", err)
		}
	})
}

// A turn that comes at the moment in which its caller gives up is not lost.
func TestGivingUpAtTheLastMoment(t *testing.T) {
	p := New(&Options{Concurrent: 1})
	for range 200 {
		turn, err := p.Wait(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if second, err := p.Wait(ctx, "a"); err == nil {
				second.Done()
			}
		}()
		for waiting := 0; waiting == 0; _, waiting = p.Load() {
			runtime.Gosched()
		}
		cancel()
		turn.Done() // before the caller has noticed
		<-done
	}
	if running, waiting := p.Load(); running != 0 || waiting != 0 {
		t.Errorf("%d running, %d waiting", running, waiting)
	}
}

func TestHostsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(&Options{Hosts: 3})
		for i := range 10 {
			run(t, p, 0, fmt.Sprint("host", i))
		}
		if len(p.hosts) != 0 {
			t.Errorf("%d hosts are remembered for nothing", len(p.hosts))
		}
		for i := range 10 {
			p.Pause(fmt.Sprint("host", i), time.Minute)
		}
		if len(p.hosts) != 3 || p.idle != 3 {
			t.Errorf("%d hosts are remembered, %d idle", len(p.hosts), p.idle)
		}
		time.Sleep(2 * time.Minute)
		p.Slow("other", time.Second)
		run(t, p, 0, "other")
		if len(p.hosts) != 1 || p.idle != 1 {
			t.Errorf("%d hosts are remembered, %d idle, of which one matters", len(p.hosts), p.idle)
		}
	})
}

// Whatever happens, the counts come out even and nobody waits for ever.
func TestManyCallers(t *testing.T) {
	p := New(&Options{Concurrent: 4, PerHost: 2, Queue: 64})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for j := range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*j%7)*100*time.Microsecond)
				if turn, err := p.Wait(ctx, fmt.Sprint("host", (i+j)%5)); err == nil {
					turn.Done()
				}
				cancel()
			}
		})
	}
	all.Wait()
	if running, waiting := p.Load(); running != 0 || waiting != 0 || len(p.ready) != 0 || len(p.hosts) != 0 || p.idle != 0 {
		t.Errorf("running %d, waiting %d, ready %d, hosts %d, idle %d", running, waiting, len(p.ready), len(p.hosts), p.idle)
	}
}
