// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
)

// A Code says why a fetch failed, for programs that react to it.
type Code string

// The reasons for which [Client.Do] fails.
const (
	CodeURL       Code = "invalid_url"     // not an absolute http or https URL that may be fetched
	CodePort      Code = "port_refused"    // the port is not allowed
	CodeDomain    Code = "domain_refused"  // the host is not one that the operator allows
	CodeAddress   Code = "address_refused" // the host leads to an address that is not public
	CodeRequest   Code = "invalid_request" // the method or the body of the request
	CodeHeader    Code = "header_refused"  // the caller's header field may not be sent
	CodeRedirect  Code = "redirect"        // too many redirects, or one that may not be followed
	CodeTooLarge  Code = "too_large"       // the body exceeds the cap
	CodeEncoding  Code = "encoding"        // the content coding is unknown or broken
	CodeTimeout   Code = "timeout"         // the deadline passed
	CodeCancelled Code = "cancelled"       // the caller gave up
	CodeDNS       Code = "dns"             // the host name does not resolve
	CodeTLS       Code = "tls"             // the certificate or the handshake failed
	CodeConnect   Code = "connect"         // no connection, or it broke
	CodeProxy     Code = "proxy"           // the operator's proxy is not usable, or refused
)

// Error is the error of every failed fetch. Its text never contains a query, a
// header value of the request or a piece of a body; of the answer's fields it
// may tell where a redirect leads and quote 40 bytes of Content-Encoding. Err
// may quote more of a malformed answer.
type Error struct {
	Code   Code
	URL    string // the URL that failed, without userinfo, query and fragment; may be empty
	Detail string // what happened, lower case, without a final full stop
	Err    error  // the cause, or nil
}

// Error returns "fetch: " and the detail.
func (e *Error) Error() string { return "fetch: " + e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// classify turns an error of net/http into an *Error.
func classify(ctx context.Context, u *url.URL, err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return withURL(own, u)
	}
	e := &Error{URL: redact(u), Err: err}
	host := u.Hostname()
	switch {
	case ctx.Err() == nil && isTimeout(err) && !isA[*net.OpError](err) && !isA[*net.DNSError](err):
		e.Code, e.Detail = CodeTimeout, host+" did not begin to answer in time"
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) || isTimeout(err):
		e.Code, e.Detail = CodeTimeout, host+" did not answer in time"
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		e.Code, e.Detail = CodeCancelled, "the request was cancelled"
	case isOp(err, "proxyconnect"):
		e.Code, e.Detail = CodeProxy, "cannot connect to the proxy"
	case isA[*net.DNSError](err):
		e.Code, e.Detail = CodeDNS, "the host name "+host+" does not resolve"
	case isA[*tls.CertificateVerificationError](err):
		e.Code, e.Detail = CodeTLS, "the certificate of "+host+" is not valid"
	case isA[tls.RecordHeaderError](err) || isA[tls.AlertError](err) || isAlert(err):
		e.Code, e.Detail = CodeTLS, "the TLS handshake with "+host+" failed"
	case isOp(err, "dial"):
		e.Code, e.Detail = CodeConnect, "cannot connect to "+u.Host
	default:
		e.Code, e.Detail = CodeConnect, "the connection to "+u.Host+" failed before a whole answer arrived"
	}
	return e
}

// withURL adds the URL to an *Error that has none.
func withURL(err error, u *url.URL) error {
	own, ok := errors.AsType[*Error](err)
	if !ok || own.URL != "" {
		return err
	}
	return &Error{Code: own.Code, URL: redact(u), Detail: own.Detail, Err: own.Err}
}

func urlOf(err error) string {
	if own, ok := errors.AsType[*Error](err); ok {
		return own.URL
	}
	return ""
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// isAlert recognises what crypto/tls makes of an alert, of either side.
func isAlert(err error) bool { return isOp(err, "remote error") || isOp(err, "local error") }

func isOp(err error, name string) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == name
}
