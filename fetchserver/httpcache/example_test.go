// SPDX-License-Identifier: Apache-2.0

package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
)

// A cache of word counts: the text is counted once a minute at most.
func ExampleCache_Do() {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Println("the origin is asked")
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, "to be or not to be")
	}))
	defer origin.Close()

	cache := httpcache.New[int](nil)
	defer cache.Close()
	count := func(ctx context.Context, conditional http.Header) (*httpcache.Response[int], error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin.URL, nil)
		if err != nil {
			return nil, err
		}
		maps.Copy(req.Header, conditional)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return nil, err
		}
		return &httpcache.Response[int]{Status: resp.StatusCode, Header: resp.Header, Value: len(strings.Fields(string(text)))}, nil
	}
	for range 3 {
		resp, info, err := cache.Do(context.Background(), &httpcache.Request{URL: origin.URL}, count)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Value, "words,", info.Status, info.FreshFor.Round(time.Minute))
	}
	// Output:
	// the origin is asked
	// 6 words, miss 1m0s
	// 6 words, hit 1m0s
	// 6 words, hit 1m0s
}

// What came by another way is kept too, for one person.
func ExampleCache_Put() {
	cache := httpcache.New[string](&httpcache.Options{MaxBytes: 1 << 20})
	defer cache.Close()
	request := &httpcache.Request{URL: "https://site.example/", Partition: "ana"}
	cache.Put(request, &httpcache.Response[string]{
		Status: http.StatusOK, Header: http.Header{"Cache-Control": {"max-age=60"}, "Etag": {`"v1"`}},
		Value: "hello", Size: 5, Requested: time.Now(), Received: time.Now(),
	})
	if resp, info, ok := cache.Get(request); ok {
		fmt.Println(resp.Value, info.Status == httpcache.Hit, info.ETag)
	}

	_, _, ok := cache.Get(&httpcache.Request{URL: "https://site.example/", Partition: "bob"})
	fmt.Println(ok)
	// Output:
	// hello true "v1"
	// false
}

// A FetchFunc that is not to be asked: the caller wants what is kept, or nothing.
func ExampleFetchFunc() {
	var offline httpcache.FetchFunc[string] = func(context.Context, http.Header) (*httpcache.Response[string], error) {
		panic("not reached")
	}
	cache := httpcache.New[string](nil)
	defer cache.Close()
	_, _, err := cache.Do(context.Background(), &httpcache.Request{
		URL: "https://site.example/", Header: http.Header{"Cache-Control": {"only-if-cached"}},
	}, offline)
	fmt.Println(err == httpcache.ErrNotCached)
	// Output: true
}
