// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpproxy"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// networkFlags say how sites are reached.
type networkFlags struct {
	proxyURL     string
	proxyFile    string
	proxyFromEnv bool
	proxyTarget  configfile.Choice
	caFile       string
}

func (c *config) addNetworkFlags(f *pflag.FlagSet) {
	c.proxyTarget = configfile.Choice{Value: string(fetch.ProxyName), Words: []string{string(fetch.ProxyName), string(fetch.ProxyAddress), string(fetch.ProxyUnresolved)}}
	f.StringVar(&c.proxyURL, "proxy-url", "", "`URL` of a proxy to fetch through: http, https or socks5")
	f.StringVar(&c.proxyFile, "proxy-file", "", "`FILE` with that URL, for one with a password; read again on SIGHUP")
	f.BoolVar(&c.proxyFromEnv, "proxy-from-env", false, "fetch through the proxies of HTTPS_PROXY, HTTP_PROXY and NO_PROXY")
	f.Var(&c.proxyTarget, "proxy-target", "`WORD` for what the proxy gets: the name, which is resolved and judged here first; the address that was judged; or unresolved, where the proxy has to guard")
	f.StringVar(&c.caFile, "ca-file", "", "`FILE` with certificates (PEM) of authorities to trust besides the system's; read again on SIGHUP")
}

// reach says how sites are reached. Errors do not repeat the URL of the proxy,
// which may have a password.
func (c *config) reach(o *fetch.Options) (err error) {
	given := 0
	for _, is := range []bool{c.proxyURL != "", c.proxyFile != "", c.proxyFromEnv} {
		if is {
			given++
		}
	}
	if given > 1 {
		return &usageError{text: "--proxy-url, --proxy-file and --proxy-from-env exclude each other"}
	}
	if given == 0 && c.proxyTarget.Value != string(fetch.ProxyName) {
		return &usageError{text: "--proxy-target needs a proxy: --proxy-url, --proxy-file or --proxy-from-env"}
	}
	o.ProxyTarget = fetch.ProxyTarget(c.proxyTarget.Value)
	switch {
	case c.proxyFromEnv:
		o.Proxy = httpproxy.FromEnvironment().ProxyFunc()
		if _, err := o.Proxy(&url.URL{Scheme: "https", Host: "example.com"}); err != nil {
			return &usageError{text: "--proxy-from-env: the variable HTTPS_PROXY is not the URL of a proxy"}
		}
	case c.proxyURL != "":
		if o.Proxy, err = fetch.ProxyURL(c.proxyURL); err != nil {
			return &usageError{text: "--proxy-url: " + plain(err)}
		}
	case c.proxyFile != "":
		text, err := signin.ReadSecret(c.proxyFile, nil)
		if err != nil {
			return fmt.Errorf("--proxy-file: %w", err)
		}
		if o.Proxy, err = fetch.ProxyURL(text); err != nil {
			return &usageError{text: "--proxy-file: " + plain(err)}
		}
	}
	if c.caFile != "" {
		pem, err := signin.ReadSecretFile(c.caFile, nil)
		if err != nil {
			return fmt.Errorf("--ca-file: %w", err)
		}
		roots, err := fetch.RootsWith(pem)
		if err != nil {
			return &usageError{text: "--ca-file: " + c.caFile + ": " + plain(err)}
		}
		o.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return nil
}

// plain is the text of an error of package fetch, without its prefix.
func plain(err error) string {
	if e, ok := errors.AsType[*fetch.Error](err); ok {
		return e.Detail
	}
	return strings.TrimPrefix(oneLine(err.Error()), "fetch: ")
}

// limitedTo says which sites may be fetched from.
func (c *config) limitedTo(o *fetchserver.Options) (err error) {
	if o.Fetch.AllowDomains, err = domains("allow-domain", c.allowDomains); err != nil {
		return err
	}
	if o.Fetch.DenyDomains, err = domains("deny-domain", c.denyDomains); err != nil {
		return err
	}
	for _, text := range c.denyCIDRs {
		prefix, err := network(text)
		if err != nil {
			return &usageError{text: fmt.Sprintf("--deny-cidr %q is not a network like 203.0.113.0/24 or an address", text)}
		}
		o.Fetch.DenyPrefixes = append(o.Fetch.DenyPrefixes, prefix)
	}
	return nil
}

func domains(flag string, texts []string) (list []fetch.Domain, err error) {
	for _, text := range texts {
		d, err := fetch.ParseDomain(text)
		if err != nil {
			return nil, &usageError{text: "--" + flag + ": " + plain(err)}
		}
		list = append(list, d)
	}
	return list, nil
}
