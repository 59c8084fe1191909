// SPDX-License-Identifier: Apache-2.0

package pdf

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/klippa-app/go-pdfium"
)

// Options configure a [Reader]. The zero value is the default.
type Options struct {
	// MaxPages bounds the pages that are read of a file. Default 500.
	MaxPages int
	// MaxText bounds the text of a file in bytes. Default 4 MiB.
	MaxText int
	// MaxMemory bounds what a file may take to be read, its own size included,
	// in bytes. Default 256 MiB; at most 4 GiB.
	MaxMemory int64
	// Timeout bounds the reading of a file, without the start of the parser.
	// Default 20 s.
	Timeout time.Duration
	// Concurrent bounds the files that are read at the same time; further ones
	// wait. Default 1.
	Concurrent int
	// Idle is how long the parser stays in memory after it has read a file.
	// Default 5 min.
	Idle time.Duration
	// CacheDir is a directory for the machine code of the parser, about 25 MB.
	// Nobody else may be able to write to it. With it, all starts but the first
	// take less than 0.1 s, otherwise each one to two seconds and some 300 MB
	// for a moment. It is created. Empty means none.
	CacheDir string
}

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.MaxPages <= 0 {
		c.MaxPages = 500
	}
	if c.MaxText <= 0 {
		c.MaxText = 4 << 20
	}
	if c.MaxMemory <= 0 {
		c.MaxMemory = 256 << 20
	}
	c.MaxMemory = min(c.MaxMemory, 4<<30)
	if c.Timeout <= 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Concurrent <= 0 {
		c.Concurrent = 1
	}
	if c.Idle <= 0 {
		c.Idle = 5 * time.Minute
	}
	return c
}

// The errors that say what is the matter with a file.
var (
	// ErrEncrypted: the file can only be opened with a password.
	ErrEncrypted = errors.New("pdf: the file is encrypted and needs a password")
	// ErrBroken: the bytes are not a PDF file, or too damaged to be opened.
	ErrBroken = errors.New("pdf: this is not a PDF file, or it is damaged")
	// ErrTooComplex: the file cannot be read within the memory that it may
	// take, or the parser gave up.
	ErrTooComplex = errors.New("pdf: the file is too large or too complex to be read")
)

// ErrClosed is returned by a [Reader] that was closed.
var ErrClosed = errors.New("pdf: the reader is closed")

// Document is what is in a file.
type Document struct {
	// Title and Author are what the file says about itself; may be empty.
	Title, Author string
	// Created is when the file says that it was made; may be zero.
	Created time.Time
	// Pages is the number of pages in the file.
	Pages int
	// Text is the text of the pages, in UTF-8. Before each page but the first
	// is a line like "--- page 2 ---"; headings start with "#" as in Markdown,
	// but nothing is escaped.
	Text string
	// Empty is the number of pages without any text, such as scanned ones.
	Empty int
	// Truncated tells that Text is only the beginning, because of MaxPages or
	// MaxText.
	Truncated bool
}

// Reader reads PDF files. It is safe for concurrent use.
type Reader struct {
	opts    Options
	turns   chan struct{} // holds a token for each file that is being read
	closing context.Context
	close   context.CancelFunc

	mu     sync.Mutex
	engine *engine     // nil: not started
	users  int         // of engine
	idle   *time.Timer // drops engine; set while users is 0 and engine is not nil
	closed bool
	all    sync.WaitGroup // calls of Text, and starts of engines
}

// New returns a reader. It starts nothing. A nil o means the defaults.
func New(o *Options) *Reader {
	r := &Reader{opts: o.withDefaults()}
	r.turns = make(chan struct{}, r.opts.Concurrent)
	r.closing, r.close = context.WithCancel(context.Background())
	return r
}

// Text reads the file that body holds. It ends soon after ctx does, with its
// error, and after Options.Timeout with [context.DeadlineExceeded]. The other
// errors are [ErrEncrypted], [ErrBroken], [ErrTooComplex], [ErrClosed], or tell
// that the parser cannot start. A file without text is no error, see
// Document.Empty.
func (r *Reader) Text(ctx context.Context, body []byte) (*Document, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, ErrClosed
	}
	r.all.Add(1)
	r.mu.Unlock()
	defer r.all.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.closing, cancel)()

	d, err := r.text(ctx, body)
	if err != nil && r.closing.Err() != nil {
		return nil, ErrClosed
	}
	return d, err
}

func (r *Reader) text(ctx context.Context, body []byte) (*Document, error) {
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	e, err := r.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer r.release()
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	var d *Document
	err = e.run(ctx, func(p pdfium.Pdfium) (err error) {
		d, err = r.read(p, body)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// acquire returns the engine, which it starts if it has to. Starting goes on
// after ctx ends, for the next file.
func (r *Reader) acquire(ctx context.Context) (*engine, error) {
	r.mu.Lock()
	if r.idle != nil {
		r.idle.Stop()
		r.idle = nil
	}
	if r.engine == nil {
		e := &engine{ready: make(chan struct{})}
		r.engine = e
		r.all.Go(func() { e.start(&r.opts) })
	}
	e := r.engine
	r.users++
	r.mu.Unlock()
	select {
	case <-e.ready:
		if e.err != nil {
			r.release()
			return nil, e.err
		}
		return e, nil
	case <-ctx.Done():
		r.release()
		return nil, ctx.Err()
	}
}

func (r *Reader) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users--; r.users > 0 || r.engine == nil {
		return
	}
	if r.engine.failed() {
		r.engine = nil // the next file tries again
		return
	}
	if !r.closed {
		r.idle = time.AfterFunc(r.opts.Idle, r.drop)
	}
}

// drop ends an engine that nobody has used for long.
func (r *Reader) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users > 0 || r.idle == nil || r.engine == nil {
		return
	}
	r.idle = nil
	select {
	case <-r.engine.ready:
		r.engine.stop()
		r.engine = nil
	default: // a start that nobody waits for
		r.idle = time.AfterFunc(r.opts.Idle, r.drop)
	}
}

// Close stops the reading of files, and waits until all is gone. Calls after
// the first do nothing.
func (r *Reader) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.close()
	r.all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle != nil {
		r.idle.Stop()
		r.idle = nil
	}
	if r.engine != nil {
		r.engine.stop()
		r.engine = nil
	}
}
