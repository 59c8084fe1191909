// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Defaults of [Options].
const (
	DefaultUserAgent        = "fetchserver (+https://github.com/atrawog/mcp-oauth-gateway)"
	DefaultTimeout          = 30 * time.Second
	DefaultFirstByteTimeout = 20 * time.Second
	DefaultMaxBytes         = 10 << 20
	DefaultMaxHeaderBytes   = 64 << 10
	DefaultMaxRequestBytes  = 1 << 20
	DefaultMaxRedirects     = 5
)

// Options configure a [Client]. The zero value is the safe default. What
// denies wins over what allows.
type Options struct {
	// AllowPrefixes may be connected to although they are not public, on the
	// ports 80, 443 and Ports. With the NAT64 prefix 64:ff9b::/96 (RFC 6052),
	// the IPv4 address behind it is judged as well.
	AllowPrefixes []netip.Prefix
	// AllowEndpoints may be connected to although they are not public, and
	// whatever their port.
	AllowEndpoints []netip.AddrPort
	// DenyPrefixes are never connected to, although they are public.
	DenyPrefixes []netip.Prefix
	// AllowDomains, unless empty, are the only hosts that may be fetched from.
	// An entry does not lift the rules for addresses: for a name of a private
	// network, AllowPrefixes has to have its address too.
	AllowDomains []Domain
	// DenyDomains are never fetched from.
	DenyDomains []Domain
	// Ports are allowed in addition to 80 and 443.
	Ports []uint16
	// HTTPSOnly refuses http URLs and redirects to them.
	HTTPSOnly bool
	// AllowHeaders are the header fields that a Request may set besides those
	// that it always may: see [Request]. Some fields cannot be allowed; see
	// [CheckHeaderName].
	AllowHeaders []string
	// UserAgent is the User-Agent field of each request. Default [DefaultUserAgent].
	UserAgent string
	// Timeout bounds a whole fetch, redirects and body included. Default 30 s.
	Timeout time.Duration
	// FirstByteTimeout bounds the time from a request to the header of its
	// answer. Default 20 s.
	FirstByteTimeout time.Duration
	// MaxBytes bounds a body in bytes, before and after decoding. Default 10 MiB.
	MaxBytes int64
	// MaxHeaderBytes bounds the header section of a response. Default 64 KiB.
	MaxHeaderBytes int64
	// MaxRequestBytes bounds the body of a request. Default 1 MiB.
	MaxRequestBytes int64
	// MaxRedirects bounds the redirects of one fetch. Default 5; negative means none.
	MaxRedirects int
	// Proxy returns the proxy for a target, or nil for none, as the Proxy of
	// [http.Transport] does; its URL has the scheme http, https, socks5 or
	// socks5h and may have a user name and password. [ProxyURL] makes one for
	// all targets.
	// Nil means no proxy: the variables of the environment are not read.
	//
	// With a proxy, it is the proxy that connects, so that addresses cannot be
	// judged at that moment. See [ProxyTarget] for what is done instead.
	Proxy func(target *url.URL) (*url.URL, error)
	// ProxyTarget says what the proxy is told. Default [ProxyName].
	ProxyTarget ProxyTarget
	// Resolver resolves host names. Nil means [net.DefaultResolver].
	Resolver *net.Resolver
	// TLSClientConfig may add certificate authorities, see [RootsWith]. Nil
	// means the system's. Versions before TLS 1.2 are never spoken.
	TLSClientConfig *tls.Config
	// Logger gets one debug record for each request. Nil discards.
	Logger *slog.Logger
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	setDefault(&c.UserAgent, DefaultUserAgent)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.FirstByteTimeout, DefaultFirstByteTimeout)
	setDefault(&c.MaxBytes, DefaultMaxBytes)
	setDefault(&c.MaxHeaderBytes, DefaultMaxHeaderBytes)
	setDefault(&c.MaxRequestBytes, DefaultMaxRequestBytes)
	setDefault(&c.MaxRedirects, DefaultMaxRedirects)
	setDefault(&c.ProxyTarget, ProxyName)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// tlsConfig returns a copy of the caller's configuration that cannot be
// talked down to an old version.
func (o *Options) tlsConfig() *tls.Config {
	c := o.TLSClientConfig.Clone()
	if c == nil {
		c = &tls.Config{}
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}

// RootsWith returns the system's certificate authorities and those of a PEM
// file, for [tls.Config.RootCAs].
func RootsWith(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("fetch: no certificate in the PEM text; it needs at least one block that begins with -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}
