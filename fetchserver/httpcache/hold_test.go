// SPDX-License-Identifier: Apache-2.0

package httpcache_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
)

// reader reads part after part, as callers do.
type reader struct {
	t      *testing.T
	c      *httpcache.Cache[string]
	origin *origin
}

func (r *reader) read(req httpcache.Request) string {
	r.t.Helper()
	req.URL = url
	resp, _, err := r.c.Do(r.t.Context(), &req, r.origin.fetch)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.Value
}

var (
	begin = httpcache.Request{}
	goOn  = httpcache.Request{Continue: true}
)

// What is read in parts stays the same from part to part, whatever its origin
// says about reuse; who begins anew gets what the origin has now.
func TestReadingOn(t *testing.T) {
	for _, header := range []string{
		"", "Cache-Control: no-store", "Cache-Control: no-cache", "Cache-Control: max-age=1, must-revalidate", "Vary: *", "Expires: 0\nETag: \"a\"",
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reader{t, httpcache.New[string](nil), &origin{status: 200, header: fields(header)}}
				defer r.c.Close()
				r.read(begin)
				for range 10 {
					time.Sleep(4 * time.Minute)
					if got := r.read(goOn); got != "value 1" {
						t.Fatalf("the next part is of %q", got)
					}
				}
				other := goOn
				other.Partition = "somebody else"
				if got := r.read(other); got != "value 2" {
					t.Errorf("somebody else reads on in %q", got)
				}
				if got := r.read(begin); got != "value 3" {
					t.Errorf("who begins anew reads %q", got)
				}
				if got := r.read(goOn); got != "value 3" {
					t.Errorf("and goes on in %q", got)
				}
				time.Sleep(6 * time.Minute)
				if got := r.read(goOn); got != "value 4" {
					t.Errorf("who comes back late reads %q", got)
				}
			})
		})
	}
}

func TestReadingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{t, httpcache.New[string](nil), &origin{status: 200, header: fields("Cache-Control: no-store")}}
		defer r.c.Close()
		kept := func(want int) {
			t.Helper()
			if n, _ := r.c.Stats(); n != want {
				t.Errorf("%d responses are kept, want %d", n, want)
			}
		}
		r.read(begin)
		kept(1)
		r.c.Release(&httpcache.Request{URL: url})
		kept(0)

		r.read(begin)
		time.Sleep(4 * time.Minute)
		r.read(goOn)
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		kept(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		kept(0) // not at the next use: on time

		// However eagerly it is read, an hour is the end.
		r.read(begin)
		for range 59 {
			time.Sleep(time.Minute)
			if got := r.read(goOn); got != "value 3" {
				t.Fatalf("the next part is of %q", got)
			}
		}
		time.Sleep(time.Minute)
		if got := r.read(goOn); got != "value 4" {
			t.Errorf("after an hour: %q", got)
		}

		// Directives of the caller count for parts as well.
		again := goOn
		again.Header = fields("Cache-Control: no-cache")
		if got := r.read(again); got != "value 5" {
			t.Errorf("with no-cache: %q", got)
		}

		// What may be kept stays.
		r.origin.header = fields("Cache-Control: max-age=60")
		r.read(begin)
		r.c.Release(&httpcache.Request{URL: url})
		if got := r.read(begin); got != "value 6" {
			t.Errorf("what is fresh was released: %q", got)
		}
	})
}

func TestNoHold(t *testing.T) {
	c := httpcache.New[string](&httpcache.Options{Hold: -1})
	defer c.Close()
	r := &reader{t, c, &origin{status: 200, header: fields("Cache-Control: no-store")}}
	r.read(begin)
	if got := r.read(goOn); got != "value 2" {
		t.Errorf("the next part is of %q", got)
	}
	if n, _ := c.Stats(); n != 0 {
		t.Errorf("%d responses are kept", n)
	}
}

