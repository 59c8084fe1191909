// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// outbox is the queue of lines for a child's input. Frames that come while
// one write is under way leave together in the next.
type outbox struct {
	file *os.File
	max  int
	wake chan struct{}

	// written is how many bytes of the stream the pipe has taken. Only the
	// writer adds to it.
	written atomic.Int64

	mu     sync.Mutex
	lines  []byte // guarded by mu
	spare  []byte // of the writer: the buffer that lines will be swapped with
	end    int64  // guarded by mu; position in the stream after the last line
	closed bool   // guarded by mu
}

// keep is the size up to which a buffer is kept for reuse.
const keep = 256 << 10

func newOutbox(file *os.File, limit int) *outbox {
	return &outbox{file: file, max: limit, wake: make(chan struct{}, 1)}
}

// queue adds a frame and returns where in the stream it ends. One frame is
// accepted into an empty queue whatever its size, since the sender has bounded
// it.
func (o *outbox) queue(frame []byte, edits ...jsonrpc.Edit) (end int64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, ErrClosed
	}
	start := len(o.lines)
	if start > 0 && start+len(frame) > o.max {
		return 0, ErrBusy
	}
	if start == 0 && len(frame) > keep {
		o.lines = LongBuffer(len(frame) + headroom)
	}
	o.lines = jsonrpc.AppendSplice(o.lines, frame, edits...)
	if line := o.lines[start:]; bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 {
		jsonrpc.Fold(line)
	}
	o.lines = append(o.lines, '\n')
	o.end += int64(len(o.lines) - start)
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return o.end, nil
}

// waiting is how many bytes are queued or being written.
func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0
	}
	return int(o.end - o.written.Load())
}

// run writes what is queued until the outbox is closed, or returns the error
// of a write: the child takes no more input.
func (o *outbox) run() error {
	for range o.wake {
		runtime.Gosched() // others that are about to queue something need not wait for the next write
		for lines := o.take(); len(lines) > 0; lines = o.take() {
			n, err := o.file.Write(lines)
			o.written.Add(int64(n))
			if err != nil {
				return o.unlessClosed(err)
			}
		}
	}
	return nil
}

func (o *outbox) unlessClosed(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	return err
}

// take swaps the queue with the buffer that was written last.
func (o *outbox) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if cap(o.spare) > keep {
		Recycle(o.spare)
		o.spare = nil
	}
	lines := o.lines
	if o.closed || len(lines) == 0 {
		return nil
	}
	o.lines, o.spare = o.spare[:0], lines
	return lines
}

// close closes the child's input; what is queued is dropped. A write that is
// under way fails.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.closed = true
	o.lines = nil
	close(o.wake)
	_ = o.file.Close()
}
