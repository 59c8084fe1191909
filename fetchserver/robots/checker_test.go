// SPDX-License-Identifier: Apache-2.0

package robots_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

func parseURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCheckStatus(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name   string
		status int
		body   string
		err    error
		want   bool
	}{
		{"rule allows", 200, "User-agent: *\nDisallow: /other", nil, true},
		{"rule disallows", 200, "User-agent: *\nDisallow: /page", nil, false},
		{"404", 404, "User-agent: *\nDisallow: /", nil, true},
		{"403", 403, "", nil, true},
		{"401", 401, "", nil, true},
		{"a redirect without target", 302, "", nil, true},
		{"429", 429, "", nil, false},
		{"500", 500, "User-agent: *\nAllow: /", nil, false},
		{"503", 503, "", nil, false},
		{"unreachable", 0, "", broken, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := robots.NewChecker(func(_ context.Context, u string) (int, []byte, error) {
				if u != "https://example.com/robots.txt" {
					t.Errorf("fetched %s", u)
				}
				return test.status, []byte(test.body), test.err
			}, []string{"bot"}, nil)
			err := c.Check(t.Context(), parseURL(t, "https://Example.com/page"))
			if (err == nil) != test.want {
				t.Errorf("Check = %v, want allowed %v", err, test.want)
			}
			if d, ok := errors.AsType[*robots.DisallowedError](err); err != nil && (!ok || d.RobotsURL != "https://example.com/robots.txt") {
				t.Errorf("error %#v", err)
			}
			if test.err != nil && !errors.Is(err, broken) {
				t.Errorf("%v does not wrap the cause", err)
			}
			if err := c.Check(t.Context(), parseURL(t, "https://example.com/robots.txt")); err != nil {
				t.Errorf("robots.txt itself: %v", err)
			}
		})
	}
}

func TestCheckerCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched := map[string]int{}
		c := robots.NewChecker(func(_ context.Context, u string) (int, []byte, error) {
			fetched[u]++
			if u == "https://down.example/robots.txt" {
				return 500, nil, nil
			}
			return 404, nil, nil
		}, []string{"bot"}, &robots.Options{MaxOrigins: 3})
		check := func(u string, want int) {
			t.Helper()
			_ = c.Check(t.Context(), parseURL(t, u+"/page"))
			if got := fetched[u+"/robots.txt"]; got != want {
				t.Errorf("%s: fetched %d times, want %d", u, got, want)
			}
		}
		check("https://a.example", 1)
		check("https://a.example", 1)
		check("http://a.example", 1) // another origin
		check("https://down.example", 1)
		time.Sleep(59 * time.Second)
		check("https://down.example", 1)
		time.Sleep(2 * time.Second)
		check("https://down.example", 2)
		check("https://a.example", 1)
		time.Sleep(time.Hour)
		check("https://a.example", 2)
		for i := range 3 {
			check(fmt.Sprintf("https://%d.example", i), 1)
		}
		check("https://a.example", 3) // pushed out
	})
}

func TestTTLIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		c := robots.NewChecker(func(context.Context, string) (int, []byte, error) {
			fetched++
			return 404, nil, nil
		}, []string{"bot"}, &robots.Options{TTL: 1000 * time.Hour})
		for _, wait := range []time.Duration{0, 23 * time.Hour, 2 * time.Hour} {
			time.Sleep(wait)
			if err := c.Check(t.Context(), parseURL(t, "https://a.example/")); err != nil {
				t.Error(err)
			}
		}
		if fetched != 2 {
			t.Errorf("fetched %d times in 25 hours, want 2", fetched)
		}
	})
}

// Large files push each other out long before there are many.
func TestCacheBytes(t *testing.T) {
	fetched := map[string]int{}
	large := make([]byte, robots.MaxSize)
	c := robots.NewChecker(func(_ context.Context, u string) (int, []byte, error) {
		fetched[u]++
		return 200, large, nil
	}, []string{"bot"}, nil)
	check := func(i int) {
		t.Helper()
		if err := c.Check(t.Context(), parseURL(t, fmt.Sprintf("https://%d.example/page", i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 33 { // 16.5 MiB
		check(i)
		check(i)
	}
	check(0)
	for origin, want := range map[string]int{"https://0.example": 2, "https://1.example": 1, "https://31.example": 1} {
		if got := fetched[origin+"/robots.txt"]; got != want {
			t.Errorf("%s: fetched %d times, want %d", origin, got, want)
		}
	}
}

func TestCheckerSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		c := robots.NewChecker(func(ctx context.Context, _ string) (int, []byte, error) {
			fetched++
			select {
			case <-time.After(time.Second):
				return 200, []byte("User-agent: *\nDisallow: /no"), nil
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
		}, []string{"bot"}, nil)
		// The first caller gives up; one of the others takes over.
		first, giveUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Check(first, parseURL(t, "https://a.example/yes")); !errors.Is(err, context.Canceled) {
				t.Errorf("the first caller got %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if err := c.Check(t.Context(), parseURL(t, "https://a.example/yes")); err != nil {
					t.Errorf("Check = %v", err)
				}
			})
		}
		synctest.Wait()
		giveUp()
		wg.Wait()
		if fetched != 2 {
			t.Errorf("fetched %d times, want 2", fetched)
		}
	})
}

func TestCheckerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := robots.NewChecker(func(ctx context.Context, _ string) (int, []byte, error) {
			<-ctx.Done()
			return 0, nil, ctx.Err()
		}, []string{"bot"}, nil)
		start := time.Now()
		err := c.Check(t.Context(), parseURL(t, "https://slow.example/"))
		if d, ok := errors.AsType[*robots.DisallowedError](err); !ok || d.Err == nil || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestCheckerSurvivesPanic(t *testing.T) {
	n := 0
	c := robots.NewChecker(func(context.Context, string) (int, []byte, error) {
		if n++; n == 1 {
			panic("first")
		}
		return 404, nil, nil
	}, []string{"bot"}, nil)
	func() {
		defer func() { _ = recover() }()
		_ = c.Check(t.Context(), parseURL(t, "https://a.example/"))
	}()
	if err := c.Check(t.Context(), parseURL(t, "https://a.example/")); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}
