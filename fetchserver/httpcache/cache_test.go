// SPDX-License-Identifier: Apache-2.0

package httpcache_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
)

// fields makes a header of lines such as "ETag: x". DATE±duration stands for a
// date around now.
func fields(lines string) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(lines, "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if rest, ok := strings.CutPrefix(value, "DATE"); ok {
			offset, err := time.ParseDuration(rest)
			if err != nil {
				panic(err)
			}
			value = time.Now().Add(offset).UTC().Format(http.TimeFormat)
		}
		h.Add(name, value)
	}
	return h
}

// origin answers with what is set, and counts.
type origin struct {
	status      int
	header      http.Header
	err         error
	slow        time.Duration
	requests    int
	conditional http.Header // of the last request
}

func (o *origin) fetch(ctx context.Context, conditional http.Header) (*httpcache.Response[string], error) {
	o.requests++
	o.conditional = conditional
	n := o.requests
	select {
	case <-time.After(o.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if o.err != nil {
		return nil, o.err
	}
	return &httpcache.Response[string]{Status: o.status, Header: o.header, Value: fmt.Sprint("value ", n), Size: 10}, nil
}

const url = "https://example.com/page"

// TestReuse asks twice, some time apart: is the first response used again?
func TestReuse(t *testing.T) {
	for _, tc := range []struct {
		name     string
		status   int
		response string
		wait     time.Duration
		request  string
		want     httpcache.Status
	}{
		{"nothing said", 200, "", 0, "", httpcache.Miss},
		{"max-age", 200, "Cache-Control: max-age=60", 59 * time.Second, "", httpcache.Hit},
		{"max-age over", 200, "Cache-Control: max-age=60", 60 * time.Second, "", httpcache.Miss},
		{"max-age and Age", 200, "Cache-Control: max-age=60\nAge: 30", 30 * time.Second, "", httpcache.Miss},
		{"max-age and an old Date", 200, "Cache-Control: max-age=60\nDate: DATE-30s", 30 * time.Second, "", httpcache.Miss},
		{"Age that cannot be read", 200, "Cache-Control: max-age=60\nAge: old", 59 * time.Second, "", httpcache.Hit},
		{"Age beyond all", 200, "Cache-Control: max-age=60\nAge: 99999999999999999999", 0, "", httpcache.Miss},
		{"max-age beyond all", 200, "Cache-Control: max-age=99999999999999999999", 24 * time.Hour, "", httpcache.Hit},
		{"max-age that cannot be read", 200, "Cache-Control: max-age=a lot", 0, "", httpcache.Miss},
		{"max-age wins over Expires", 200, "Cache-Control: max-age=60\nExpires: DATE-1h", 59 * time.Second, "", httpcache.Hit},
		{"s-maxage is for shared caches", 200, "Cache-Control: max-age=60, s-maxage=1", 59 * time.Second, "", httpcache.Hit},
		{"s-maxage alone", 200, "Cache-Control: s-maxage=60", 0, "", httpcache.Miss},
		{"private", 200, "Cache-Control: private, max-age=60", 59 * time.Second, "", httpcache.Hit},
		{"Expires", 200, "Expires: DATE60s\nDate: DATE0s", 59 * time.Second, "", httpcache.Hit},
		{"Expires over", 200, "Expires: DATE60s\nDate: DATE0s", 60 * time.Second, "", httpcache.Miss},
		{"Expires 0", 200, "Expires: 0\nLast-Modified: DATE-100h", 0, "", httpcache.Miss},
		{"Expires without Date", 200, "Expires: DATE60s", 59 * time.Second, "", httpcache.Hit},
		{"heuristic", 200, "Last-Modified: DATE-100m\nDate: DATE0s", 9 * time.Minute, "", httpcache.Hit},
		{"heuristic over", 200, "Last-Modified: DATE-100m\nDate: DATE0s", 11 * time.Minute, "", httpcache.Miss},
		{"heuristic is capped", 200, "Last-Modified: DATE-100000h", 25 * time.Hour, "", httpcache.Miss},
		{"modified in the future", 200, "Last-Modified: DATE1h", 0, "", httpcache.Miss},
		{"not found, heuristic", 404, "Last-Modified: DATE-100m", time.Minute, "", httpcache.Hit},
		{"not found, said nothing", 404, "", 0, "", httpcache.Miss},
		{"not found, explicit", 404, "Cache-Control: max-age=60", 59 * time.Second, "", httpcache.Hit},
		{"error, heuristic", 500, "Last-Modified: DATE-100m", time.Minute, "", httpcache.Miss},
		{"error, explicit", 500, "Cache-Control: max-age=60", 59 * time.Second, "", httpcache.Hit},
		{"redirect, heuristic", 302, "Last-Modified: DATE-100m", time.Minute, "", httpcache.Miss},
		{"a part", 206, "Cache-Control: max-age=60", 0, "", httpcache.Miss},
		{"no-store", 200, "Cache-Control: no-store, max-age=60", 0, "", httpcache.Miss},
		{"no-store in a second line", 200, "Cache-Control: max-age=60\nCache-Control: no-store", 0, "", httpcache.Miss},
		{"no-cache", 200, "Cache-Control: no-cache, max-age=60", 0, "", httpcache.Miss},
		{"no-cache of a field", 200, "Cache-Control: no-cache=\"Set-Cookie\", max-age=60", 0, "", httpcache.Miss},
		{"must-understand and a known status", 200, "Cache-Control: must-understand, no-store, max-age=60", 0, "", httpcache.Hit},
		{"must-understand and an unknown status", 299, "Cache-Control: must-understand, max-age=60", 0, "", httpcache.Miss},
		{"must-revalidate while fresh", 200, "Cache-Control: must-revalidate, max-age=60", 59 * time.Second, "", httpcache.Hit},
		{"stale-while-revalidate", 200, "Cache-Control: max-age=60, stale-while-revalidate=60", 120 * time.Second, "", httpcache.Hit},
		{"stale-while-revalidate over", 200, "Cache-Control: max-age=60, stale-while-revalidate=60", 121 * time.Second, "", httpcache.Miss},
		{"must-revalidate forbids it", 200, "Cache-Control: max-age=60, stale-while-revalidate=60, must-revalidate", 61 * time.Second, "", httpcache.Miss},
		{"Vary on what is the same", 200, "Cache-Control: max-age=60\nVary: Accept", 0, "X-Other: 1", httpcache.Hit},
		{"Vary on what differs", 200, "Cache-Control: max-age=60\nVary: X, Accept-Language", 0, "Accept-Language: de", httpcache.Miss},
		{"Vary on everything", 200, "Cache-Control: max-age=60\nVary: Accept, *", 0, "", httpcache.Miss},
		{"request no-cache", 200, "Cache-Control: max-age=60", 0, "Cache-Control: no-cache", httpcache.Miss},
		{"request Pragma", 200, "Cache-Control: max-age=60", 0, "Pragma: no-cache", httpcache.Miss},
		{"request no-store", 200, "Cache-Control: max-age=60", 0, "Cache-Control: no-store", httpcache.Bypass},
		{"request max-age", 200, "Cache-Control: max-age=60", 10 * time.Second, "Cache-Control: max-age=9", httpcache.Miss},
		{"request max-age, young enough", 200, "Cache-Control: max-age=60", 10 * time.Second, "Cache-Control: max-age=10", httpcache.Hit},
		{"reload of what never changes", 200, "Cache-Control: max-age=60, immutable", 10 * time.Second, "Cache-Control: max-age=0", httpcache.Hit},
		{"request min-fresh", 200, "Cache-Control: max-age=60", 10 * time.Second, "Cache-Control: min-fresh=51", httpcache.Miss},
		{"request max-stale", 200, "Cache-Control: max-age=60", 101 * time.Second, "Cache-Control: max-stale=41", httpcache.Hit},
		{"request max-stale, too stale", 200, "Cache-Control: max-age=60", 102 * time.Second, "Cache-Control: max-stale=41", httpcache.Miss},
		{"request max-stale of any age", 200, "Cache-Control: max-age=60", time.Hour, "Cache-Control: max-stale", httpcache.Hit},
		{"request max-stale, must-revalidate", 200, "Cache-Control: max-age=60, must-revalidate", time.Hour, "Cache-Control: max-stale", httpcache.Miss},
		{"request for a part", 200, "Cache-Control: max-age=60", 0, "Range: bytes=0-1", httpcache.Bypass},
		{"validated by entity tag", 200, "Cache-Control: max-age=60\nETag: \"a\"", time.Hour, "", httpcache.Revalidated},
		{"validated by date", 200, "Cache-Control: max-age=60\nLast-Modified: DATE-1h", time.Hour, "", httpcache.Revalidated},
		{"no-cache is validated", 200, "Cache-Control: no-cache\nETag: W/\"a\"", 0, "", httpcache.Revalidated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := httpcache.New[string](nil)
				defer c.Close()
				o := &origin{status: tc.status, header: fields(tc.response)}
				if _, info, err := c.Do(t.Context(), &httpcache.Request{URL: url}, o.fetch); err != nil || info.Status != httpcache.Miss {
					t.Fatalf("first: %+v, %v", info, err)
				}
				time.Sleep(tc.wait)
				if tc.want == httpcache.Revalidated {
					o.status = http.StatusNotModified
				}
				resp, info, err := c.Do(t.Context(), &httpcache.Request{URL: url, Header: fields(tc.request)}, o.fetch)
				if err != nil || info.Status != tc.want {
					t.Fatalf("second: %+v, %v, want %s", info, err, tc.want)
				}
				reused := tc.want == httpcache.Hit || tc.want == httpcache.Revalidated
				if got := resp.Value == "value 1"; got != reused || resp.Status != tc.status {
					t.Errorf("second: %q with status %d", resp.Value, resp.Status)
				}
				if tc.want == httpcache.Revalidated && o.conditional == nil {
					t.Errorf("validators: %v", o.conditional)
				}
			})
		})
	}
}

func TestInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for lines, want := range map[string]httpcache.Info{
			"Cache-Control: max-age=60\nETag: \"a\"":                 {FreshFor: 60 * time.Second, Public: true, ETag: `"a"`},
			"Cache-Control: max-age=60, private\nAge: 10":            {FreshFor: 50 * time.Second, Age: 10 * time.Second},
			"Cache-Control: max-age=60, no-store":                    {},
			"Cache-Control: max-age=60, no-cache":                    {Public: true},
			"Cache-Control: max-age=60\nVary: *":                     {},
			"Last-Modified: DATE-100m\nDate: DATE0s":                 {FreshFor: 10 * time.Minute, Public: true},
			"Expires: DATE-1h":                                       {Public: true},
			"Cache-Control: max-age=60, stale-while-revalidate=3600": {FreshFor: 60 * time.Second, Public: true},
		} {
			c := httpcache.New[string](nil)
			o := &origin{status: 200, header: fields(lines)}
			_, got, err := c.Do(t.Context(), &httpcache.Request{URL: url}, o.fetch)
			want.Status = httpcache.Miss
			if err != nil || got != want {
				t.Errorf("%s: %+v, want %+v", lines, got, want)
			}
			c.Close()
		}
	})
}

// A response that is public for others is not, if credentials were needed.
func TestCredentials(t *testing.T) {
	for lines, want := range map[string]bool{
		"Cache-Control: max-age=60":                  false,
		"Cache-Control: max-age=60, public":          true,
		"Cache-Control: max-age=60, must-revalidate": true,
	} {
		c := httpcache.New[string](nil)
		o := &origin{status: 200, header: fields(lines)}
		r := &httpcache.Request{URL: url, Header: fields("Authorization: Bearer x")}
		if _, info, err := c.Do(t.Context(), r, o.fetch); err != nil || info.Public != want {
			t.Errorf("%s: %+v, %v", lines, info, err)
		}
		c.Close()
	}
}

func TestRevalidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := httpcache.New[string](nil)
		defer c.Close()
		o := &origin{status: 200, header: fields("Cache-Control: max-age=60\nETag: \"a\"\nContent-Type: text/html\nX: old")}
		r := &httpcache.Request{URL: url}
		do := func() (*httpcache.Response[string], httpcache.Info) {
			t.Helper()
			resp, info, err := c.Do(t.Context(), r, o.fetch)
			if err != nil {
				t.Fatal(err)
			}
			return resp, info
		}
		first, _ := do()
		time.Sleep(time.Hour)

		o.status, o.header = 304, fields("Cache-Control: max-age=90\nETag: \"a\"\nContent-Type: text/plain\nX: new\nConnection: Y\nY: hop")
		resp, info := do()
		if info.Status != httpcache.Revalidated || info.FreshFor != 90*time.Second || resp.Value != "value 1" {
			t.Errorf("304: %+v, %q", info, resp.Value)
		}
		if h := resp.Header; h.Get("X") != "new" || h.Get("Content-Type") != "text/html" || h.Get("Y") != "" || h.Get("Connection") != "" {
			t.Errorf("fields after 304: %v", h)
		}
		if first.Header.Get("X") != "old" {
			t.Error("a response that was handed out has changed")
		}
		time.Sleep(89 * time.Second)
		if _, info := do(); info.Status != httpcache.Hit {
			t.Errorf("after 304: %+v", info)
		}

		// A 304 about another response is of no use.
		time.Sleep(time.Hour)
		o.header = fields("ETag: \"b\"")
		o.requests = 10
		if resp, info := do(); o.requests != 12 || o.conditional != nil || info.Status != httpcache.Miss || resp.Status != 304 {
			t.Errorf("304 about another: %+v, %d requests", info, o.requests-10)
		}

		// A new response replaces the old one.
		o.status, o.header = 200, fields("ETag: \"c\"\nCache-Control: max-age=60")
		if resp, info := do(); info.Status != httpcache.Miss || resp.Value != "value 13" {
			t.Errorf("new response: %+v, %q", info, resp.Value)
		}
		if n, _ := c.Stats(); n != 1 {
			t.Errorf("%d responses are kept", n)
		}
	})
}

