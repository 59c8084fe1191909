// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
)

const id = "https://app.example/client.json"

// page answers requests without a network.
type page func(r *http.Request) (*http.Response, error)

func (p page) RoundTrip(r *http.Request) (*http.Response, error) { return p(r) }

func response(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

const body = `"the document"`

func options(p page) Options[string] {
	o := Options[string]{About: "the app", Address: "its address", MaxBytes: 1 << 10, Parse: parse}
	if p != nil {
		o.Transport = p
	}
	return o
}

func parse(_ string, data []byte) (s string, err error) {
	if s, err = strconv.Unquote(string(data)); err != nil {
		return "", errors.New("it is not text")
	}
	return s, nil
}

func newReader(t *testing.T, o Options[string]) *Reader[string] {
	r := NewReader(o)
	t.Cleanup(r.Close)
	return r
}

// The reader of a document that a function gives.
func readerOf(t *testing.T, p page) *Reader[string] { return newReader(t, options(p)) }

func TestRead(t *testing.T) {
	text, err := readerOf(t, func(r *http.Request) (*http.Response, error) {
		if r.URL.String() != id || r.Method != http.MethodGet || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("asked for %s %s %v", r.Method, r.URL, r.Header)
		}
		return response(200, body), nil
	}).Read(t.Context(), id)
	if err != nil || text != "the document" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestS72S75Refused(t *testing.T) {
	for name, test := range map[string]struct {
		response  *http.Response
		err       error
		want      string
		temporary bool
	}{
		"redirect":    {response: response(302, "", "Location", "https://other.example/client.json"), want: "does not know the app"},
		"absent":      {response: response(404, ""), want: "does not know the app"},
		"busy":        {response: response(429, ""), want: "right now", temporary: true},
		"broken":      {response: response(500, ""), want: "right now", temporary: true},
		"unreachable": {err: errors.New("no route to secret host"), want: "does not answer", temporary: true},
		"page":        {response: response(200, "<html>", "Content-Type", "text/html"), want: "not application/json"},
		"no type":     {response: response(200, body, "Content-Type", ""), want: "not application/json"},
		"encoded":     {response: response(200, body, "Content-Encoding", "gzip"), want: "encoded"},
		"large":       {response: response(200, `"`+strings.Repeat("x", 1<<10)+`"`), want: "1 KiB"},
		"no JSON":     {response: response(200, "hush"), want: "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readerOf(t, func(*http.Request) (*http.Response, error) { return test.response, test.err }).Read(t.Context(), id)
			e := AsError(err)
			if e == nil || !strings.Contains(e.Text, test.want) || e.Temporary != test.temporary || strings.Contains(e.Text, "hush") || strings.Contains(e.Text, "secret host") {
				t.Errorf("got %v, want %q, temporary %v", err, test.want, test.temporary)
			}
		})
	}
}

// The guarded transport reaches no server here, by whatever name.
func TestS70S71S74NoPrivateAddresses(t *testing.T) {
	asked := atomic.Int32{}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer srv.Close()
	r := newReader(t, options(nil))
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	for _, address := range []string{
		"https://127.0.0.1" + port + "/c", "https://127.0.0.1/c", "https://[::1]/c", "https://localhost/c", "https://0x7f.1/c", "https://127.0.0.1./c",
		"https://[::ffff:127.0.0.1]/c", "https://169.254.169.254/c", "http://app.example/c", "https://app.example",
	} {
		if _, err := r.Read(t.Context(), address); AsError(err) == nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d requests came through", asked.Load())
	}
}

