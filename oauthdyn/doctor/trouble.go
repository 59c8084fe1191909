// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
)

// What Windows calls ECONNREFUSED and ECONNRESET.
const (
	wsaRefused = syscall.Errno(10061)
	wsaReset   = syscall.Errno(10054)
)

// maxFound bounds the text of a server that is repeated, in bytes.
const maxFound = 600

// Trouble explains why a request got no answer: in few words, and what the
// operator can do.
func Trouble(err error) (found, remedy string) {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if _, ok := errors.AsType[*safedial.NotPublicError](err); ok {
		return err.Error(), "Name public addresses in metadata, or give the doctor a server in the same network."
	}
	if remedy := tlsRemedy(err); remedy != "" {
		return "TLS: " + strings.TrimPrefix(err.Error(), "tls: "), remedy
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + e.Name + " cannot be looked up: " + e.Err, "Check the spelling, and that the name has an address in public DNS."
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaRefused):
		return "nobody listens there", "Start the server, and check the port."
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time", "Check firewalls and the proxy in front of the server. A request without a token must be answered at once."
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, wsaReset):
		return "the connection is closed before an answer comes", "Check the proxy in front of the server, and whether the port speaks the scheme of the URL."
	}
	return err.Error(), "Open the address with curl -v to see more."
}

// tlsRemedy returns what to do about a TLS error; empty for other errors.
func tlsRemedy(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "Serve the whole certificate chain, of an authority that clients know. For one of your own, set SSL_CERT_FILE here, and expect that other clients refuse it."
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "Serve a certificate for this host name."
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return "Renew the certificate, and check the clock of this machine."
		}
		return "Replace the certificate."
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "The port speaks no TLS: use an http URL on loopback, or put a proxy with TLS in front."
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || strings.HasPrefix(err.Error(), "tls: ") || strings.HasPrefix(err.Error(), "remote error: tls: ") {
		return "Check the certificate and the versions of TLS that the server speaks."
	}
	return ""
}

// clean makes text of a server fit for a terminal and one line.
func clean(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
	if len(s) > maxFound {
		s = strings.ToValidUTF8(s[:maxFound], "") + "…"
	}
	return s
}
