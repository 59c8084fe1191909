// SPDX-License-Identifier: Apache-2.0

package render

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdpfetch "github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// maxEvents bounds the events of a page that wait to be dealt with. Only a page
// that floods the browser has more.
const maxEvents = 4096

// closeTime bounds the end of a page; a browser that needs longer is ended.
const closeTime = 5 * time.Second

// page is one page while it is rendered. Its fields belong to the goroutine
// that renders, unless they say otherwise.
type page struct {
	session
	opts  *Options
	req   *fetch.Request
	route *route
	main  cdp.FrameID // the main frame

	events chan *message
	failed chan error     // has room for the first reason to give up
	stays  atomic.Bool    // it wanted to go elsewhere and may not; perhaps it was not parsed to its end
	work   sync.WaitGroup // what runs beside
	checks sync.Mutex     // one at a time

	hops     int                         // documents asked for in the main frame
	asked    int                         // requests so far
	last     *url.URL                    // the document asked for last
	answered map[cdpfetch.RequestID]bool // requests that were told the proxy's password

	redirects []string
	document  *network.Response // of the main frame
	committed bool              // the main frame has a document of the page
	begin     time.Time         // when it had the first
	ready     time.Time         // when it was parsed; zero before
	loaded    bool              // with its parts
	loading   map[network.RequestID]time.Time
	lastLoad  time.Time // when loading became empty
	notes     []string
}

// fail ends the rendering. It may be called from any goroutine.
func (p *page) fail(err error) {
	select {
	case p.failed <- err:
	default: // there is a reason already
	}
}

// note reports once what a reader should know.
func (p *page) note(ctx context.Context, text string) {
	if !slices.Contains(p.notes, text) {
		p.notes = append(p.notes, text)
		fetch.Trace(ctx, fetch.Event{Stage: "render", URL: redacted(p.last), Detail: text})
	}
}

// renderIn renders a page in a running browser.
func (b *Browser) renderIn(ctx context.Context, i *instance, r *fetch.Request) (*fetch.Response, error) {
	p := &page{
		opts: &b.opts, req: r,
		events: make(chan *message, maxEvents), failed: make(chan error, 1),
		answered: make(map[cdpfetch.RequestID]bool), loading: make(map[network.RequestID]time.Time),
	}
	most := b.opts.MaxBytes
	if r.MaxBytes > 0 {
		most = min(most, r.MaxBytes)
	}
	tooMuch := make(chan struct{})
	p.route = b.proxy.open(ctx, most, sync.OnceFunc(func() { close(tooMuch) }))
	defer b.proxy.shut(p.route)

	root := session{conn: i.process.conn}
	yes := true
	made, err := cdp.Call(ctx, root, target.CreateBrowserContext, target.CreateBrowserContextParams{DisposeOnDetach: &yes})
	if err != nil {
		return nil, notStarted(err)
	}
	defer func() {
		// Disposing closes all windows. The caller may be gone, the page is not.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		_, err := cdp.Call(ctx, root, target.DisposeBrowserContext, target.DisposeBrowserContextParams(made))
		if err != nil && ctx.Err() != nil {
			i.end() // it is stuck
		}
	}()
	created, err := cdp.Call(ctx, root, target.CreateTarget, target.CreateTargetParams{URL: "about:blank", BrowserContextID: made.BrowserContextID})
	if err != nil {
		return nil, notStarted(err)
	}
	i.mu.Lock()
	i.tabs[created.TargetID] = p
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		delete(i.tabs, created.TargetID)
		i.mu.Unlock()
	}()
	attached, err := cdp.Call(ctx, root, target.AttachToTarget, target.AttachToTargetParams{TargetID: created.TargetID, Flatten: &yes})
	if err != nil {
		return nil, notStarted(err)
	}
	p.session = session{conn: i.process.conn, id: attached.SessionID}
	p.main = cdp.FrameID(created.TargetID)
	p.conn.watch(p.id, func(m *message) {
		select {
		case p.events <- m:
		default:
			p.fail(&fetch.Error{Code: CodeRender, Detail: "the page does too much at once"})
		}
	})
	defer p.conn.watch(p.id, nil)
	ctx, cancel := context.WithCancel(ctx)
	defer p.work.Wait()
	defer cancel()
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return p.run(ctx, tooMuch)
}

func notStarted(err error) error {
	if errors.Is(err, errGone) {
		return fmt.Errorf("%w: %w", errNotStarted, err)
	}
	return err
}

// prepare tells the browser what to report of the page, and what not to do.
func (p *page) prepare(ctx context.Context) error {
	yes := true
	none := int64(0)
	if _, err := cdp.Call(ctx, p, cdppage.Enable, cdppage.EnableParams{}); err != nil {
		return err
	}
	if _, err := cdp.Call(ctx, p, network.Enable, network.EnableParams{MaxTotalBufferSize: &none, MaxResourceBufferSize: &none}); err != nil {
		return err
	}
	if _, err := cdp.Call(ctx, p, network.SetBypassServiceWorker, network.SetBypassServiceWorkerParams{Bypass: true}); err != nil {
		return err
	}
	_, err := cdp.Call(ctx, p, cdpfetch.Enable, cdpfetch.EnableParams{
		Patterns: []*cdpfetch.RequestPattern{{URLPattern: "*"}}, HandleAuthRequests: &yes,
	})
	return err
}

