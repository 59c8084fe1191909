// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// cacheFlags say what is kept, and how often a site is asked.
type cacheFlags struct {
	cacheBytes    configfile.Size
	cacheEntries  int
	maxConcurrent int
	maxPerHost    int
	hostInterval  time.Duration
}

func (c *config) addCacheFlags(f *pflag.FlagSet) {
	c.cacheBytes = httpcache.DefaultMaxBytes
	f.Var(&c.cacheBytes, "cache-bytes", "memory for documents that may be kept; 0 means none are")
	f.IntVar(&c.cacheEntries, "cache-entries", 4096, "keep at most `N` documents")
	f.IntVar(&c.maxConcurrent, "max-concurrent", 32, "at most `N` fetches at one time; others wait")
	f.IntVar(&c.maxPerHost, "max-per-host", 4, "at most `N` of them from one host")
	f.DurationVar(&c.hostInterval, "host-interval", 0, "`TIME` between two fetches from one host at least; a Crawl-delay of robots.txt is obeyed besides")
}

// pace says what is kept, and how often a site is asked.
func (c *config) pace(o *fetchserver.Options) error {
	if c.cacheBytes < 0 || c.hostInterval < 0 {
		return &usageError{text: "--cache-bytes and --host-interval must not be negative"}
	}
	if o.CacheBytes = int64(c.cacheBytes); o.CacheBytes == 0 {
		o.CacheBytes = -1 // none, where the library takes 0 for its default
	}
	o.CacheEntries, o.MaxConcurrent, o.MaxPerHost, o.HostInterval = c.cacheEntries, c.maxConcurrent, c.maxPerHost, c.hostInterval
	return nil
}
