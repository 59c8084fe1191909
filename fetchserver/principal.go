// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type principalKey struct{}

// identify notes who makes a request, as far as its access token tells.
func identify(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if extra := req.GetExtra(); extra != nil {
			if p := principal(extra); p != "" {
				ctx = withPrincipal(ctx, p)
			}
		}
		return next(ctx, method, req)
	}
}

func withPrincipal(ctx context.Context, p string) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// principal names the user of a request, or else its credentials.
func principal(extra *mcp.RequestExtra) string {
	if extra.TokenInfo != nil && extra.TokenInfo.UserID != "" {
		return "user " + digest(extra.TokenInfo.UserID)
	}
	if credentials := extra.Header.Get("Authorization"); credentials != "" {
		return "credentials " + digest(credentials)
	}
	return ""
}

// principalOf returns who asks; empty if requests have no access tokens.
func principalOf(ctx context.Context) string {
	p, _ := ctx.Value(principalKey{}).(string)
	return p
}

// fingerprint tells callers apart by the header fields that they send to the
// origin, except by those about caching.
func fingerprint(h http.Header) string {
	var names []string
	for name := range h {
		if key := http.CanonicalHeaderKey(name); key != "Cache-Control" && key != "If-None-Match" && key != "If-Modified-Since" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		for _, value := range h[name] {
			text.WriteString(name + ": " + value + "\r\n")
		}
	}
	return " fields " + digest(text.String())
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
