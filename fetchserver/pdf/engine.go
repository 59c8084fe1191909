// SPDX-License-Identifier: Apache-2.0

package pdf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// pageSize is the size of a page of WebAssembly memory in bytes.
const pageSize = 64 << 10

// engine is the compiled parser. Each file gets an instance of its own.
type engine struct {
	ready chan struct{} // closed when it has started or failed to
	pool  pdfium.Pool
	cache wazero.CompilationCache
	err   error
}

// start compiles the parser, or loads what an earlier start has compiled.
func (e *engine) start(o *Options) {
	defer close(e.ready)
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithMemoryLimitPages(uint32(max(o.MaxMemory/pageSize, 1))).
		WithCloseOnContextDone(true)
	if o.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(o.CacheDir)
		if err != nil {
			e.err = fmt.Errorf("pdf: the cache directory cannot be used: %w", err)
			return
		}
		e.cache = cache
		config = config.WithCompilationCache(cache)
	}
	e.pool, e.err = webassembly.Init(webassembly.Config{
		Context:       context.Background(),
		MaxTotal:      o.Concurrent,
		FSConfig:      wazero.NewFSConfig(), // no files
		RuntimeConfig: config,
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
	if e.err != nil {
		e.err = fmt.Errorf("pdf: the parser cannot start: %w", e.err)
		e.closeCache()
	}
	debug.FreeOSMemory() // compiling takes much that is not needed again
}

func (e *engine) failed() bool {
	select {
	case <-e.ready:
		return e.err != nil
	default:
		return false
	}
}

// stop ends an engine that has started and that nobody uses.
func (e *engine) stop() {
	if e.pool != nil {
		_ = e.pool.Close() // fails only when it is closed
		e.pool = nil
	}
	e.closeCache()
	debug.FreeOSMemory()
}

func (e *engine) closeCache() {
	if e.cache != nil {
		_ = e.cache.Close(context.Background())
		e.cache = nil
	}
}

// run gives f an instance, which is stopped when ctx ends. It returns when f
// has.
func (e *engine) run(ctx context.Context, f func(pdfium.Pdfium) error) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	instance, err := e.pool.GetInstanceWithContext(ctx)
	if err != nil {
		return fmt.Errorf("pdf: the parser cannot start: %w", err)
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = instance.Kill() // its errors are about what is gone already
	})
	defer func() {
		if !stop() {
			<-killed
			err = ctx.Err()
			return
		}
		_ = instance.Close() // a parser that broke has nothing left to close
	}()
	err = f(instance)
	if err != nil && !errors.Is(err, ErrEncrypted) && !errors.Is(err, ErrBroken) {
		err = ErrTooComplex // a trap of the machine, or no memory
	}
	return err
}
