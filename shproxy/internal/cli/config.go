// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/guard"
)

// fromEnvironment takes the defaults that the original proxy's variables give.
func (c *config) fromEnvironment(flags *pflag.FlagSet) error {
	if host, ok := c.environment.lookup("MCP_BIND_HOST"); ok && host != "" && !flags.Changed("host") {
		c.host = host
	}
	if port, ok := c.environment.lookup("MCP_PORT"); ok && port != "" && !flags.Changed("port") {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return &usageError{text: fmt.Sprintf("the variable MCP_PORT is %q, not the number of a port", port)}
		}
		c.port = uint16(n)
	}
	return nil
}

// check finds mistakes that the flags' types allow.
func (c *config) check() error {
	if c.foreign.problem != nil {
		return c.foreign.problem
	}
	c.path = trimPath(c.path)
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
	if err := checkPath(c.path); err != nil {
		return &usageError{text: "--path: " + err.Error()}
	}
	for _, check := range []func() error{
		func() error { return c.settings.check(flagName) },
		func() error { return checkPatterns(c.passEnv) },
		c.certs.Check, c.checkAccess, c.checkPeers, c.checkReplicas,
		func() error { _, err := guard.New(c.hosts(), c.origins()); return err },
	} {
		if err := check(); err != nil {
			return &usageError{text: err.Error()}
		}
	}
	if c.drainTimeout < 0 {
		return &usageError{text: "--drain-timeout must not be negative"}
	}
	return nil
}

func (c *config) checkPeers() (err error) {
	if len(c.peers) > 0 && c.adminAddr == "" {
		return errors.New("--peer is for the page at --admin-addr, which is missing")
	}
	if c.adminAddr != "" {
		if err := checkHostPort("--admin-addr", c.adminAddr); err != nil {
			return err
		}
	}
	c.peersOfStatus, err = service.ParsePeers(c.peers)
	return err
}

// checkHostPort finds an address on which nothing can listen.
func checkHostPort(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%s must be HOST:PORT, like 127.0.0.1:9090 or :9090, with a port up to 65535; 0 means any free one", flag)
	}
	return nil
}

func (c *config) checkAccess() error {
	issued := len(c.authIssuers) > 0 || c.authEmbedded
	if !issued && (c.resource != "" || len(c.requiredScopes) > 0) {
		return fmt.Errorf("--resource and --required-scope need --auth-issuer or --auth-embedded")
	}
	if !c.authEmbedded && (c.authData != "" || c.authUsers != "") {
		return fmt.Errorf("--auth-data and --auth-users need --auth-embedded")
	}
	if c.protected() && c.insecureNoAuth {
		return fmt.Errorf("--insecure-no-auth contradicts the flags that demand tokens")
	}
	if c.protected() && c.identityHeader != "" {
		return fmt.Errorf("--identity-header contradicts the flags that demand tokens, which tell who calls")
	}
	if c.identityHeader != "" && !consistsOf(c.identityHeader, tchar) {
		return fmt.Errorf("--identity-header: %q is not the name of a header", c.identityHeader)
	}
	return c.checkCallers(c.settings, flagName)
}

// protected reports whether callers need a token.
func (c *config) protected() bool {
	return c.tokenFile != "" || len(c.authIssuers) > 0 || c.authEmbedded
}

// checkCallers refuses settings about callers that do not fit to how they are
// known. Servers do not get this program's tokens, which were not issued for
// them.
func (c *config) checkCallers(s settings, name func(setting) string) error {
	if !c.protected() && c.identityHeader == "" {
		limit := ""
		switch {
		case s.callerMost > 0:
			limit = "max-caller-sessions"
		case s.callerRate > 0:
			limit = "max-caller-rate"
		}
		if limit != "" {
			return fmt.Errorf("%s needs to know who calls, from --token-file, --auth-issuer, --auth-embedded or --identity-header", name(setting{flag: limit}))
		}
	}
	if !c.protected() && len(s.claimEnv) > 0 {
		return fmt.Errorf("claims are those of a token, which only --token-file, --auth-issuer or --auth-embedded demand")
	}
	for variable, header := range s.headerEnv {
		if c.protected() && strings.EqualFold(header, "Authorization") {
			return fmt.Errorf("variable %s: the Authorization header holds the token for this program, which servers do not get; --claim-env tells them who calls", variable)
		}
	}
	return nil
}

// checkAddress refuses to let strangers in by accident.
func (c *config) checkAddress(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || c.protected() || c.insecureNoAuth {
		return nil
	}
	hint := "demand tokens with --token-file, --auth-issuer or --auth-embedded, or say --insecure-no-auth"
	if c.identityHeader != "" {
		hint = "anybody can write the header " + c.identityHeader + "; if a network keeps all but the proxy away, say --insecure-no-auth"
	}
	return &usageError{text: fmt.Sprintf("everybody who can reach %s could use the servers", addr), hint: hint}
}

func (c *config) address() string {
	return net.JoinHostPort(c.host, strconv.Itoa(int(c.port)))
}

// baseURL is where clients find this program.
func (c *config) baseURL(listener net.Listener) string {
	switch {
	case c.publicURL != "":
		return c.publicURL
	case c.certs.On():
		return "https://" + listener.Addr().String()
	}
	return "http://" + listener.Addr().String()
}