func TestOneReading(t *testing.T) {
	c := httpcache.New[string](nil)
	defer c.Close()
	n := 0
	fetch := func(context.Context, http.Header) (*httpcache.Response[string], error) {
		n++
		return &httpcache.Response[string]{Status: 200, Header: fields("Cache-Control: max-age=60\nETag: \"a\""), OneReading: true}, nil
	}
	for i, r := range []httpcache.Request{begin, goOn, goOn, begin} {
		r.URL = url
		_, info, err := c.Do(t.Context(), &r, fetch)
		if want := []int{1, 1, 1, 2}[i]; err != nil || n != want || info.FreshFor != 0 {
			t.Errorf("call %d: %d requests, want %d; %+v, %v", i, n, want, info, err)
		}
	}
}

func TestFreshUntilAndComposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := httpcache.New[string](nil)
		defer c.Close()
		var conditional http.Header
		fetch := func(_ context.Context, h http.Header) (*httpcache.Response[string], error) {
			conditional = h
			return &httpcache.Response[string]{Status: 200, Header: fields("Cache-Control: max-age=3600\nETag: \"a\"\nAge: 60"),
				Composed: true, FreshUntil: time.Now().Add(time.Minute)}, nil
		}
		r := &httpcache.Request{URL: url}
		if _, info, err := c.Do(t.Context(), r, fetch); err != nil || info.FreshFor != time.Minute {
			t.Errorf("%+v, %v", info, err)
		}
		time.Sleep(time.Minute)
		if _, info, err := c.Do(t.Context(), r, fetch); err != nil || info.Status != httpcache.Miss || conditional != nil {
			t.Errorf("%+v, %v, %v", info, conditional, err)
		}
	})
}

func TestBounds(t *testing.T) {
	c := httpcache.New[string](&httpcache.Options{MaxBytes: 100 << 10, MaxEntries: 10})
	defer c.Close()
	put := func(name string, size int64) {
		c.Put(&httpcache.Request{URL: "https://example.com/" + name},
			&httpcache.Response[string]{Status: 200, Header: fields("Cache-Control: max-age=60"), Size: size, Requested: time.Now(), Received: time.Now()})
	}
	has := func(name string) bool {
		_, _, ok := c.Get(&httpcache.Request{URL: "https://example.com/" + name})
		return ok
	}
	for i := range 20 {
		put(fmt.Sprint(i), 10)
		if !has("0") {
			t.Fatal("what is used is forgotten")
		}
	}
	if n, _ := c.Stats(); n != 10 || has("1") || !has("19") {
		t.Errorf("%d responses are kept, the second: %v, the last: %v", n, has("1"), has("19"))
	}
	put("huge", 30<<10)
	if has("huge") || !has("0") {
		t.Error("more than a quarter is kept")
	}
	for i := range 10 {
		put(fmt.Sprint("large", i), 20<<10)
		if n, size := c.Stats(); size > 100<<10 {
			t.Errorf("%d responses of %d bytes", n, size)
		}
	}
	if has("0") || !has("large9") || has("large0") {
		t.Error("not the least recently used is forgotten")
	}
	// Nor do variants pile up.
	for i := range 100 {
		c.Put(&httpcache.Request{URL: url, Header: fields(fmt.Sprint("Accept-Language: ", i))},
			&httpcache.Response[string]{Status: 200, Header: fields("Cache-Control: max-age=60\nVary: Accept-Language"), Requested: time.Now(), Received: time.Now()})
	}
	if n, _ := c.Stats(); n > 10 {
		t.Errorf("%d responses are kept", n)
	}
}

// gate is an origin whose responses wait to be let go.
type gate struct {
	arrived chan struct{}
	release chan error
	header  http.Header
}

