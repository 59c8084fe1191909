// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/httpcache"
)

// Request says which document is wanted.
type Request struct {
	// URL is an absolute http or https URL.
	URL string
	// Raw leaves HTML as it is.
	Raw bool
	// ByPerson says that a person asked for this very URL: robots.txt, which
	// is for automated clients, is not asked.
	ByPerson bool
	// Continue says that the caller has read the beginning of the document and
	// wants the rest of the same.
	Continue bool
	// NoCache asks the origin even if the document is kept.
	NoCache bool
	// Method, Header and Body go to the origin as in [fetch.Request]. The zero
	// values make a plain GET, the only kind of request that is cached.
	Method string
	Header http.Header
	Body   []byte
}

// Renderer runs the scripts of a page. Package render has one.
type Renderer interface {
	// Render returns the answer with the HTML of the page after its scripts
	// ran as the body. It obeys r as [fetch.Client.Do] does.
	Render(ctx context.Context, r *fetch.Request) (*fetch.Response, error)
}

// Fetch returns a document: from the cache, or from its origin if robots.txt
// allows it, when it is its turn. It is what the tools, the prompt and the
// resources do. A status other than 2xx is an error. An error wraps a
// *[fetch.Error], a *[robots.DisallowedError] or that of a context where that
// is the reason; [Explain] puts any of them into words. Each decision is
// reported to the trace of ctx, see [fetch.WithTrace].
func (s *Server) Fetch(ctx context.Context, r *Request) (*Document, error) {
	d, _, err := s.fetch(ctx, r)
	return d, err
}

// fetch is Fetch, and what there is to count.
func (s *Server) fetch(ctx context.Context, r *Request) (*Document, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	start := time.Now()
	o := &Outcome{Cache: CacheBypass}
	d, err := s.load(context.WithValue(ctx, outcomeKey{}, o), r)
	o.Duration = time.Since(start)
	o.Result, o.Reason = resultOf(err)
	if s.opts.Observe != nil {
		s.opts.Observe(*o)
	}
	return d, *o, err
}

type outcomeKey struct{}

// outcomeOf returns where to note what there is to count. What the cache does
// in the background counts for nobody.
func outcomeOf(ctx context.Context) *Outcome {
	if o, ok := ctx.Value(outcomeKey{}).(*Outcome); ok {
		return o
	}
	return new(Outcome)
}

// load gets a document through the cache.
func (s *Server) load(ctx context.Context, r *Request) (*Document, error) {
	resp, info, err := s.get(ctx, r, "")
	if err != nil {
		return nil, err
	}
	p, o := resp.Value, outcomeOf(ctx)
	if o.Status = p.resp.Status; o.Cache != CacheHit { // which the trip may have found on its way
		o.Cache = CacheStatus(info.Status)
	}
	if p.resp.Status < 200 || p.resp.Status > 299 {
		return nil, &statusError{resp: p.resp, text: p.doc.Text, boundary: s.boundary(p.doc)}
	}
	d := *p.doc
	d.Freshness = info.FreshFor
	d.Public = info.Public && len(r.Header) == 0
	d.Robots = RobotsNotAsked
	if s.robots != nil && !r.ByPerson {
		d.Robots = RobotsAllowed
	}
	return &d, nil
}

// get gets a page through the cache. A purpose sets pages apart that are got in
// another way.
func (s *Server) get(ctx context.Context, r *Request, purpose string) (*httpcache.Response[*page], httpcache.Info, error) {
	who := principalOf(ctx)
	ask := func(ctx context.Context, conditional http.Header) (*httpcache.Response[*page], error) {
		ctx = withPrincipal(ctx, who) // also in the background
		t := &trip{server: s, request: r, purpose: purpose}
		defer t.end()
		return t.run(ctx, conditional)
	}
	if s.cache == nil {
		resp, err := ask(ctx, nil)
		return resp, httpcache.Info{Status: httpcache.Bypass}, err
	}
	resp, info, err := s.cache.Do(ctx, s.cacheKey(ctx, r, purpose), func(ctx context.Context, conditional http.Header) (*httpcache.Response[*page], error) {
		if fetch.Traced(ctx) {
			detail := "nothing usable is kept"
			if conditional != nil {
				detail = "what is kept is to be validated"
			}
			fetch.Trace(ctx, fetch.Event{Stage: "cache", Detail: detail})
		}
		return ask(ctx, conditional)
	})
	if err == nil && fetch.Traced(ctx) {
		fetch.Trace(ctx, fetch.Event{Stage: "cache", Detail: describeInfo(info)})
	}
	return resp, info, err
}

// cacheKey is a request as the cache knows it. Documents are not shared
// between principals, nor between callers with different header fields, nor
// are those that a person asked for, past robots.txt, given to others.
func (s *Server) cacheKey(ctx context.Context, r *Request, purpose string) *httpcache.Request {
	if r.Raw {
		purpose += " raw"
	}
	if r.ByPerson && s.robots != nil {
		purpose += " person"
	}
	header := r.Header
	if r.NoCache {
		header = withNoCache(header)
	}
	return &httpcache.Request{
		Method: r.Method, URL: r.URL, Header: header, Variant: purpose, Continue: r.Continue,
		Partition: principalOf(ctx) + fingerprint(r.Header),
	}
}

func withNoCache(h http.Header) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Cache-Control", "no-cache")
	return h
}

// doneReading says that the last slice of a document was handed out. What may
// not be kept is forgotten then.
func (s *Server) doneReading(ctx context.Context, r *Request) {
	if s.cache != nil {
		s.cache.Release(s.cacheKey(ctx, r, ""))
	}
}

func describeInfo(i httpcache.Info) string {
	detail := string(i.Status)
	switch {
	case i.Held:
		detail += ", kept for the rest of a reading"
	case i.Stale:
		detail += ", stale as the origin permits"
	case i.FreshFor > 0:
		detail += ", fresh for " + i.FreshFor.Round(time.Second).String()
	case i.Status != httpcache.Bypass:
		detail += ", to be validated next time"
	}
	return detail
}
