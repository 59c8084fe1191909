// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// config holds the flags.
type config struct {
	host  string
	port  uint16
	path  string
	stdio bool

	allowPrivate []string
	ignoreRobots bool
	userAgent    string
	timeout      time.Duration
	maxBytes     int64

	allowOrigins []string
	allowHosts   []string

	authIssuers    []string
	resource       string
	requiredScopes []string

	noPDF bool

	logLevel  string
	logFormat string
}

func (c *config) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.host, "host", "127.0.0.1", "address to listen on")
	f.Uint16Var(&c.port, "port", 3000, "port to listen on; 0 means any free one")
	f.StringVar(&c.path, "path", "/mcp", "path of the MCP endpoint")
	f.BoolVar(&c.stdio, "stdio", false, "speak MCP on standard input and output instead of HTTP")
	f.StringArrayVar(&c.allowPrivate, "allow-private", nil, "allow fetching from a private `CIDR|ADDR|ADDR:PORT`; repeatable")
	f.BoolVar(&c.ignoreRobots, "ignore-robots-txt", false, "fetch what robots.txt files forbid")
	f.StringVar(&c.userAgent, "user-agent", fetch.DefaultUserAgent, "User-Agent; its product name is what robots.txt files are asked about")
	f.DurationVar(&c.timeout, "timeout", fetch.DefaultTimeout, "time for one fetch")
	f.Int64Var(&c.maxBytes, "max-bytes", fetch.DefaultMaxBytes, "largest body to fetch, in bytes")
	f.StringArrayVar(&c.allowOrigins, "allow-origin", nil, "`ORIGIN` whose web pages may call the server; repeatable")
	f.StringArrayVar(&c.allowHosts, "allow-host", nil, "host `NAME` under which clients reach the server; repeatable")
	f.StringArrayVar(&c.authIssuers, "auth-issuer", nil, "demand access tokens of the authorization server at `URL`; repeatable")
	f.StringVar(&c.resource, "resource", "", "`URL` of the MCP endpoint as clients see it, the audience of their tokens")
	f.StringArrayVar(&c.requiredScopes, "required-scope", nil, "`SCOPE` that tokens must have; repeatable")
	f.BoolVar(&c.noPDF, "no-pdf", false, "do not read PDF files")
	f.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.logFormat, "log-format", "text", "text or json")
	for _, other := range []string{"host", "port", "path", "allow-origin", "allow-host", "auth-issuer", "resource", "required-scope"} {
		cmd.MarkFlagsMutuallyExclusive("stdio", other)
	}
	cmd.MarkFlagsRequiredTogether("auth-issuer", "resource")
}

// options checks the flags and returns what they mean for the server.
func (c *config) options(log *slog.Logger) (*fetchserver.Options, error) {
	o := &fetchserver.Options{
		UserAgent:      c.userAgent,
		IgnoreRobots:   c.ignoreRobots,
		Timeout:        c.timeout,
		MaxBytes:       c.maxBytes,
		AllowedHosts:   c.allowHosts,
		AllowedOrigins: c.allowOrigins,
		Logger:         log,
	}
	for _, text := range c.allowPrivate {
		if err := allowPrivate(o, text); err != nil {
			return nil, err
		}
	}
	if c.timeout <= 0 {
		return nil, &usageError{"--timeout must be positive"}
	}
	if c.maxBytes <= 0 {
		return nil, &usageError{"--max-bytes must be positive"}
	}
	if strings.ContainsFunc(c.userAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, &usageError{"--user-agent must be printable ASCII"}
	}
	if !strings.HasPrefix(c.path, "/") || strings.ContainsAny(c.path, "{}? #") || c.path == "/healthz" {
		return nil, &usageError{"--path must start with / and be neither a pattern nor /healthz"}
	}
	for _, origin := range c.allowOrigins {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || u.Scheme == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, &usageError{fmt.Sprintf("--allow-origin %q is not an origin; it should look like https://app.example.com", origin)}
		}
	}
	for _, host := range c.allowHosts {
		if strings.ContainsAny(host, "/ ") || strings.Count(host, ":") == 1 {
			return nil, &usageError{fmt.Sprintf("--allow-host %q is not a host name without port", host)}
		}
	}
	return o, nil
}

func allowPrivate(o *fetchserver.Options, text string) error {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		o.AllowPrefixes = append(o.AllowPrefixes, prefix)
		return nil
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		o.AllowPrefixes = append(o.AllowPrefixes, netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	if endpoint, err := netip.ParseAddrPort(text); err == nil && endpoint.Addr().Zone() == "" && endpoint.Port() != 0 {
		o.AllowAddresses = append(o.AllowAddresses, endpoint)
		return nil
	}
	return &usageError{fmt.Sprintf("--allow-private %q is not a CIDR, an address or ADDR:PORT, such as 10.1.0.0/16 or 127.0.0.1:8080", text)}
}

func (c *config) logger(stderr io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, &usageError{fmt.Sprintf("--log-level %q is not debug, info, warn or error", c.logLevel)}
	}
	o := &slog.HandlerOptions{Level: level}
	switch c.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(stderr, o)), nil
	}
	return nil, &usageError{fmt.Sprintf("--log-format %q is not text or json", c.logFormat)}
}

func (c *config) address() string {
	return net.JoinHostPort(c.host, strconv.Itoa(int(c.port)))
}
