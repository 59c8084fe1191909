// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
)

// soon is how long before its end a certificate is worth a warning. Some
// authorities issue them for six days.
const soon = 3 * 24 * time.Hour

// journey is what happens on the way to the first answer.
type journey struct {
	mu        sync.Mutex // connections are tried side by side
	dnsBegan  time.Time
	dnsTook   time.Duration
	host      string // that was looked up
	addresses []string
	dnsErr    error
	tcpBegan  time.Time
	connected string
	tcpTook   time.Duration
	refused   []string
	tcpErr    error
	tlsBegan  time.Time
	tlsTook   time.Duration
	tlsState  *tls.ConnectionState
	tlsErr    error
}

func (j *journey) trace() *httptrace.ClientTrace {
	locked := func(f func()) { j.mu.Lock(); defer j.mu.Unlock(); f() }
	return &httptrace.ClientTrace{
		DNSStart: func(i httptrace.DNSStartInfo) { locked(func() { j.host, j.dnsBegan = i.Host, time.Now() }) },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			locked(func() {
				j.dnsTook, j.dnsErr = time.Since(j.dnsBegan), i.Err
				for _, a := range i.Addrs {
					j.addresses = append(j.addresses, a.String())
				}
			})
		},
		ConnectStart: func(string, string) {
			locked(func() {
				if j.tcpBegan.IsZero() {
					j.tcpBegan = time.Now()
				}
			})
		},
		ConnectDone: func(_, address string, err error) {
			locked(func() {
				if err == nil && j.connected == "" {
					j.connected, j.tcpTook = address, time.Since(j.tcpBegan)
				} else if err != nil {
					j.refused, j.tcpErr = append(j.refused, address), err
				}
			})
		},
		TLSHandshakeStart: func() { locked(func() { j.tlsBegan = time.Now() }) },
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			locked(func() { j.tlsTook, j.tlsState, j.tlsErr = time.Since(j.tlsBegan), &s, err })
		},
	}
}

// knock makes the first request, and tells of each step that it takes.
func (x *examination) knock(ctx context.Context) (*http.Response, []byte, error) {
	j := &journey{}
	resp, body, err := x.send(httptrace.WithClientTrace(ctx, j.trace()))
	j.mu.Lock()
	defer j.mu.Unlock()
	x.section(Network)
	u, _ := url.Parse(x.o.URL) // the request has one
	if u == nil {
		u = &url.URL{}
	}
	proxy := x.proxy(u)
	x.judgeDNS(j, u, proxy)
	x.judgeTCP(j, err)
	if u.Scheme == "https" {
		x.judgeTLS(j, err)
	}
	if err != nil && !x.broken() {
		found, remedy := doctor.Trouble(err)
		x.add("connection", "The connection lasts until the answer is there.", doctor.Fail, found, remedy)
	}
	return resp, body, err
}

// proxy is the one that requests go through, or nil.
func (x *examination) proxy(u *url.URL) *url.URL {
	const requirement = "It is known whether requests go through a proxy."
	if x.o.Transport.Proxy == nil {
		return nil
	}
	proxy, err := x.o.Transport.Proxy(&http.Request{URL: u})
	switch {
	case err != nil:
		x.add("proxy", requirement, doctor.Fail, "the environment names a proxy that is no URL", "Mend HTTPS_PROXY or HTTP_PROXY.")
	case proxy == nil:
		x.add("proxy", requirement, doctor.Pass, "they go straight to the server", "")
	default:
		x.add("proxy", requirement, doctor.Pass, "they go through "+shown(proxy)+", which HTTPS_PROXY or HTTP_PROXY names; NO_PROXY makes exceptions", "")
	}
	return proxy
}