// run loads the page and waits until it has settled.
func (p *page) run(ctx context.Context, tooMuch <-chan struct{}) (*fetch.Response, error) {
	navigated := make(chan error, 1)
	p.work.Go(func() {
		result, err := cdp.Call(ctx, p, cdppage.Navigate, cdppage.NavigateParams{URL: p.req.URL})
		switch {
		case err == nil && result.IsDownload:
			err = errNotHTML
		case err == nil && result.ErrorText != "":
			err = &netError{result.ErrorText}
		}
		navigated <- err
	})
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	quiet := make(chan time.Duration, 1)
	asking := false
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.conn.gone:
			return nil, errGone
		case err := <-p.failed:
			return nil, err
		case err := <-navigated:
			if err != nil {
				return nil, p.navigationError(err)
			}
		case m := <-p.events:
			p.event(ctx, m)
			continue
		case <-tooMuch:
			if !p.committed {
				return nil, &fetch.Error{Code: fetch.CodeTooLarge, Detail: "the page and its parts are too large"}
			}
			p.note(ctx, "The page loaded more than it may and was taken as it was then.")
			return p.finish(ctx, true)
		case since := <-quiet:
			asking = false
			if since >= p.opts.Settle && p.resting() {
				return p.finish(ctx, false)
			}
		case <-tick.C:
		}
		if !p.committed {
			continue
		}
		if time.Since(p.begin) > p.opts.MaxSettle {
			p.note(ctx, "The page did not come to rest and was taken as it was after "+p.opts.MaxSettle.String()+".")
			return p.finish(ctx, true)
		}
		if !asking && (!p.ready.IsZero() || p.stays.Load()) {
			asking = true
			p.work.Go(func() { quiet <- p.quiet(ctx) })
		}
	}
}

// resting reports whether the page is parsed and loads nothing that matters.
func (p *page) resting() bool {
	now := time.Now()
	switch {
	case p.stays.Load():
	case p.ready.IsZero(), !p.loaded && now.Sub(p.ready) < patience:
		return false
	}
	for _, since := range p.loading {
		if now.Sub(since) < patience { // what takes longer may never end
			return false
		}
	}
	return now.Sub(p.lastLoad) >= p.opts.Settle
}

// patience is how long one part of a page is waited for when the rest is there.
const patience = 3 * time.Second

// quiet asks the page for how long it has added nothing. It returns 0 if it
// does not know.
func (p *page) quiet(ctx context.Context) time.Duration {
	var ms float64
	if p.evaluate(ctx, quietScript, &ms) != nil {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// errScript: a script of this package failed, or was stopped.
var errScript = errors.New("render: a script of this package failed")

// evaluate runs an expression in the world of this package.
func (p *page) evaluate(ctx context.Context, expression string, value any) error {
	world, err := cdp.Call(ctx, p, cdppage.CreateIsolatedWorld, cdppage.CreateIsolatedWorldParams{FrameID: p.main, WorldName: worldName})
	if err != nil {
		return err
	}
	yes := true
	result, err := cdp.Call(ctx, p, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, ContextID: world.ExecutionContextID, ReturnByValue: &yes, Silent: &yes,
	})
	switch {
	case err != nil:
		return err
	case result.ExceptionDetails != nil || result.Result == nil:
		return errScript
	}
	return unmarshal(result.Result.Value, value)
}

// finish takes the page as it is. If it is restless its scripts are stopped,
// which may be in the middle of an endless one.
func (p *page) finish(ctx context.Context, restless bool) (*fetch.Response, error) {
	type taken struct {
		snapshot
		err error
	}
	done := make(chan taken, 1)
	p.work.Go(func() {
		var t taken
		if restless {
			_, t.err = cdp.Call(ctx, p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		}
		for try := 0; try < 3 && (try == 0 && t.err == nil || errors.Is(t.err, errScript)); try++ {
			// Stopping the page's scripts may hit this one.
			t.err = p.evaluate(ctx, snapshotScript(p.opts.MaxHTML), &t.snapshot)
		}
		done <- t
	})
	stop := time.NewTicker(500 * time.Millisecond)
	defer stop.Stop()
	for tries := 0; ; {
		select {
		case t := <-done:
			if t.err != nil {
				return nil, t.err
			}
			return p.response(ctx, t.snapshot)
		case err := <-p.failed:
			return nil, err
		case m := <-p.events:
			p.event(ctx, m)
		case <-p.conn.gone:
			return nil, errGone
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-stop.C:
			if tries++; tries > 8 {
				return nil, &fetch.Error{Code: CodeRender, Detail: "the scripts of the page do not end"}
			}
			post(p.session, runtime.TerminateExecution, cdp.Empty{})
		}
	}
}

// response makes the answer of what was taken.
func (p *page) response(ctx context.Context, s snapshot) (*fetch.Response, error) {
	if err := p.route.client.CheckURL(s.URL); err != nil {
		return nil, &fetch.Error{Code: CodeRender, Detail: "the page turned into something that is not on the web", Err: err}
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	if s.Cut {
		p.note(ctx, "The page is larger than can be returned; the rest is left out.")
	}
	h := make(http.Header, len(p.document.Headers))
	for name, value := range p.document.Headers {
		if text, ok := value.(string); ok {
			for line := range strings.Lines(text) { // several fields of a name
				h.Add(name, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	for _, name := range []string{"Content-Encoding", "Content-Length", "Transfer-Encoding", "Set-Cookie"} {
		h.Del(name)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	fetch.Trace(ctx, fetch.Event{Stage: "render", URL: redacted(u), Detail: fmt.Sprintf("%d requests, %d bytes of HTML", p.asked, len(s.HTML))})
	p.route.mu.Lock()
	received := p.route.received
	p.route.mu.Unlock()
	return &fetch.Response{
		URL: u, Redirects: p.redirects, Status: int(p.document.Status), Header: h, Body: []byte(s.HTML), Received: received, Notes: p.notes,
	}, nil
}

// redacted returns u without what may hold secrets.
func redacted(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := *u
	c.User, c.RawQuery, c.ForceQuery, c.Fragment, c.RawFragment = nil, "", false, "", ""
	return c.String()
}
