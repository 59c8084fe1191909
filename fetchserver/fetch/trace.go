// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Event is one decision on the way of a fetch, for people who ask why. It
// holds no secrets: URLs come without userinfo, query and fragment.
type Event struct {
	// Stage is the part of the way: url, dns, dial, tls, request, redirect,
	// response, body and charset here; programs around this package add their
	// own, such as robots or cache.
	Stage string
	// URL is what it is about; may be empty.
	URL string
	// Detail says in one line what was found or decided.
	Detail string
	// Err is why the way ends here; nil means that it goes on.
	Err error
}

type traceKey struct{}

// WithTrace returns a context whose fetches report their decisions to f, after
// those traces that ctx already has. For one [Client.Do] they come one at a
// time; several at once call f at once.
func WithTrace(ctx context.Context, f func(Event)) context.Context {
	if earlier, ok := ctx.Value(traceKey{}).(func(Event)); ok {
		later := f
		f = func(e Event) { earlier(e); later(e) }
	}
	return context.WithValue(ctx, traceKey{}, f)
}

// Trace reports a decision to the traces of ctx. Without one it does nothing.
func Trace(ctx context.Context, e Event) {
	if f, ok := ctx.Value(traceKey{}).(func(Event)); ok {
		f(e)
	}
}

// Traced reports whether ctx has a trace, for callers to whom a Detail costs
// something to make.
func Traced(ctx context.Context) bool { return ctx.Value(traceKey{}) != nil }

// serialTrace returns a context whose trace gets one event at a time and, once
// quiet is called, no more: a connection that is still being opened may
// outlive the fetch that asked for it.
func serialTrace(ctx context.Context) (serial context.Context, quiet func()) {
	f, ok := ctx.Value(traceKey{}).(func(Event))
	if !ok {
		return ctx, func() {}
	}
	var mu sync.Mutex
	over := false
	serial = context.WithValue(ctx, traceKey{}, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			f(e)
		}
	})
	return serial, func() { mu.Lock(); defer mu.Unlock(); over = true }
}

// traceDNS reports what names lead to.
func traceDNS(ctx context.Context) context.Context {
	if !Traced(ctx) || ctx.Value(dnsKey{}) != nil {
		return ctx
	}
	var host atomic.Value // a look-up that was given up may still be under way
	host.Store("")
	ctx = context.WithValue(ctx, dnsKey{}, true)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(info httptrace.DNSStartInfo) { host.Store(info.Host) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			name := host.Load().(string)
			detail := name + " has no address"
			for i, addr := range info.Addrs {
				if i == 0 {
					detail = name + " has " + addr.String()
				} else {
					detail += ", " + addr.String()
				}
			}
			Trace(ctx, Event{Stage: "dns", Detail: detail, Err: info.Err})
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			Trace(ctx, Event{Stage: "tls", Detail: describeTLS(&state), Err: err})
		},
	})
}

// describeTLS is a connection, and who the other side says it is, in one line.
func describeTLS(state *tls.ConnectionState) string {
	if !state.HandshakeComplete || len(state.PeerCertificates) == 0 {
		return "no handshake"
	}
	quoted := func(s string) string { return strconv.QuoteToGraphic(s[:min(len(s), 100)]) }
	leaf := state.PeerCertificates[0]
	names := quoted(leaf.Subject.CommonName)
	if n := len(leaf.DNSNames); n > 0 {
		names = quoted(leaf.DNSNames[0])
		if n > 1 {
			names += " and " + strconv.Itoa(n-1) + " more"
		}
	}
	issuer := leaf.Issuer.CommonName
	if len(leaf.Issuer.Organization) > 0 {
		issuer = leaf.Issuer.Organization[0]
	}
	return tls.VersionName(state.Version) + ", certificate of " + names + " by " + quoted(issuer) +
		" until " + leaf.NotAfter.UTC().Format(time.DateOnly)
}

type dnsKey struct{}

// trace reports what a body is.
func (r *Response) trace(ctx context.Context) {
	Trace(ctx, Event{Stage: "body", URL: redact(r.URL),
		Detail: strconv.FormatInt(r.Received, 10) + " bytes received, " + strconv.Itoa(len(r.Body)) + " decoded, " + r.MediaType()})
	if LooksBinary(r.Body) {
		return
	}
	_, name, source := r.charset()
	Trace(ctx, Event{Stage: "charset", URL: redact(r.URL), Detail: name + ", by " + source})
}