func (g *gate) fetch(ctx context.Context, _ http.Header) (*httpcache.Response[string], error) {
	g.arrived <- struct{}{}
	select {
	case err := <-g.release:
		return &httpcache.Response[string]{Status: 200, Header: g.header, Value: "value"}, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestSingleFlight(t *testing.T) {
	failure := errors.New("no route")
	for _, tc := range []struct {
		name, header string
		err          error
		requests     int
	}{
		{"fresh", "Cache-Control: max-age=60", nil, 1},
		{"nothing said", "", nil, 1},
		{"no-store is for one caller each", "Cache-Control: no-store", nil, 5},
		{"failure", "", failure, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := httpcache.New[string](nil)
				defer c.Close()
				g := &gate{make(chan struct{}), make(chan error), fields(tc.header)}
				var all sync.WaitGroup
				for range 5 {
					all.Go(func() {
						if _, _, err := c.Do(t.Context(), &httpcache.Request{URL: url}, g.fetch); !errors.Is(err, tc.err) {
							t.Errorf("error %v", err)
						}
					})
				}
				go func() {
					for range tc.requests {
						<-g.arrived
						synctest.Wait() // everybody waits
						g.release <- tc.err
					}
				}()
				all.Wait()
			})
		})
	}
}

// One who gives up takes nobody along, whether others wait for him or he for
// them.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := httpcache.New[string](nil)
		defer c.Close()
		g := &gate{make(chan struct{}), make(chan error), fields("Cache-Control: max-age=60")}
		do := func(ctx context.Context) chan error {
			done := make(chan error, 1)
			go func() {
				_, _, err := c.Do(ctx, &httpcache.Request{URL: url}, g.fetch)
				done <- err
			}()
			return done
		}
		leading, stopLeading := context.WithCancel(t.Context())
		leader := do(leading)
		<-g.arrived
		waiting, stopWaiting := context.WithCancel(t.Context())
		impatient, patient, third := do(waiting), do(t.Context()), do(t.Context())
		synctest.Wait()

		stopWaiting()
		if err := <-impatient; !errors.Is(err, context.Canceled) {
			t.Errorf("who waits and gives up gets %v", err)
		}
		stopLeading()
		if err := <-leader; !errors.Is(err, context.Canceled) {
			t.Errorf("who leads and gives up gets %v", err)
		}
		<-g.arrived // another has taken over
		synctest.Wait()
		g.release <- nil
		if err := errors.Join(<-patient, <-third); err != nil {
			t.Error(err)
		}
	})
}

func TestPanicEndsTheFlight(t *testing.T) {
	c := httpcache.New[string](nil)
	defer c.Close()
	r := &httpcache.Request{URL: url}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		_, _, _ = c.Do(t.Context(), r, func(context.Context, http.Header) (*httpcache.Response[string], error) { panic("oops") })
	}()
	o := &origin{status: 200, header: http.Header{}}
	if _, _, err := c.Do(t.Context(), r, o.fetch); err != nil {
		t.Error(err)
	}
}

// A response that was under way when its URL was changed is not kept.
func TestInvalidationUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := httpcache.New[string](nil)
		defer c.Close()
		g := &gate{make(chan struct{}), make(chan error), fields("Cache-Control: max-age=60")}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, _ = c.Do(t.Context(), &httpcache.Request{URL: url}, g.fetch)
		}()
		<-g.arrived
		if _, _, err := c.Do(t.Context(), &httpcache.Request{Method: "POST", URL: url}, (&origin{status: 200}).fetch); err != nil {
			t.Fatal(err)
		}
		g.release <- nil
		<-done
		if _, _, ok := c.Get(&httpcache.Request{URL: url}); ok {
			t.Error("it is kept")
		}
	})
}

func BenchmarkHit(b *testing.B) {
	c := httpcache.New[string](nil)
	defer c.Close()
	r := &httpcache.Request{URL: url}
	o := &origin{status: 200, header: fields("Cache-Control: max-age=3600")}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Do(b.Context(), r, o.fetch); err != nil {
			b.Fatal(err)
		}
	}
}
