// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// policyFlags say what may be fetched, and how.
type policyFlags struct {
	allowPrivate []string
	allowPorts   []string
	allowDomains []string
	denyDomains  []string
	denyCIDRs    []string
	httpsOnly    bool
	ignoreRobots bool
	userAgent    string
	timeout      time.Duration
	maxBytes     configfile.Size
	firstByte    time.Duration
	maxRedirects int
	allowMethods []string
	allowHeaders []string
	maxUpload    configfile.Size
	noPDF        bool
}

func (c *config) addPolicyFlags(f *pflag.FlagSet) {
	c.maxBytes, c.maxUpload = fetch.DefaultMaxBytes, 1<<20
	f.StringArrayVar(&c.allowPrivate, "allow-private", nil, "allow fetching from a private `CIDR|ADDR|ADDR:PORT`; repeatable")
	f.StringArrayVar(&c.allowPorts, "allow-port", nil, "allow `PORT` in URLs beside 80 and 443; repeatable")
	f.StringArrayVar(&c.allowDomains, "allow-domain", nil, "fetch from this `DOMAIN` only: example.com, *.example.com (those below it) or .example.com (both); repeatable")
	f.StringArrayVar(&c.denyDomains, "deny-domain", nil, "never fetch from this `DOMAIN`; repeatable, and wins over what allows")
	f.StringArrayVar(&c.denyCIDRs, "deny-cidr", nil, "never connect to this `CIDR|ADDR`; repeatable, and wins over what allows")
	f.BoolVar(&c.httpsOnly, "https-only", false, "refuse http URLs, and redirects to them")
	f.BoolVar(&c.ignoreRobots, "ignore-robots-txt", false, "fetch what robots.txt files forbid")
	f.StringVar(&c.userAgent, "user-agent", fetch.DefaultUserAgent, "`TEXT` sent to sites; its product name is what robots.txt files are asked about")
	f.StringArrayVar(&c.allowMethods, "allow-method", nil, "allow callers the HTTP `METHOD`, such as POST, beside GET; repeatable")
	f.StringArrayVar(&c.allowHeaders, "allow-header", nil, "allow callers to send the header `NAME` to sites; repeatable")
	f.Var(&c.maxUpload, "max-request-bytes", "largest body that callers may send to sites")
	f.DurationVar(&c.timeout, "timeout", fetch.DefaultTimeout, "`TIME` for one fetch")
	f.DurationVar(&c.firstByte, "first-byte-timeout", 20*time.Second, "`TIME` for a site to begin its answer")
	f.IntVar(&c.maxRedirects, "max-redirects", 5, "follow at most `N` redirects")
	f.Var(&c.maxBytes, "max-bytes", "largest body to fetch")
	f.BoolVar(&c.noPDF, "no-pdf", false, "refuse PDF files instead of returning their text")
}

// options checks the settings and returns what they mean for the server.
func (c *config) options(log *slog.Logger) (*fetchserver.Options, error) {
	if c.logging.urls.Value == logHost {
		log = slog.New(hostsOnly{log.Handler()})
	}
	o := &fetchserver.Options{
		UserAgent:      c.userAgent,
		IgnoreRobots:   c.ignoreRobots,
		Timeout:        c.timeout,
		MaxBytes:       int64(c.maxBytes),
		MaxRequests:    c.maxRequests,
		AllowMethods:   c.allowMethods,
		AllowHeaders:   c.allowHeaders,
		AllowedHosts:   c.hosts(),
		AllowedOrigins: c.allowOrigins,
		LogQueries:     c.logging.urls.Value == logFull,
		Logger:         log,
	}
	o.Fetch.HTTPSOnly, o.Fetch.FirstByteTimeout, o.Fetch.MaxRequestBytes = c.httpsOnly, c.firstByte, int64(c.maxUpload)
	if o.Fetch.MaxRedirects = c.maxRedirects; c.maxRedirects == 0 {
		o.Fetch.MaxRedirects = -1 // none, where the library takes 0 for its default
	}
	if err := c.pace(o); err != nil {
		return nil, err
	}
	if err := c.limitedTo(o); err != nil {
		return nil, err
	}
	if err := c.reach(&o.Fetch); err != nil {
		return nil, err
	}
	for _, text := range c.allowPrivate {
		if err := allowPrivate(o, text); err != nil {
			return nil, err
		}
	}
	for _, text := range c.allowPorts {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return nil, &usageError{text: fmt.Sprintf("--allow-port %q is not the number of a port", text)}
		}
		o.Ports = append(o.Ports, uint16(port))
	}
	for _, limit := range []struct {
		flag  string
		value int64
	}{{"timeout", int64(c.timeout)}, {"first-byte-timeout", int64(c.firstByte)}, {"max-request-bytes", int64(c.maxUpload)}, {"max-bytes", int64(c.maxBytes)}, {"max-concurrent", int64(c.maxConcurrent)}, {"max-per-host", int64(c.maxPerHost)}, {"cache-entries", int64(c.cacheEntries)}, {"max-requests", int64(c.maxRequests)}} {
		if limit.value <= 0 {
			return nil, &usageError{text: "--" + limit.flag + " must be positive"}
		}
	}
	if c.maxRedirects < 0 {
		return nil, &usageError{text: "--max-redirects must not be negative"}
	}
	if strings.ContainsFunc(c.userAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, &usageError{text: "--user-agent must be printable ASCII"}
	}
	for _, method := range c.allowMethods {
		if !consistsOf(method, upper) {
			return nil, &usageError{text: fmt.Sprintf("--allow-method %q is not an HTTP method such as POST", method)}
		}
	}
	for _, name := range c.allowHeaders {
		if !consistsOf(name, tchar) {
			return nil, &usageError{text: "--allow-header wants the name of a header, without a value"}
		}
		if err := fetch.CheckHeaderName(name); err != nil {
			return nil, &usageError{text: "--allow-header " + name + ": " + plain(err)}
		}
	}
	return o, nil
}

func allowPrivate(o *fetchserver.Options, text string) error {
	if prefix, err := network(text); err == nil {
		o.AllowPrefixes = append(o.AllowPrefixes, prefix)
		return nil
	}
	if endpoint, err := netip.ParseAddrPort(text); err == nil && endpoint.Addr().Zone() == "" && endpoint.Port() != 0 {
		o.AllowAddresses = append(o.AllowAddresses, endpoint)
		return nil
	}
	return &usageError{text: fmt.Sprintf("--allow-private %q is not a CIDR, an address or ADDR:PORT, such as 10.1.0.0/16 or 127.0.0.1:8080", text)}
}

// network reads a CIDR or an address.
func network(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err == nil {
		return prefix, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return prefix, err
	}
	return addr.Prefix(addr.BitLen()) // but not with a zone
}
