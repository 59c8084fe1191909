// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// errLineTooLong stands for a line that exceeded the limit and was skipped.
var errLineTooLong = errors.New("line too long")

// line is one line of the program, or the reason why there is none.
type line struct {
	frame []byte
	err   error
}

// lineReader reads the program's lines ahead, so that the end of the input is
// seen while messages still wait for the server. What waits is bounded in
// number and in bytes.
type lineReader struct {
	r     *bufio.Reader
	max   int
	queue chan line
	bytes *semaphore.Weighted
	err   error // set before queue is closed; nil at the end of the input

	grace   time.Duration
	overdue chan struct{} // closed when the input ended longer than grace ago
}

func startLineReader(ctx context.Context, in io.Reader, max int, grace time.Duration) *lineReader {
	r := &lineReader{
		r:       bufio.NewReaderSize(in, 64<<10),
		max:     max,
		queue:   make(chan line, 1024),
		bytes:   semaphore.NewWeighted(int64(max)),
		grace:   grace,
		overdue: make(chan struct{}),
	}
	go r.run(ctx)
	return r
}

func (r *lineReader) run(ctx context.Context) {
	defer func() {
		close(r.queue)
		time.AfterFunc(r.grace, func() { close(r.overdue) })
	}()
	for {
		frame, err := r.next()
		if err != nil && !errors.Is(err, errLineTooLong) {
			if !errors.Is(err, io.EOF) && !isClosed(err) {
				r.err = fmt.Errorf("shclient: reading messages: %w", err)
			}
			return
		}
		if r.bytes.Acquire(ctx, int64(len(frame))) != nil {
			return
		}
		select {
		case r.queue <- line{frame, err}:
		case <-ctx.Done():
			return
		}
	}
}

// taken makes room for the bytes of a line that left the queue.
func (r *lineReader) taken(l line) { r.bytes.Release(int64(len(l.frame))) }

// next returns the next line that is not blank, without its line break. The
// last line needs none.
func (r *lineReader) next() ([]byte, error) {
	var frame []byte
	long := false
	for {
		chunk, err := r.r.ReadSlice('\n')
		if long = long || len(frame)+len(chunk) > r.max+1; !long {
			frame = append(frame, chunk...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		frame = bytes.TrimSpace(frame)
		switch {
		case long || len(frame) > r.max:
			return nil, errLineTooLong
		case len(frame) > 0:
			return frame, nil
		case err != nil:
			return nil, err
		}
	}
}

// lineWriter is the one goroutine that writes to the program. Lines are handed
// over one by one: a program that does not read holds up the servers' streams,
// and nothing piles up in between.
type lineWriter struct {
	out    io.Writer
	lines  chan []byte
	gone   chan struct{} // closed when lines are not taken any more
	ended  chan struct{} // closed when the goroutine has ended
	giveUp func()
}

// startLineWriter calls fail with the error of a failed write.
func startLineWriter(out io.Writer, fail func(error)) *lineWriter {
	w := &lineWriter{out: out, lines: make(chan []byte), gone: make(chan struct{}), ended: make(chan struct{})}
	w.giveUp = sync.OnceFunc(func() { close(w.gone) })
	go w.run(fail)
	return w
}

func (w *lineWriter) run(fail func(error)) {
	defer close(w.ended)
	for frame := range w.lines {
		if _, err := w.out.Write(append(frame, '\n')); err != nil {
			w.giveUp()
			fail(fmt.Errorf("shclient: writing a message: %w", err))
			return
		}
	}
}

// write hands over frame, which belongs to the writer from now on. It returns
// when the writer takes it, or false when it never will.
func (w *lineWriter) write(frame []byte) bool {
	select {
	case w.lines <- frame:
		return true
	case <-w.gone:
		return false
	}
}

// abandon stops waiting for a program that does not read.
func (w *lineWriter) abandon() { w.giveUp() }

// close waits until the last line is written, or given up. Nobody may write
// any more.
func (w *lineWriter) close() {
	close(w.lines)
	select {
	case <-w.ended:
	case <-w.gone:
	}
}