func TestS70GuardedTransport(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	get := func(hosts []string) error {
		resp, err := (&http.Client{Transport: guarded(hosts)}).Get(srv.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	if _, ok := errors.AsType[*safedial.NotPublicError](get(nil)); !ok {
		t.Error("a server on this machine is reached")
	}
	if err := get([]string{strings.TrimPrefix(srv.URL, "http://")}); err != nil {
		t.Errorf("a configured one is not: %v", err)
	}
}

func TestHosts(t *testing.T) {
	r := readerOf(t, func(*http.Request) (*http.Response, error) { return response(200, body), nil })
	r.o.Hosts, r.o.OnlyHosts = []string{"app.example", "[::1]:8443"}, true
	for address, ok := range map[string]bool{
		id: true, "https://app.example:443/c": true, "https://APP.example/c": true, "https://[::1]:8443/c": true,
		"https://app.example:8443/c": false, "https://other.example/c": false, "https://app.example.other.example/c": false, "https://[::1]/c": false,
	} {
		if _, err := r.Read(t.Context(), address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestS78Age(t *testing.T) {
	const (
		date = "Sat, 28 Nov 2026 12:00:00 GMT"
		hour = "Sat, 28 Nov 2026 13:00:00 GMT"
	)
	for name, test := range map[string]struct {
		headers []string
		want    time.Duration
	}{
		"nothing":            {nil, minAge},
		"less":               {[]string{"Cache-Control", "max-age=1"}, minAge},
		"an hour":            {[]string{"Cache-Control", "public, Max-Age=3600"}, time.Hour},
		"more":               {[]string{"Cache-Control", "max-age=999999999"}, maxAge},
		"too large":          {[]string{"Cache-Control", "max-age=99999999999999999999"}, minAge},
		"no-store":           {[]string{"Cache-Control", "no-store"}, minAge},
		"no-store behind":    {[]string{"Cache-Control", "max-age=3600, no-store"}, minAge},
		"no-store below":     {[]string{"Cache-Control", "max-age=3600", "Cache-Control", "no-store"}, minAge},
		"no-cache":           {[]string{"Cache-Control", "no-cache", "Expires", hour, "Date", date}, minAge},
		"the second line":    {[]string{"Cache-Control", "public", "Cache-Control", "max-age=3600"}, time.Hour},
		"twice":              {[]string{"Cache-Control", "max-age=3600, max-age=7200"}, time.Hour},
		"negative":           {[]string{"Cache-Control", "max-age=-5"}, minAge},
		"quoted":             {[]string{"Cache-Control", `max-age="7200"`}, 2 * time.Hour},
		"Expires":            {[]string{"Expires", hour, "Date", date}, time.Hour},
		"in the past":        {[]string{"Expires", date, "Date", hour}, minAge},
		"no date":            {[]string{"Expires", "0", "Date", date}, minAge},
		"max-age goes first": {[]string{"Cache-Control", "max-age=7200", "Expires", hour, "Date", date}, 2 * time.Hour},
		"old already":        {[]string{"Cache-Control", "max-age=7200", "Age", "3600"}, time.Hour},
		"very old":           {[]string{"Cache-Control", "max-age=7200", "Age", "9999999999"}, minAge},
	} {
		h := http.Header{}
		for i := 0; i < len(test.headers); i += 2 {
			h.Add(test.headers[i], test.headers[i+1])
		}
		if got := ageOf(h); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestS75S78Remembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		answer := response
		status := 200
		r := NewReader(options(page(func(*http.Request) (*http.Response, error) {
			asked++
			time.Sleep(time.Second)
			return answer(status, body), nil
		})))
		defer r.Close()
		read := func(wantOK bool, wantAsked int) {
			t.Helper()
			if _, err := r.Read(t.Context(), id); (err == nil) != wantOK || asked != wantAsked {
				t.Errorf("%v after %d requests, want %v after %d", err, asked, wantOK, wantAsked)
			}
		}
		var together sync.WaitGroup
		for range 20 {
			together.Go(func() {
				if _, err := r.Read(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		read(true, 1) // they shared it
		time.Sleep(minAge)
		read(true, 2)
		time.Sleep(minAge)
		status = 503
		read(true, 3) // what was known holds
		read(true, 3) // and nobody asks again at once
		time.Sleep(rejectedPause)
		read(true, 4)
		time.Sleep(maxAge)
		read(false, 5) // but not for ever
		read(false, 5)
		time.Sleep(rejectedPause)
		status = 200
		read(true, 6)
		time.Sleep(minAge)
		status = 404
		read(false, 7) // it is gone
	})
}

func TestS78Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := NewReader(options(page(func(r *http.Request) (*http.Response, error) {
			asked++
			return response(200, body), nil
		})))
		defer r.Close()
		for i := range 2 * strangerLimits.perHost {
			_, err := r.Read(t.Context(), fmt.Sprintf("https://app.example/%d", i))
			if e := AsError(err); (e == nil) != (i < strangerLimits.perHost) || e != nil && !e.Temporary {
				t.Fatalf("document %d of a host: %v", i, err)
			}
		}
		for i := range 2 * maxDocuments {
			if i%200 == 0 {
				time.Sleep(rateWindow)
			}
			if _, err := r.Read(t.Context(), fmt.Sprintf("https://app%d.example/c", i)); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.documents) > maxDocuments {
			t.Errorf("%d documents are remembered", len(r.documents))
		}
		before := asked
		for i := range 2 * strangerLimits.all {
			_, _ = r.Read(t.Context(), fmt.Sprintf("https://more%d.example/c", i))
		}
		if asked-before > strangerLimits.all {
			t.Errorf("%d requests in a minute", asked-before)
		}
	})
}

// Addresses that are made up cost those who use good documents nothing: neither
// their place nor the requests to renew them.
func TestS78FloodOfMadeUpHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		var mu sync.Mutex
		r := NewReader(options(page(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[r.URL.Host]++
			if strings.HasPrefix(r.URL.Host, "good") {
				return response(200, body), nil
			}
			return nil, errors.New("no such host")
		})))
		defer r.Close()
		good := func(i int) string { return fmt.Sprintf("https://good%d.example/c", i) }
		const goodOnes = 200
		for i := range goodOnes {
			if _, err := r.Read(t.Context(), good(i)); err != nil {
				t.Fatal(err)
			}
		}
		for minute := range 12 {
			time.Sleep(rateWindow)
			for i := range 2000 {
				if _, err := r.Read(t.Context(), fmt.Sprintf("https://bad%d.example/%d", i, minute)); AsError(err) == nil {
					t.Fatal("a made up host has a document")
				}
			}
			for i := range goodOnes {
				if _, err := r.Read(t.Context(), good(i)); err != nil {
					t.Fatalf("minute %d: %v", minute, err)
				}
			}
		}
		total := 0
		for host, n := range asked {
			if strings.HasPrefix(host, "good") && n < 3 {
				t.Errorf("%s was asked %d times, want it renewed", host, n)
			} else if !strings.HasPrefix(host, "good") {
				total += n
			}
		}
		if total > 12*strangerLimits.all {
			t.Errorf("%d requests to made up hosts", total)
		}
		if len(r.failures) > maxFailures || len(r.documents) != goodOnes || len(r.pending) != 0 {
			t.Errorf("remembered: %d failures, %d documents, %d pending", len(r.failures), len(r.documents), len(r.pending))
		}
	})
}

// Renewals are bounded, too; what is known counts while there is no request to
// spare, but not for ever.
func TestS78Renewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := NewReader(options(page(func(*http.Request) (*http.Response, error) {
			asked++
			return response(200, body), nil
		})))
		defer r.Close()
		r.renewals.limits = limits{all: 3, perHost: 2}
		for _, host := range []string{"a.example", "b.example"} {
			for i := range 3 {
				if _, err := r.Read(t.Context(), fmt.Sprintf("https://%s/%d", host, i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		all := func() (failed int) {
			for _, host := range []string{"a.example", "b.example"} {
				for i := range 3 {
					if _, err := r.Read(t.Context(), fmt.Sprintf("https://%s/%d", host, i)); err != nil {
						failed++
					}
				}
			}
			return failed
		}
		time.Sleep(minAge)
		if failed := all(); failed != 0 || asked != 9 {
			t.Errorf("%d failed, %d requests, want 9", failed, asked)
		}
		time.Sleep(minAge + maxAge + time.Second)
		if failed := all(); failed != 3 || asked != 12 {
			t.Errorf("%d failed, %d requests; want 3 that are too old, and 12", failed, asked)
		}
	})
}

// A caller that leaves does not end the request that others wait for; Close does.
func TestCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReader(options(page(func(r *http.Request) (*http.Response, error) {
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-time.After(2 * time.Second):
				return response(200, body), nil
			}
		})))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Read(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := r.Read(t.Context(), id); err != nil {
			t.Error(err)
		}
		slow := "https://slow.example/c"
		go r.Close()
		if _, err := r.Read(t.Context(), slow); AsError(err) == nil {
			t.Error(err)
		}
	})
}

// What is fresh is read again on demand, but not more than once a minute, and
// not lost if that fails.
func TestS82Newer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, status := 0, 200
		r := NewReader(options(page(func(*http.Request) (*http.Response, error) {
			asked++
			return response(status, body), nil
		})))
		defer r.Close()
		newer := func(wantAsked int) {
			t.Helper()
			if _, err := r.Newer(t.Context(), id); err != nil || asked != wantAsked {
				t.Errorf("%v after %d requests, want %d", err, asked, wantAsked)
			}
		}
		newer(1)
		newer(1)
		time.Sleep(newerPause)
		newer(2)
		newer(2)
		if _, err := r.Read(t.Context(), id); err != nil || asked != 2 {
			t.Errorf("%v after %d requests", err, asked)
		}
		time.Sleep(newerPause)
		status = 503
		newer(3)
		newer(3)
	})
}
