// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/pace"
)

// maxCrawlDelay is the longest pause between two requests that a robots.txt
// file can ask for: it means crawlers, which have more time than the callers
// of this server.
const maxCrawlDelay = 5 * time.Second

// trip is one way to the origin and back, over any redirects. It is for one
// goroutine.
type trip struct {
	server  *Server
	request *Request
	purpose string

	hops int        // requests sent so far
	turn *pace.Turn // nil: not its turn
	sent time.Time  // when the last hop began
}

// keptError ends a trip on whose way a document is found in the cache.
type keptError struct{ resp *httpcache.Response[*page] }

func (*keptError) Error() string { return "fetchserver: the document is in the cache" }

// end gives the turn back.
func (t *trip) end() {
	if t.turn != nil {
		t.turn.Done()
		t.turn = nil
	}
}

// run asks the origin and makes a page of its answer.
func (t *trip) run(ctx context.Context, conditional http.Header) (_ *httpcache.Response[*page], err error) {
	s, r := t.server, t.request
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout) // of the caller too, unless this is in the background
	defer cancel()
	ctx, ended := s.part(ctx, PartFetch, r.URL, "")
	status := 0
	defer func() { ended(status, err) }()
	req := &fetch.Request{URL: r.URL, Method: r.Method, Header: r.Header, Body: r.Body, Check: t.hop}
	if r.NoCache {
		req.Header = withNoCache(req.Header)
	}
	if conditional != nil {
		req.Header = maps.Clone(req.Header)
		if req.Header == nil {
			req.Header = http.Header{}
		}
		maps.Copy(req.Header, conditional)
	}
	resp, err := s.client.Do(ctx, req)
	if kept, ok := errors.AsType[*keptError](err); ok {
		if t.purpose == "" {
			outcomeOf(ctx).Cache = CacheHit
		}
		return kept.resp, nil
	}
	if err != nil {
		return nil, err
	}
	received := time.Now()
	status = resp.Status
	o := outcomeOf(ctx)
	o.Received, o.Decoded = o.Received+resp.Received, o.Decoded+int64(len(resp.Body))
	t.obeyRetryAfter(ctx, resp)
	answer := &httpcache.Response[*page]{Status: resp.Status, Header: resp.Header, Requested: t.sent, Received: received}
	if conditional != nil && resp.Status == http.StatusNotModified {
		return answer, nil
	}
	content, err := s.convert(ctx, resp, r.Raw)
	if err != nil {
		return nil, err
	}
	shown := resp
	if t.wantsScripts(resp, content) {
		rendering, ended := s.part(ctx, PartRender, r.URL, "")
		shown, content, answer.Composed = t.render(rendering, req, resp, content)
		ended(0, nil)                        // the page as it was is good enough
		answer.OneReading = !answer.Composed // it may work the next time
	}
	t.end() // for the Markdown may be at the same host
	p := newPage(newDocument(shown, content), resp, r.Raw)
	if t.purpose == "" && !r.Raw && resp.Status == http.StatusOK && t.isGet() {
		t.replaceByMarkdown(ctx, p, content, answer)
	}
	answer.Value, answer.Size = p, p.size()
	if len(resp.Redirects) > 0 && s.cache != nil && t.isGet() {
		// The document is that of another URL. For how long this one leads
		// there is not known.
		s.cache.Put(s.cacheKey(ctx, t.at(resp.URL), t.purpose), answer)
		answer = oneReading(answer)
	}
	return answer, nil
}

func oneReading(resp *httpcache.Response[*page]) *httpcache.Response[*page] {
	r := *resp
	r.OneReading = true
	return &r
}

func (t *trip) isGet() bool { return t.request.Method == "" || t.request.Method == http.MethodGet }

// at is the request for another URL on the way.
func (t *trip) at(u *url.URL) *Request {
	r := *t.request
	r.URL = u.String()
	return &r
}