func (x *examination) judgeDNS(j *journey, u, proxy *url.URL) {
	host, what := u.Hostname(), "The name of the server has an address."
	if proxy != nil {
		host, what = proxy.Hostname(), "The name of the proxy has an address."
	}
	switch {
	case j.dnsErr != nil:
		found, remedy := doctor.Trouble(j.dnsErr)
		x.add("dns", what, doctor.Fail, found, remedy)
	case len(j.addresses) > 0:
		x.add("dns", what, doctor.Pass, fmt.Sprintf("%s is %s, in %v", j.host, names(j.addresses), roughly(j.dnsTook)), "")
	case net.ParseIP(host) != nil:
		x.add("dns", what, doctor.Pass, host+" is an address itself", "")
	default:
		x.add("dns", what, doctor.Skipped, "nothing was looked up", "")
	}
}

func (x *examination) judgeTCP(j *journey, err error) {
	const what = "A connection can be made."
	switch {
	case j.connected != "":
		found := fmt.Sprintf("to %s, in %v", j.connected, roughly(j.tcpTook))
		if len(j.refused) > 0 {
			x.add("tcp", what, doctor.Warning, found+"; not to "+names(j.refused), "Take the addresses out of DNS at which nothing listens: clients may try them first.")
			return
		}
		x.add("tcp", what, doctor.Pass, found, "")
	case x.broken():
		x.add("tcp", what, doctor.Skipped, "", "")
	default:
		if j.tcpErr == nil {
			j.tcpErr = err
		}
		found, remedy := doctor.Trouble(j.tcpErr)
		if len(j.refused) > 0 {
			found += ": " + names(j.refused)
		}
		x.add("tcp", what, doctor.Fail, found, remedy)
	}
}

func (x *examination) judgeTLS(j *journey, err error) {
	const what = "The certificate is valid for the server."
	switch {
	case j.tlsErr != nil:
		found, remedy := doctor.Trouble(j.tlsErr)
		x.add("tls", what, doctor.Fail, found+chainText(j.tlsErr), remedy)
	case j.tlsState == nil && err == nil, j.tlsState == nil && x.broken():
		x.add("tls", what, doctor.Skipped, "", "")
	case j.tlsState == nil:
		found, remedy := doctor.Trouble(err)
		x.add("tls", what, doctor.Fail, found, remedy)
	default:
		x.judgeCertificate(what, j)
	}
}

func (x *examination) judgeCertificate(what string, j *journey) {
	s := j.tlsState
	if len(s.PeerCertificates) == 0 {
		x.add("tls", what, doctor.Warning, "no certificate was sent", "")
		return
	}
	leaf := s.PeerCertificates[0]
	found := fmt.Sprintf("%s, %s, in %v", tls.VersionName(s.Version), certificateText(leaf), roughly(j.tlsTook))
	if len(s.PeerCertificates) > 1 {
		found += fmt.Sprintf(", with %d more of the chain", len(s.PeerCertificates)-1)
	}
	if left := time.Until(leaf.NotAfter); left < soon {
		x.add("tls", what, doctor.Warning, found, fmt.Sprintf("Renew the certificate: it ends in %v.", left.Round(time.Minute)))
		return
	}
	x.add("tls", what, doctor.Pass, found, "")
}

// certificateText is what a certificate says.
func certificateText(c *x509.Certificate) string {
	who := strings.Join(c.DNSNames, " ")
	if who == "" && len(c.IPAddresses) > 0 {
		who = c.IPAddresses[0].String()
	}
	if who == "" {
		who = c.Subject.CommonName
	}
	return fmt.Sprintf("for %s, of %s, until %s", who, issuerName(c), c.NotAfter.Local().Format(time.DateOnly))
}

func issuerName(c *x509.Certificate) string {
	if name := c.Issuer.CommonName; name != "" {
		return name
	}
	return c.Issuer.String()
}

// chainText tells what certificates an error is about.
func chainText(err error) string {
	invalid, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok || len(invalid.UnverifiedCertificates) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d sent: the first is %s)", len(invalid.UnverifiedCertificates), certificateText(invalid.UnverifiedCertificates[0]))
}
