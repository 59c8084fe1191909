// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"crypto/rand"
	"net/url"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/loopback"
)

// listen opens the callback listener for a registered redirect URI, or for a
// new one when that is empty, which a client that is known already expects at
// the default path.
func (c *Client) listen(registered string, known bool) (*loopback.Listener, error) {
	if registered == "" {
		path := c.cfg.CallbackPath
		switch {
		case path == "" && known:
			path = DefaultCallbackPath
		case path == "":
			path = DefaultCallbackPath + "/" + rand.Text()
		}
		return loopback.Listen(c.cfg.CallbackPort, path)
	}
	u, err := url.Parse(registered)
	if err != nil {
		return nil, err
	}
	l, err := c.listenAgain(u)
	if err == nil && u.Hostname() == "localhost" {
		l.UseLocalhost()
	}
	return l, err
}

// listenAgain takes the registered port if it may, and if that is free. Any
// port should do (RFC 8252 section 7.3), but not all authorization servers
// think so.
func (c *Client) listenAgain(registered *url.URL) (*loopback.Listener, error) {
	if port, err := strconv.Atoi(registered.Port()); err == nil && c.cfg.CallbackPort == 0 {
		if l, err := loopback.Listen(port, registered.Path); err == nil {
			return l, nil
		}
	}
	return loopback.Listen(c.cfg.CallbackPort, registered.Path)
}

// fitsCallback reports whether a registered redirect URI is one that the
// configuration allows.
func (c *Client) fitsCallback(redirectURI string) bool {
	u, err := url.Parse(redirectURI)
	return err == nil && u.Path != "" &&
		(c.cfg.CallbackPath == "" || c.cfg.CallbackPath == u.Path) &&
		(c.cfg.CallbackPort == 0 || strconv.Itoa(c.cfg.CallbackPort) == u.Port())
}
