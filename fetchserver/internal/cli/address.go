// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// addressFlags say where the endpoint is, and for which names.
type addressFlags struct {
	host         string
	port         uint16
	path         string
	stdio        bool
	publicURL    string
	allowHosts   []string
	allowOrigins []string
	maxRequests  int
}

const healthPath, readyPath = "/healthz", "/readyz"

func (c *config) addAddressFlags(f *pflag.FlagSet) {
	f.StringVar(&c.host, "host", "127.0.0.1", "`ADDRESS` to listen on")
	f.Uint16Var(&c.port, "port", 3000, "`PORT` to listen on; 0 means any free one")
	f.StringVar(&c.path, "path", "/mcp", "`PATH` of the MCP endpoint")
	f.BoolVar(&c.stdio, "stdio", false, "speak MCP on standard input and output instead of HTTP")
	f.StringVar(&c.publicURL, "public-url", "", "`URL` under which clients know this program, without a path (default the address listened on)")
	f.StringArrayVar(&c.allowHosts, "allow-host", nil, "host `NAME` under which clients reach it; repeatable")
	f.StringArrayVar(&c.allowOrigins, "allow-origin", nil, "`ORIGIN` whose web pages may call; repeatable")
	f.IntVar(&c.maxRequests, "max-requests", 1024, "at most `N` open requests of clients; further ones are answered with 503")
}

func (c *config) checkAddressFlags() error {
	if len(c.path) > 1 {
		c.path = strings.TrimSuffix(c.path, "/")
	}
	if !strings.HasPrefix(c.path, "/") || path.Clean(c.path) != c.path || strings.ContainsAny(c.path, "{}?#% ") ||
		c.path == healthPath || c.path == readyPath || strings.HasPrefix(c.path+"/", "/.well-known/") {
		return &usageError{text: "--path must start with /, hold none of {}?#% and be neither /healthz, /readyz nor below /.well-known"}
	}
	if c.publicURL != "" {
		u, err := url.Parse(c.publicURL)
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != c.publicURL || u.Scheme != "http" && u.Scheme != "https" {
			return &usageError{text: "--public-url must be like https://mcp.example.com, without a path"}
		}
		// Clients leave the usual port out of the Host header.
		if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; strings.HasSuffix(u.Host, port) {
			c.publicURL = strings.TrimSuffix(c.publicURL, port)
		}
	}
	for _, origin := range c.allowOrigins {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || u.Scheme == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return &usageError{text: fmt.Sprintf("--allow-origin %q is not an origin; it should look like https://app.example.com", origin)}
		}
	}
	for _, host := range c.allowHosts {
		if strings.ContainsAny(host, "/ ") || strings.Count(host, ":") == 1 {
			return &usageError{text: fmt.Sprintf("--allow-host %q is not a host name without port", host)}
		}
	}
	return nil
}

func (c *config) address() string {
	return net.JoinHostPort(c.host, strconv.Itoa(int(c.port)))
}

// baseURL is where clients find this program.
func (c *config) baseURL(listening net.Addr) string {
	switch {
	case c.publicURL != "":
		return c.publicURL
	case c.certs.On():
		return "https://" + listening.String()
	}
	return "http://" + listening.String()
}

// hosts are the names under which clients reach this program, as far as they
// are known from URLs. On an address that is not loopback any name will do unless
// there are flags for names.
func (c *config) hosts() []string {
	if addr, err := netip.ParseAddr(c.host); len(c.allowHosts) == 0 && c.host != "localhost" && !(err == nil && addr.IsLoopback()) {
		return nil
	}
	hosts := append([]string(nil), c.allowHosts...)
	hosts = append(hosts, c.certs.Hosts...)
	for _, address := range []string{c.publicURL, c.resource} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			hosts = append(hosts, strings.ToLower(u.Hostname()))
		}
	}
	return hosts
}
