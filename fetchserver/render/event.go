// SPDX-License-Identifier: Apache-2.0

package render

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	cdpfetch "github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// maxHops bounds the documents that the main frame of a page goes through.
const maxHops = 10

// errNotHTML: the answer is nothing that has scripts.
var errNotHTML = errors.New("render: not a page of HTML")

// checkError is the refusal of Request.Check.
type checkError struct{ err error }

func (e *checkError) Error() string { return e.err.Error() }
func (e *checkError) Unwrap() error { return e.err }

// netError is how the browser names the failure of a navigation.
type netError struct{ name string }

func (e *netError) Error() string { return "render: " + e.name }

// navigationError finds out why the first document did not come.
func (p *page) navigationError(err error) error {
	select {
	case reason := <-p.failed:
		return reason
	default:
	}
	if p.last != nil {
		if reason := p.route.refusal(net.JoinHostPort(p.last.Hostname(), portOf(p.last))); reason != nil {
			return reason
		}
	}
	e, ok := errors.AsType[*netError](err)
	if !ok {
		return err
	}
	switch {
	// An error without a page, a file to be saved, an answer 204.
	case e.name == "net::ERR_HTTP_RESPONSE_CODE_FAILURE", e.name == "net::ERR_ABORTED":
		return errNotHTML
	case strings.HasPrefix(e.name, "net::ERR_CERT_"), strings.HasPrefix(e.name, "net::ERR_SSL_"):
		return &fetch.Error{Code: fetch.CodeTLS, URL: redacted(p.last), Detail: "the certificate or the handshake failed", Err: err}
	case e.name == "net::ERR_TIMED_OUT", e.name == "net::ERR_CONNECTION_TIMED_OUT":
		return &fetch.Error{Code: fetch.CodeTimeout, URL: redacted(p.last), Detail: "the page did not come in time", Err: err}
	}
	return &fetch.Error{Code: fetch.CodeConnect, URL: redacted(p.last), Detail: "the browser cannot get the page", Err: err}
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// event deals with what the browser reports of the page.
func (p *page) event(ctx context.Context, m *message) {
	switch m.Method {
	case cdpfetch.RequestPaused.Method:
		if e := event(m, cdpfetch.RequestPaused); e != nil && e.Request != nil {
			p.requestPaused(ctx, e)
		}
	case cdpfetch.AuthRequired.Method:
		if e := event(m, cdpfetch.AuthRequired); e != nil {
			p.authRequired(e)
		}
	case network.RequestWillBeSent.Method:
		if e := event(m, network.RequestWillBeSent); e != nil {
			if e.RedirectResponse != nil && e.Type == network.ResourceTypeDocument && e.FrameID == p.main && !p.committed {
				p.redirects = append(p.redirects, e.RedirectResponse.URL)
			}
			if matters(e.Type, e.FrameID == p.main) {
				p.loading[e.RequestID] = time.Now()
			}
		}
	case network.ResponseReceived.Method:
		if e := event(m, network.ResponseReceived); e != nil && e.Type == network.ResourceTypeDocument && e.FrameID == p.main && e.Response != nil {
			p.received(e.Response)
		}
	case network.LoadingFinished.Method:
		if e := event(m, network.LoadingFinished); e != nil {
			p.loadEnded(e.RequestID)
		}
	case network.LoadingFailed.Method:
		if e := event(m, network.LoadingFailed); e != nil {
			p.loadEnded(e.RequestID)
		}
	case cdppage.FrameNavigated.Method:
		if e := event(m, cdppage.FrameNavigated); e != nil && e.Frame != nil && e.Frame.ID == p.main && p.document != nil {
			if !p.committed {
				p.begin = time.Now()
			}
			p.committed, p.loaded, p.ready, p.lastLoad = true, false, time.Time{}, time.Now()
		}
	case cdppage.DomContentEventFired.Method:
		if p.committed {
			p.ready = time.Now()
		}
	case cdppage.LoadEventFired.Method:
		p.loaded = p.committed
	case cdppage.JavascriptDialogOpening.Method:
		post(p.session, cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{})
	}
}

// matters reports whether a page is not complete without a request of this
// kind.
func matters(kind network.ResourceType, main bool) bool {
	switch kind {
	case network.ResourceTypeScript, network.ResourceTypeXHR, network.ResourceTypeFetch, network.ResourceTypeStylesheet:
		return true
	case network.ResourceTypeDocument:
		return main
	}
	return false
}

func (p *page) loadEnded(id network.RequestID) {
	if _, ok := p.loading[id]; ok {
		delete(p.loading, id)
		p.lastLoad = time.Now()
	}
}

// received has the answer for the main frame.
func (p *page) received(r *network.Response) {
	switch {
	case r.MimeType == "text/html" || r.MimeType == "application/xhtml+xml":
		p.document = r
	case !p.committed:
		p.fail(errNotHTML)
	} // what a script goes to later is not what was asked for
}

// requestPaused decides about a request of the page. The proxy decides about
// its address.
func (p *page) requestPaused(ctx context.Context, e *cdpfetch.EventRequestPaused) {
	p.asked++
	refuse := func(reason network.ErrorReason) {
		post(p.session, cdpfetch.FailRequest, cdpfetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: reason})
	}
	u, err := url.Parse(e.Request.URL)
	main := e.ResourceType == network.ResourceTypeDocument && e.FrameID == p.main
	switch {
	case err != nil:
		refuse(network.ErrorReasonAborted)
	case main:
		p.mainRequest(ctx, e, u)
	case p.asked > p.opts.MaxRequests:
		p.note(ctx, "The page made more requests than it may; the rest was refused.")
		refuse(network.ErrorReasonBlockedByClient)
	case useless[e.ResourceType] || isIcon(e.Request):
		refuse(network.ErrorReasonBlockedByClient)
	case u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "data" || u.Scheme == "blob":
		post(p.session, cdpfetch.ContinueRequest, cdpfetch.ContinueRequestParams{RequestID: e.RequestID})
	default:
		refuse(network.ErrorReasonBlockedByClient)
	}
}

