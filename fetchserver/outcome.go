// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"errors"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/pace"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// Outcome is what became of one document that somebody asked for, for
// programs that count. See [Options.Observe].
type Outcome struct {
	// Result is one of the Result constants.
	Result Result
	// Reason is the code of the fetch error behind a Result other than
	// ResultOK; may be empty.
	Reason fetch.Code
	// Status is the HTTP status of the origin, 0 if it gave none.
	Status int
	// Received and Decoded are the bytes of the body, as they came and without
	// their content coding; 0 if the document came from the cache.
	Received, Decoded int64
	// Cache tells what the cache had to do with it.
	Cache CacheStatus
	// Waited is the time in which it was not yet its turn; Duration is the
	// whole time.
	Waited, Duration time.Duration
}

// Result classes what became of a document.
type Result string

// The results.
const (
	ResultOK          Result = "ok"
	ResultBlocked     Result = "blocked"     // the guard refused the URL, the address, the port or a redirect
	ResultRobots      Result = "robots"      // robots.txt forbids it
	ResultStatus      Result = "status"      // the origin answered with an error
	ResultUnreachable Result = "unreachable" // no connection, no name, no TLS
	ResultTimeout     Result = "timeout"
	ResultTooLarge    Result = "too_large"
	ResultContent     Result = "content" // nothing that a model can read
	ResultBusy        Result = "busy"    // its turn did not come
	ResultCancelled   Result = "cancelled"
	ResultError       Result = "error" // anything else
)

// CacheStatus tells what the cache did.
type CacheStatus string

// The cache statuses.
const (
	CacheMiss        CacheStatus = "miss"
	CacheHit         CacheStatus = "hit"
	CacheRevalidated CacheStatus = "revalidated" // the origin said that it is unchanged
	CacheBypass      CacheStatus = "bypass"      // not asked
)

// resultOf classes an error of the reader.
func resultOf(err error) (Result, fetch.Code) {
	failed, isFetch := errors.AsType[*fetch.Error](err)
	code := fetch.Code("")
	if isFetch {
		code = failed.Code
	}
	if _, ok := errors.AsType[*statusError](err); ok {
		return ResultStatus, code
	}
	if _, ok := errors.AsType[*contentError](err); ok {
		return ResultContent, code
	}
	if _, ok := errors.AsType[*robots.DisallowedError](err); ok && !sharedByOrigin[code] {
		return ResultRobots, code
	}
	if _, ok := errors.AsType[*pace.PausedError](err); ok {
		return ResultBusy, code
	}
	switch code {
	case fetch.CodeURL, fetch.CodePort, fetch.CodeAddress, fetch.CodeHeader, fetch.CodeRedirect,
		fetch.CodeDomain, fetch.CodeRequest:
		return ResultBlocked, code
	case fetch.CodeTooLarge:
		return ResultTooLarge, code
	case fetch.CodeTimeout:
		return ResultTimeout, code
	case fetch.CodeCancelled:
		return ResultCancelled, code
	case fetch.CodeDNS, fetch.CodeTLS, fetch.CodeConnect, fetch.CodeProxy:
		return ResultUnreachable, code
	}
	switch {
	case err == nil:
		return ResultOK, code
	case errors.Is(err, errBusy):
		return ResultBusy, code
	case errors.Is(err, context.DeadlineExceeded):
		return ResultTimeout, code
	case errors.Is(err, context.Canceled):
		return ResultCancelled, code
	}
	return ResultError, code
}
