// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
)

// Options configure a [Server]. The zero value is the safe default.
type Options struct {
	// AllowPrefixes may be fetched from although they are not public, on the
	// ports 80, 443 and Ports.
	AllowPrefixes []netip.Prefix
	// AllowAddresses may be fetched from although they are not public, and
	// whatever their port.
	AllowAddresses []netip.AddrPort
	// Ports are allowed in URLs in addition to 80 and 443.
	Ports []uint16
	// AllowMethods are HTTP methods that callers of the fetch tool may use
	// beside GET; all but HEAD and OPTIONS make it one that may change things.
	// Server.Fetch takes any method. Upper case.
	AllowMethods []string
	// AllowHeaders are header fields that callers may send; package fetch
	// refuses some whatever is allowed.
	AllowHeaders []string
	// UserAgent is sent to origins; its leading product name is what
	// robots.txt files are asked about. Default [fetch.DefaultUserAgent].
	UserAgent string
	// IgnoreRobots fetches what robots.txt files forbid.
	IgnoreRobots bool
	// Timeout bounds the work on one document, waiting included. Default 30 s.
	Timeout time.Duration
	// MaxBytes bounds a fetched body in bytes, before and after decoding.
	// Default 10 MiB.
	MaxBytes int64
	// MaxConcurrent bounds the documents that are fetched and converted at the
	// same time; further ones wait within their time, hosts in rotation, at
	// most 256 of them and 64 for one host; the rest fails with [ResultBusy].
	// Default 32.
	MaxConcurrent int
	// MaxPerHost bounds those of one host (name and port). Default 4.
	MaxPerHost int
	// HostInterval is the least time between two requests to one host. A
	// crawl-delay in its robots.txt file can make it longer, up to 5 s.
	// Default 0.
	HostInterval time.Duration
	// CacheBytes bounds the memory of the cache of documents, by their size in
	// bytes. Default 64 MiB; negative: nothing is kept, and each slice of a
	// page is a request to its origin.
	CacheBytes int64
	// CacheEntries bounds the documents in the cache. Default 4096.
	CacheEntries int
	// MaxRequests bounds the HTTP requests to Handler that are open at the
	// same time; further ones are answered with 503. Default 1024.
	MaxRequests int
	// AllowedHosts are the names, without port, by which clients may address
	// the server in the Host field. Loopback names are always allowed. Empty
	// means any name, except on connections to a loopback address, where a
	// foreign name is the sign of DNS rebinding.
	AllowedHosts []string
	// AllowedOrigins are the origins, such as https://app.example.com, whose
	// web pages may call the server. Its own origin is always allowed.
	AllowedOrigins []string
	// Middleware wraps the MCP endpoint inside of the Host and Origin checks,
	// for example to demand an access token. Nil means none.
	Middleware func(http.Handler) http.Handler
	// Converters turn bodies into text, by media type, before the built-in
	// ones; Reader.Convert of package pdf is one for application/pdf, which
	// has none built in. Keys are lower case.
	Converters map[string]Converter
	// Renderer runs the scripts of pages that need them. Nil means that no
	// scripts run.
	Renderer Renderer
	// RenderAlways has the scripts of every page of HTML run, not only of those
	// that are empty before.
	RenderAlways bool
	// Observe is called once for each document that was asked for, when it is
	// done, from the goroutine that served it. Nil means nobody counts.
	Observe func(Outcome)
	// Trace is called when a part of the work on a document begins, from the
	// goroutine that does it. It returns the context for what belongs to that part,
	// and what to call when it has ended. Nil means nobody traces.
	Trace func(context.Context, Part) (context.Context, func(PartEnd))
	// Fetch holds further options of the client that fetches: lists of domains
	// and addresses, an upstream proxy, certificate authorities. Lists that
	// Options has too are joined with it; of other fields those of Options
	// count where they are set. Its Logger is not used.
	Fetch fetch.Options
	// Resolver resolves host names. Nil means [net.DefaultResolver].
	Resolver *net.Resolver
	// LogQueries shows the queries of URLs, which may hold secrets, in the
	// records of calls.
	LogQueries bool
	// Logger gets a record for each call. Nil discards.
	Logger *slog.Logger
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.UserAgent == "" {
		c.UserAgent = cmp.Or(c.Fetch.UserAgent, fetch.DefaultUserAgent)
	}
	if c.Timeout <= 0 {
		c.Timeout = cmp.Or(c.Fetch.Timeout, fetch.DefaultTimeout)
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = cmp.Or(c.Fetch.MaxBytes, fetch.DefaultMaxBytes)
	}
	if c.MaxConcurrent <= 0 {
		c.MaxConcurrent = 32
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = httpcache.DefaultMaxBytes
	}
	if c.MaxRequests <= 0 {
		c.MaxRequests = 1024
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// ClientOptions returns the options of the client that a server with these
// options fetches with, for what connects under the same rules, such as a
// Renderer. A nil o means the defaults.
func (o *Options) ClientOptions() *fetch.Options {
	c := o.withDefaults()
	return c.client()
}

func (o *Options) client() *fetch.Options {
	c := o.Fetch
	c.AllowPrefixes = slices.Concat(o.AllowPrefixes, c.AllowPrefixes)
	c.AllowEndpoints = slices.Concat(o.AllowAddresses, c.AllowEndpoints)
	c.AllowHeaders = slices.Concat(o.AllowHeaders, c.AllowHeaders)
	c.Ports = slices.Concat(o.Ports, c.Ports)
	c.UserAgent, c.Timeout, c.MaxBytes = o.UserAgent, o.Timeout, o.MaxBytes
	if o.Resolver != nil {
		c.Resolver = o.Resolver
	}
	c.Logger = o.Logger
	return &c
}
