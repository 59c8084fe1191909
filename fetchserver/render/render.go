// SPDX-License-Identifier: Apache-2.0

package render

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// CodeRender is the code of an error of the browser or of what a page did to
// it.
const CodeRender fetch.Code = "render"

// Options configure a [Browser]. Client is needed, the rest has defaults.
type Options struct {
	// Client is by whose rules pages connect. What is no page of HTML is
	// fetched with it.
	Client *fetch.Client
	// Path is the Chromium to run. Empty means what [Find] finds.
	Path string
	// NoSandbox runs Chromium without its sandbox: a page that exploits an
	// error of it then has the rights of this process. It is needed to run it
	// as root, and in containers that allow no user namespaces.
	NoSandbox bool
	// UserAgent is what pages are told. Default [fetch.DefaultUserAgent].
	UserAgent string
	// MaxPages bounds the pages at the same time; further ones wait within
	// their time. Default 2.
	MaxPages int
	// Timeout bounds the work on one page. Default 25 s.
	Timeout time.Duration
	// Settle is how long a page must do nothing, neither load nor add elements,
	// to count as complete. Default 250 ms.
	Settle time.Duration
	// MaxSettle bounds the time from the start of the page to that moment;
	// then the page is taken as it is. Default 8 s.
	MaxSettle time.Duration
	// MaxBytes bounds what a page receives from the network, all of its
	// parts together. Default 20 MiB.
	MaxBytes int64
	// MaxRequests bounds the requests of a page. Default 300.
	MaxRequests int
	// MaxHTML bounds the HTML of a page in UTF-16 code units. Default 10 Mi.
	MaxHTML int
	// MaxMemory bounds the memory of one page in bytes: on Linux a page that
	// takes more is ended, elsewhere the bound is for its scripts alone.
	// Default 512 MiB.
	MaxMemory int64
	// Recycle is after how many pages a browser is replaced by a fresh one.
	// Default 200.
	Recycle int
	// Idle is how long a browser without pages stays. Default 2 min.
	Idle time.Duration
	// TempDir is where the browser may write; all of it is removed. Default
	// [os.TempDir].
	TempDir string
	// Logger gets records of starts and ends of browsers. Nil discards.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	if o.UserAgent == "" {
		o.UserAgent = fetch.DefaultUserAgent
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	positive(&o.MaxPages, 2)
	positive(&o.Timeout, 25*time.Second)
	positive(&o.Settle, 250*time.Millisecond)
	positive(&o.MaxSettle, 8*time.Second)
	positive(&o.MaxBytes, 20<<20)
	positive(&o.MaxRequests, 300)
	positive(&o.MaxHTML, 10<<20)
	positive(&o.MaxMemory, 512<<20)
	positive(&o.Recycle, 200)
	positive(&o.Idle, 2*time.Minute)
}

func positive[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Browser renders pages. It starts Chromium with the first page, again after a
// crash, and ends it when there is nothing to do. It is safe for concurrent use.
type Browser struct {
	opts  Options
	path  string
	proxy *proxy
	turns chan struct{} // holds a token for each page

	closing context.Context
	close   context.CancelFunc
	all     sync.WaitGroup // renderings, and ends of instances

	mu      sync.Mutex
	closed  bool
	current *instance // nil: none
}

// New returns a browser without starting it. The error says that there is no
// Client or no Chromium, that it would need NoSandbox, or that its proxy cannot
// listen on the loopback address.
func New(o Options) (*Browser, error) {
	o.setDefaults()
	if o.Client == nil {
		return nil, errors.New("render: Options.Client is nil; pages need a client to connect by")
	}
	path, err := Find(o.Path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS == "linux" && os.Geteuid() == 0 && !o.NoSandbox {
		return nil, errors.New("render: Chromium has no sandbox when root runs it: run as another user, or allow that it runs without one")
	}
	p, err := newProxy(o.Client)
	if err != nil {
		return nil, err
	}
	b := &Browser{opts: o, path: path, proxy: p, turns: make(chan struct{}, o.MaxPages)}
	b.closing, b.close = context.WithCancel(context.Background())
	return b, nil
}

// Close ends all renderings and the browser, and waits until nothing is left of
// them. Calls after the first do nothing.
func (b *Browser) Close() {
	b.mu.Lock()
	b.closed = true
	i := b.current
	b.current = nil
	b.mu.Unlock()
	b.close()
	if i != nil {
		i.end()
	}
	b.all.Wait()
	b.proxy.close()
}

// errClosed: the Browser was closed.
var errClosed = &fetch.Error{Code: CodeRender, Detail: "the browser is closed"}

// Render returns the page that r names with its HTML after its scripts ran, in
// UTF-8. Redirects and navigations of scripts are judged by the client and by
// r.Check like those of [fetch.Client.Do]. What is no HTML is fetched without
// the browser. A page that does not settle is returned as it is then; that, and
// what was refused or cut, is in the notes of the response and reported to the
// trace of ctx in the stage "render". The error is an *[fetch.Error] or one of
// r.Check.
//
// A request other than a GET without a body is an error. r.Timeout replaces
// Options.Timeout, waiting included; r.MaxBytes can lower Options.MaxBytes.
func (b *Browser) Render(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
	if r.Method != "" && r.Method != "GET" || len(r.Body) > 0 {
		return nil, &fetch.Error{Code: CodeRender, Detail: "only pages that are got with GET can be rendered"}
	}
	if err := b.opts.Client.CheckURL(r.URL); err != nil {
		return nil, err
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, errClosed
	}
	b.all.Add(1)
	b.mu.Unlock()
	defer b.all.Done()

	timeout := b.opts.Timeout
	if r.Timeout > 0 {
		timeout = r.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	resp, err := b.render(ctx, r)
	switch {
	case err == nil:
		return resp, nil
	case b.closing.Err() != nil:
		return nil, errClosed
	case errors.Is(err, errNotHTML):
		fetch.Trace(ctx, fetch.Event{Stage: "render", Detail: "not a page of HTML, fetched without the browser"})
		return b.opts.Client.Do(ctx, r)
	}
	err = explain(ctx, err)
	fetch.Trace(ctx, fetch.Event{Stage: "render", Err: err})
	return nil, err
}

func (b *Browser) render(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
	select {
	case b.turns <- struct{}{}:
		defer func() { <-b.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for try := 0; ; try++ {
		i, err := b.acquire(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := b.renderIn(ctx, i, r)
		b.release(i)
		// A browser that ended before it did anything for this page may have
		// done so for another.
		if !errors.Is(err, errNotStarted) || try > 0 {
			return resp, err
		}
	}
}

// explain turns what went wrong into an *fetch.Error, unless the caller's check
// or its end is the reason.
func explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*fetch.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*checkError](err); ok {
		return errors.Unwrap(err)
	}
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return &fetch.Error{Code: fetch.CodeTimeout, Detail: "the page was not there in time", Err: context.DeadlineExceeded}
	case context.Canceled:
		return &fetch.Error{Code: fetch.CodeCancelled, Detail: "the request was cancelled", Err: context.Canceled}
	}
	if errors.Is(err, errGone) {
		return &fetch.Error{Code: CodeRender, Detail: "the browser ended while it loaded the page", Err: err}
	}
	return &fetch.Error{Code: CodeRender, Detail: "the browser cannot load the page", Err: err}
}
