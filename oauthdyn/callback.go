// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/loopback"
)

// maxRedirectBytes bounds an address that a person pastes.
const maxRedirectBytes = 16 << 10

// callback is where the redirect of one authorization request is awaited.
type callback struct {
	uri      string             // the redirect URI
	listener *loopback.Listener // nil when only Config.ReadRedirect gets to know
}

func (b *callback) answer() <-chan url.Values {
	if b.listener == nil {
		return nil
	}
	return b.listener.Answer()
}

func (b *callback) useLocalhost() {
	b.listener.UseLocalhost()
	b.uri = b.listener.URL()
}

func (b *callback) close() {
	if b.listener != nil {
		b.listener.Close()
	}
}

// parse reads the address that a browser was redirected to. Who answers the
// redirect URI does not matter, since state and issuer are checked, but text
// that is not that address at all is better refused with a hint.
func (b *callback) parse(text string) (url.Values, error) {
	if len(text) > maxRedirectBytes {
		return nil, fmt.Errorf("redirect address is longer than %d bytes", maxRedirectBytes)
	}
	u, err := url.Parse(strings.Trim(strings.TrimSpace(text), `<>"'`))
	if err != nil {
		return nil, errors.New("redirect address is not a URL") // the error could quote a code
	}
	want, err := url.Parse(b.uri)
	if err != nil {
		return nil, err
	}
	if u.Scheme != want.Scheme || u.Host != want.Host || u.Path != want.Path || u.Opaque != want.Opaque {
		return nil, fmt.Errorf("that is not the address that the browser is redirected to: want one that starts with %s", b.uri)
	}
	return u.Query(), nil
}

// listen opens the callback for a registered redirect URI, or for a new one
// when that is empty, which a client that is known already expects at the
// default path.
func (c *Client) listen(registered string, known bool) (*callback, error) {
	if c.cfg.RedirectURI != "" {
		return &callback{uri: c.cfg.RedirectURI}, nil
	}
	l, err := c.listenLoopback(registered, known)
	if err != nil {
		return nil, err
	}
	return &callback{uri: l.URL(), listener: l}, nil
}

func (c *Client) listenLoopback(registered string, known bool) (*loopback.Listener, error) {
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
	if c.cfg.RedirectURI != "" {
		return redirectURI == c.cfg.RedirectURI
	}
	u, err := url.Parse(redirectURI)
	return err == nil && u.Path != "" && isLoopback(u) &&
		(c.cfg.CallbackPath == "" || c.cfg.CallbackPath == u.Path) &&
		(c.cfg.CallbackPort == 0 || strconv.Itoa(c.cfg.CallbackPort) == u.Port())
}

// applicationType is that of OpenID Connect Dynamic Client Registration: a
// program with a web address of its own is a web application, all others are
// native.
func applicationType(redirectURI string) string {
	if u, err := url.Parse(redirectURI); err == nil && u.Scheme == "https" && !isLoopback(u) {
		return ApplicationTypeWeb
	}
	return ApplicationTypeNative
}