func TestStaleIfError(t *testing.T) {
	for _, tc := range []struct {
		response, request string
		wait              time.Duration
		want              bool
	}{
		{"Cache-Control: max-age=60, stale-if-error=60", "", 120 * time.Second, true},
		{"Cache-Control: max-age=60, stale-if-error=60", "", 121 * time.Second, false},
		{"Cache-Control: max-age=60, stale-if-error=60, must-revalidate", "", 61 * time.Second, false},
		{"Cache-Control: max-age=60", "Cache-Control: stale-if-error=60", 120 * time.Second, true},
		{"Cache-Control: max-age=60", "", 61 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			for _, broken := range []func(*origin){
				func(o *origin) { o.err = errors.New("no route") },
				func(o *origin) { o.status, o.header = 503, http.Header{} },
			} {
				c := httpcache.New[string](nil)
				o := &origin{status: 200, header: fields(tc.response + "\nETag: \"a\"")}
				r := &httpcache.Request{URL: url, Header: fields(tc.request)}
				if _, _, err := c.Do(t.Context(), r, o.fetch); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tc.wait)
				broken(o)
				resp, info, err := c.Do(t.Context(), r, o.fetch)
				if got := err == nil && resp.Value == "value 1"; got != tc.want || got && (!info.Stale || info.Status != httpcache.Hit) {
					t.Errorf("%s, %s after %v: %+v, %v", tc.response, tc.request, tc.wait, info, err)
				}
				if !tc.want { // what was kept is still there
					o.err, o.status, o.header = nil, 304, http.Header{}
					if resp, info, err := c.Do(t.Context(), r, o.fetch); err != nil || info.Status != httpcache.Revalidated || resp.Value != "value 1" {
						t.Errorf("after an error: %+v, %v", info, err)
					}
				}
				c.Close()
			}
		})
	}
}

func TestStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := httpcache.New[string](nil)
		o := &origin{status: 200, header: fields("Cache-Control: max-age=60, stale-while-revalidate=60")}
		r := &httpcache.Request{URL: url}
		do := func() (string, httpcache.Info) {
			t.Helper()
			resp, info, err := c.Do(t.Context(), r, o.fetch)
			if err != nil {
				t.Fatal(err)
			}
			return resp.Value, info
		}
		do()
		time.Sleep(61 * time.Second)
		o.slow = time.Second
		for range 3 { // at once, and with one request between them
			if value, info := do(); value != "value 1" || !info.Stale || info.FreshFor != 0 {
				t.Errorf("meanwhile: %q, %+v", value, info)
			}
		}
		time.Sleep(2 * time.Second)
		if value, info := do(); value != "value 2" || info.Stale || o.requests != 2 {
			t.Errorf("afterwards: %q, %+v, %d requests", value, info, o.requests)
		}
		// Close waits for what goes on.
		time.Sleep(61 * time.Second)
		o.slow = time.Hour
		do()
		c.Close()
		if _, info, err := c.Do(t.Context(), r, (&origin{status: 200, header: fields("Cache-Control: max-age=60")}).fetch); err != nil || info.Status != httpcache.Miss {
			t.Errorf("closed: %+v, %v", info, err)
		}
		if n, size := c.Stats(); n != 0 || size != 0 {
			t.Errorf("closed: %d responses, %d bytes", n, size)
		}
	})
}

func TestConditionsOfCallers(t *testing.T) {
	c := httpcache.New[string](nil)
	defer c.Close()
	o := &origin{status: 200, header: fields("Cache-Control: max-age=60\nETag: \"a\"\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT")}
	for request, want := range map[string]bool{
		"":                            false,
		"If-None-Match: \"a\"":        true,
		"If-None-Match: W/\"a\"":      true,
		"If-None-Match: \"b\", \"a\"": true,
		"If-None-Match: *":            true,
		"If-None-Match: \"b\"":        false,
		"If-None-Match: \"b\"\nIf-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT": false,
		"If-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT":                       true,
		"If-Modified-Since: Mon, 02 Jan 2006 15:04:04 GMT":                       false,
		"If-Modified-Since: soon":                                                false,
	} {
		if _, _, err := c.Do(t.Context(), &httpcache.Request{URL: url}, o.fetch); err != nil {
			t.Fatal(err)
		}
		_, info, err := c.Do(t.Context(), &httpcache.Request{URL: url, Header: fields(request)}, o.fetch)
		if err != nil || info.Status != httpcache.Hit || info.NotModified != want {
			t.Errorf("%s: %+v, %v", request, info, err)
		}
	}
}