// hop is asked before each request: is the document here already, does
// robots.txt allow it, whose turn is it?
func (t *trip) hop(ctx context.Context, u *url.URL) error {
	s := t.server
	if kept := t.kept(ctx, u); kept != nil {
		return kept
	}
	if t.turn != nil && !t.turn.At(u.Host) {
		t.end() // robots.txt may take its time
	}
	if s.robots != nil && !t.request.ByPerson {
		checking, ended := s.part(ctx, PartRobots, u.String(), "")
		err := s.robots.Check(checking, u)
		ended(0, err)
		if err != nil {
			fetch.Trace(ctx, fetch.Event{Stage: "robots", Detail: "forbidden", Err: err})
			return err
		}
		fetch.Trace(ctx, fetch.Event{Stage: "robots", Detail: "allowed"})
		s.pace.Slow(u.Host, min(s.robots.CrawlDelay(u), maxCrawlDelay))
	}
	if t.turn == nil {
		if err := t.wait(ctx, u.Host); err != nil {
			return err
		}
	}
	t.hops++
	t.sent = time.Now()
	return nil
}

// wait waits for the turn at a host.
func (t *trip) wait(ctx context.Context, host string) (err error) {
	start := time.Now()
	t.turn, err = t.server.pace.Wait(ctx, host)
	waited := time.Since(start)
	outcomeOf(ctx).Waited += waited
	if errors.Is(err, pace.ErrFull) || errors.Is(err, context.DeadlineExceeded) {
		err = errBusy
	}
	if fetch.Traced(ctx) {
		detail := "at once"
		if waited >= time.Millisecond {
			detail = "after " + waited.Round(time.Millisecond).String()
		}
		fetch.Trace(ctx, fetch.Event{Stage: "turn", Detail: detail, Err: err})
	}
	return err
}

// kept returns the document at a URL if it is in the cache: of a redirect's
// target, or in the other form.
func (t *trip) kept(ctx context.Context, u *url.URL) *keptError {
	s := t.server
	if s.cache == nil || !t.isGet() {
		return nil
	}
	r := t.at(u)
	key := s.cacheKey(ctx, r, t.purpose)
	resp, _, ok := s.cache.Get(key)
	if !ok {
		if resp = t.otherForm(ctx, r); resp == nil {
			return nil
		}
		if t.hops > 0 {
			s.cache.Put(key, resp)
		}
	}
	if t.hops > 0 {
		resp = oneReading(resp)
	}
	return &keptError{resp}
}

// otherForm makes the raw form of a kept page, or that of a kept raw page.
func (t *trip) otherForm(ctx context.Context, r *Request) *httpcache.Response[*page] {
	s := t.server
	other := *r
	other.Raw, other.Continue = !r.Raw, false
	kept, _, ok := s.cache.Get(s.cacheKey(ctx, &other, t.purpose))
	if !ok {
		return nil
	}
	whole := kept.Value.response()
	if whole == nil {
		return nil
	}
	content, err := s.convert(ctx, whole, r.Raw)
	if err != nil || content.MarkdownURL != "" && !r.Raw || t.wantsScripts(whole, content) {
		return nil // for which the origin has to be asked
	}
	resp := *kept
	resp.Value = newPage(newDocument(whole, content), whole, r.Raw)
	resp.Size = resp.Value.size()
	return &resp
}

// obeyRetryAfter leaves a host alone that asks for it (RFC 9110 section 10.2.3).
func (t *trip) obeyRetryAfter(ctx context.Context, resp *fetch.Response) {
	if resp.Status != http.StatusTooManyRequests && resp.Status != http.StatusServiceUnavailable {
		return
	}
	value := resp.Header.Get("Retry-After")
	var pause time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		pause = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		pause = time.Until(at)
	}
	if pause <= 0 {
		return
	}
	t.server.pace.Pause(resp.URL.Host, pause)
	fetch.Trace(ctx, fetch.Event{Stage: "turn", Detail: "the host wants to be left alone for " + pause.Round(time.Second).String()})
}
