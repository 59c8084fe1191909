// SPDX-License-Identifier: Apache-2.0

package render

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// errNotStarted: the browser ended before the page was opened.
var errNotStarted = errors.New("render: the browser ended before the page was opened")

// startTime bounds the start of Chromium.
const startTime = 20 * time.Second

// instance is one run of Chromium.
type instance struct {
	ready   chan struct{} // closed when process or err is set
	process *process
	err     error
	stop    chan struct{} // closed to end it
	once    sync.Once
	over    chan struct{} // closed when nothing of it is left

	users int         // guarded by Browser.mu: pages, and callers that wait for ready
	pages int         // guarded by Browser.mu: so far
	idle  *time.Timer // guarded by Browser.mu: ends an instance without users

	mu    sync.Mutex
	tabs  map[target.ID]*page
	popup int // windows that pages opened, and that were closed
}

// acquire returns a running instance, which release has to be told of.
func (b *Browser) acquire(ctx context.Context) (*instance, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, errClosed
	}
	i := b.current
	if i == nil || i.pages >= b.opts.Recycle || i.ended() {
		i = &instance{
			ready: make(chan struct{}), stop: make(chan struct{}), over: make(chan struct{}),
			tabs: make(map[target.ID]*page),
		}
		if old := b.current; old != nil && old.users == 0 {
			old.end()
		}
		b.current = i
		b.all.Go(func() { b.run(i) })
	}
	if i.idle != nil {
		i.idle.Stop()
		i.idle = nil
	}
	i.users++
	i.pages++
	b.mu.Unlock()
	select {
	case <-i.ready:
		if i.err != nil {
			b.release(i)
			return nil, i.err
		}
		return i, nil
	case <-ctx.Done():
		b.release(i)
		return nil, ctx.Err()
	}
}

// release is called once for each acquire.
func (b *Browser) release(i *instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i.users--; i.users > 0 {
		return
	}
	if b.current != i { // replaced
		i.end()
		return
	}
	i.idle = time.AfterFunc(b.opts.Idle, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if i.users == 0 {
			i.end()
		}
	})
}

// end has the instance ended, and does not wait for it.
func (i *instance) end() { i.once.Do(func() { close(i.stop) }) }

// ended reports whether the instance is of no use any more.
func (i *instance) ended() bool {
	select {
	case <-i.stop:
		return true
	case <-i.over:
		return true
	default:
	}
	select {
	case <-i.ready:
		if i.err != nil {
			return true
		}
		select {
		case <-i.process.gone:
			return true
		default:
		}
	default:
	}
	return false
}

// run starts Chromium and stays until it has ended.
func (b *Browser) run(i *instance) {
	defer close(i.over)
	begin := time.Now()
	p, err := startProcess(&b.opts, b.path, b.proxy.listener.Addr().String())
	if err == nil {
		i.process = p
		p.watch("", i.browserEvent)
		err = b.greet(i)
		if err != nil {
			p.kill()
			err = &fetch.Error{Code: CodeRender, Detail: "Chromium does not start: " + p.why(), Err: err}
		}
	} else {
		err = &fetch.Error{Code: CodeRender, Detail: "Chromium does not start", Err: err}
	}
	if i.err = err; err != nil {
		close(i.ready)
		b.opts.Logger.LogAttrs(context.Background(), slog.LevelError, "Chromium does not start", slog.String("error", err.Error()))
		return
	}
	close(i.ready)
	b.opts.Logger.LogAttrs(context.Background(), slog.LevelInfo, "Chromium started", slog.Int("pid", p.pid), slog.Duration("duration", time.Since(begin)))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchMemory(i.stop, p, b.opts.MaxMemory)
	}()
	select {
	case <-i.stop:
	case <-p.gone:
		b.opts.Logger.LogAttrs(context.Background(), slog.LevelWarn, "Chromium ended", slog.String("output", p.why()))
		i.end()
	}
	p.kill()
	<-watched
	b.opts.Logger.LogAttrs(context.Background(), slog.LevelDebug, "Chromium is gone", slog.Int("pid", p.pid))
}

// greet waits until the browser answers, and tells it what holds for all pages.
func (b *Browser) greet(i *instance) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	s := session{conn: i.process.conn}
	if _, err := cdp.Call(ctx, s, browser.GetVersion, cdp.Empty{}); err != nil {
		return err
	}
	_, err := cdp.Call(ctx, s, target.SetDiscoverTargets, target.SetDiscoverTargetsParams{Discover: true})
	if err != nil {
		return err
	}
	_, err = cdp.Call(ctx, s, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorDeny})
	return err
}

// browserEvent looks after windows: those that pages open are closed, those
// that crash are reported.
func (i *instance) browserEvent(m *message) {
	switch m.Method {
	case target.TargetCreated.Method:
		e := event(m, target.TargetCreated)
		if e == nil || e.TargetInfo == nil || e.TargetInfo.Type != "page" || e.TargetInfo.OpenerID == "" {
			return
		}
		i.mu.Lock()
		i.popup++
		i.mu.Unlock()
		post(session{conn: i.process.conn}, target.CloseTarget, target.CloseTargetParams{TargetID: e.TargetInfo.TargetID})
	case target.TargetCrashed.Method:
		if e := event(m, target.TargetCrashed); e != nil {
			i.mu.Lock()
			p := i.tabs[e.TargetID]
			i.mu.Unlock()
			if p != nil {
				p.fail(&fetch.Error{Code: CodeRender, Detail: fmt.Sprintf("the page crashed (%s); it may need more memory than it gets", e.Status)})
			}
		}
	}
}
