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