// useless are kinds of requests that add nothing to the text of a page.
var useless = map[network.ResourceType]bool{
	network.ResourceTypeImage: true, network.ResourceTypeMedia: true, network.ResourceTypeFont: true, network.ResourceTypeTextTrack: true,
	network.ResourceTypePing: true, network.ResourceTypePrefetch: true, network.ResourceTypeManifest: true,
	network.ResourceTypeCSPViolationReport: true, network.ResourceTypeFedCM: true,
}

// isIcon recognises the request of the browser for the icon of a page.
func isIcon(r *network.Request) bool {
	accept, _ := r.Headers["Accept"].(string)
	return strings.HasPrefix(accept, "image/")
}

// mainRequest judges the next document of the main frame: the one that was
// asked for, where it redirects to, or where a script goes.
func (p *page) mainRequest(ctx context.Context, e *cdpfetch.EventRequestPaused, u *url.URL) {
	before, first := p.last, !p.committed
	p.hops++
	p.last = u
	tooMany := p.hops > maxHops
	p.work.Go(func() { // a check may have to fetch robots.txt
		p.checks.Lock()
		defer p.checks.Unlock()
		err := p.route.client.CheckURL(e.Request.URL)
		switch {
		case err != nil:
		case tooMany:
			err = &fetch.Error{Code: fetch.CodeRedirect, URL: redacted(u), Detail: "the page goes from one to the next without end"}
		case before != nil && before.Scheme == "https" && u.Scheme == "http":
			err = &fetch.Error{Code: fetch.CodeRedirect, URL: redacted(before), Detail: "a redirect from https to http is not followed"}
		case e.Request.Method != http.MethodGet:
			err = &fetch.Error{Code: fetch.CodeRedirect, URL: redacted(u), Detail: "a form that the page sends is not followed"}
		case p.req.Check != nil:
			if refused := p.req.Check(ctx, u); refused != nil {
				err = &checkError{refused}
			}
		}
		if err == nil {
			post(p.session, cdpfetch.ContinueRequest, cdpfetch.ContinueRequestParams{RequestID: e.RequestID, Headers: p.headers(e, u)})
			return
		}
		if first {
			p.fail(err)
			post(p.session, cdpfetch.FailRequest, cdpfetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonAborted})
			return
		}
		// An answer without content leaves the page as it is, where an error
		// would replace it; but its parsing may have ended here.
		p.stays.Store(true)
		fetch.Trace(ctx, fetch.Event{Stage: "render", URL: redacted(u), Detail: "the page wanted to go elsewhere, which was refused"})
		post(p.session, cdpfetch.FulfillRequest, cdpfetch.FulfillRequestParams{RequestID: e.RequestID, ResponseCode: http.StatusNoContent})
	})
}

// headers returns the header of a document's request with the caller's fields,
// which only the origin gets that was asked for; nil means as it is.
func (p *page) headers(e *cdpfetch.EventRequestPaused, u *url.URL) []*cdpfetch.HeaderEntry {
	asked, err := url.Parse(p.req.URL)
	if len(p.req.Header) == 0 || err != nil || asked.Scheme != u.Scheme || !strings.EqualFold(asked.Hostname(), u.Hostname()) || portOf(asked) != portOf(u) {
		return nil
	}
	var all []*cdpfetch.HeaderEntry
	for name, value := range e.Request.Headers {
		if text, ok := value.(string); ok && p.req.Header.Values(name) == nil {
			all = append(all, &cdpfetch.HeaderEntry{Name: name, Value: text})
		}
	}
	for name, values := range p.req.Header {
		all = append(all, &cdpfetch.HeaderEntry{Name: name, Value: strings.Join(values, ", ")})
	}
	return all
}

// authRequired tells the proxy's password, once for each request, and nothing
// to origins.
func (p *page) authRequired(e *cdpfetch.EventAuthRequired) {
	answer := &cdpfetch.AuthChallengeResponse{Response: cdpfetch.AuthChallengeResponseResponseCancelAuth}
	if e.AuthChallenge != nil && e.AuthChallenge.Source == cdpfetch.AuthChallengeSourceProxy && !p.answered[e.RequestID] {
		p.answered[e.RequestID] = true
		answer = &cdpfetch.AuthChallengeResponse{
			Response: cdpfetch.AuthChallengeResponseResponseProvideCredentials, Username: proxyUser, Password: p.route.password,
		}
	}
	post(p.session, cdpfetch.ContinueWithAuth, cdpfetch.ContinueWithAuthParams{RequestID: e.RequestID, AuthChallengeResponse: answer})
}

func unmarshal(raw jsonv2.Value, value any) error { return jsonv2.Unmarshal(raw, value, jsonOptions) }

var _ cdp.Session = session{}
