// SPDX-License-Identifier: Apache-2.0

// Package httpcache is a private HTTP cache (RFC 9111) that holds what
// responses became, such as a converted page, instead of their bytes.
//
//	cache := httpcache.New[*Page](nil)
//	defer cache.Close()
//	resp, info, err := cache.Do(ctx, &httpcache.Request{URL: url}, fetch)
//
// [Cache.Do] answers from memory while a response is fresh, asks fetch to
// validate it afterwards, and lets callers that want the same at the same time
// wait for one request. Do knows nothing of connections: fetch, a [FetchFunc],
// sends the request and makes the value.
//
// # What is kept
//
// Freshness comes from max-age, Expires, or a tenth of the time since
// Last-Modified (at most [Options].MaxHeuristic). The directives no-store,
// no-cache, private, public, must-revalidate, must-understand and immutable
// (RFC 8246) are obeyed, as are stale-while-revalidate and stale-if-error (RFC
// 5861), Vary, and the request's own directives. The cache is private:
// s-maxage and proxy-revalidate are for shared caches. Each
// [Request].Partition has responses of its own, so that one cache can serve
// several people.
//
// A stale response is used only when its origin permits it.
//
// # Reading on
//
// A long document is handed out in parts, call by call. A call that wants the
// next part of what its caller has begun to read sets [Request].Continue, and
// gets the part from the same response, also when it is stale by now or must
// not be stored: the calls together are one use of one response, which is what
// readers of a book expect of its pages. That lasts for [Options].Hold after
// each part, never longer than an hour. A response that must not be stored is
// given to no other call, stays in memory only, and is forgotten after that
// time, or when [Cache.Release] says that the last part was read (RFC 9111
// section 5.2.2.5 asks to forget it as promptly as possible).
package httpcache