func TestInvalidation(t *testing.T) {
	for _, tc := range []struct {
		method, target string
		status         int
		header         string
		want           httpcache.Status
	}{
		{"POST", url, 200, "", httpcache.Miss},
		{"DELETE", url, 204, "", httpcache.Miss},
		{"PUT", url, 303, "", httpcache.Miss},
		{"PURGE", url, 200, "", httpcache.Miss},
		{"POST", url, 404, "", httpcache.Hit},
		{"HEAD", url, 200, "", httpcache.Hit},
		{"POST", "https://example.com/other", 200, "", httpcache.Hit},
		{"POST", "https://example.com/other", 201, "Location: /page", httpcache.Miss},
		{"POST", "https://example.com/other", 200, "Content-Location: page", httpcache.Miss},
		{"POST", "https://example.org/other", 201, "Location: https://example.com/page", httpcache.Hit},
	} {
		c := httpcache.New[string](nil)
		for _, partition := range []string{"", "b"} {
			o := &origin{status: 200, header: fields("Cache-Control: max-age=60")}
			r := &httpcache.Request{URL: url, Partition: partition}
			if _, _, err := c.Do(t.Context(), r, o.fetch); err != nil {
				t.Fatal(err)
			}
		}
		change := &origin{status: tc.status, header: fields(tc.header)}
		if _, info, err := c.Do(t.Context(), &httpcache.Request{Method: tc.method, URL: tc.target}, change.fetch); err != nil || info.Status != httpcache.Bypass {
			t.Errorf("%s: %+v, %v", tc.method, info, err)
		}
		for _, partition := range []string{"", "b"} {
			if _, _, ok := c.Get(&httpcache.Request{URL: url, Partition: partition}); ok != (tc.want == httpcache.Hit) {
				t.Errorf("%s %s %d %s: kept %v", tc.method, tc.target, tc.status, tc.header, ok)
			}
		}
		c.Close()
	}
}

func TestOnlyIfCached(t *testing.T) {
	c := httpcache.New[string](nil)
	defer c.Close()
	o := &origin{status: 200, header: fields("Cache-Control: max-age=60")}
	r := &httpcache.Request{URL: url, Header: fields("Cache-Control: only-if-cached")}
	if _, _, err := c.Do(t.Context(), r, o.fetch); !errors.Is(err, httpcache.ErrNotCached) || o.requests != 0 {
		t.Errorf("nothing kept: %v, %d requests", err, o.requests)
	}
	if _, _, err := c.Do(t.Context(), &httpcache.Request{URL: url}, o.fetch); err != nil {
		t.Fatal(err)
	}
	if _, info, err := c.Do(t.Context(), r, o.fetch); err != nil || info.Status != httpcache.Hit {
		t.Errorf("kept: %+v, %v", info, err)
	}
}

func TestKeys(t *testing.T) {
	c := httpcache.New[string](nil)
	defer c.Close()
	o := &origin{status: 200, header: fields("Cache-Control: max-age=60\nVary: Accept-Language")}
	german := fields("Accept-Language: de,  en")
	for _, r := range []httpcache.Request{
		{URL: url}, {URL: url, Partition: "a"}, {URL: url, Variant: "raw"}, {URL: url, Partition: "raw"},
		{URL: url + "?q"}, {URL: "http://example.com/page"}, {URL: url, Header: german},
	} {
		if _, info, err := c.Do(t.Context(), &r, o.fetch); err != nil || info.Status != httpcache.Miss {
			t.Errorf("%+v: %+v, %v", r, info, err)
		}
	}
	for _, r := range []httpcache.Request{
		{URL: url + "#part"}, {URL: "HTTPS://EXAMPLE.com:443/page"}, {Method: "GET", URL: url},
		{URL: url, Header: fields("Accept-Language: de, en\nX: y")},
	} {
		if _, info, err := c.Do(t.Context(), &r, o.fetch); err != nil || info.Status != httpcache.Hit {
			t.Errorf("%+v: %+v, %v", r, info, err)
		}
	}
}
