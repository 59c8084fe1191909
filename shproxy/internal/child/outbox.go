// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"os"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// outbox is the queue of lines for a child's input. Frames that come while
// one write is under way leave together in the next.
type outbox struct {
	file *os.File
	max  int
	wake chan struct{}

	mu     sync.Mutex
	lines  []byte // guarded by mu
	spare  []byte // of the writer: the buffer that lines will be swapped with
	closed bool   // guarded by mu
}

// keep is the size up to which a buffer is kept for reuse.
const keep = 256 << 10

func newOutbox(file *os.File, limit int) *outbox {
	return &outbox{file: file, max: limit, wake: make(chan struct{}, 1)}
}

// send queues a frame. One frame is accepted into an empty queue whatever its
// size, since the sender has bounded it.
func (o *outbox) send(frame []byte, edits ...jsonrpc.Edit) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	start := len(o.lines)
	if start > 0 && start+len(frame) > o.max {
		return ErrBusy
	}
	o.lines = jsonrpc.AppendSplice(o.lines, frame, edits...)
	if line := o.lines[start:]; bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 {
		jsonrpc.Fold(line)
	}
	o.lines = append(o.lines, '\n')
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// run writes what is queued until the outbox is closed or the child stops
// reading for good.
func (o *outbox) run() {
	for range o.wake {
		for lines := o.take(); len(lines) > 0; lines = o.take() {
			if _, err := o.file.Write(lines); err != nil {
				o.close()
				return
			}
		}
	}
}

// take swaps the queue with the buffer that was written last.
func (o *outbox) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if cap(o.spare) > keep {
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
