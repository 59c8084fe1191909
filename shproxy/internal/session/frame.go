// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Frame is one message in a buffer that is used again. Whoever holds it last
// releases it.
type Frame struct {
	Data []byte
	// request is the id of a request by the server, which must be refused if
	// the frame cannot be delivered.
	request jsonrpc.Span
}

// keep is the size up to which a buffer stays with its frame.
const keep = 64 << 10

var frames = sync.Pool{New: func() any { return new(Frame) }}

// NewFrame returns an empty frame.
func NewFrame() *Frame { return frames.Get().(*Frame) }

// Release gives the frame back. It must not be used afterwards.
func (f *Frame) Release() {
	if cap(f.Data) > keep {
		child.Recycle(f.Data)
		f.Data = nil
	}
	f.Data = f.Data[:0]
	f.request = jsonrpc.Span{}
	frames.Put(f)
}

// newFrame copies a message with one span replaced; an owned message is
// changed in place instead.
func newFrame(data []byte, owned bool, e jsonrpc.Edit) *Frame {
	f := NewFrame()
	if owned {
		f.Data = slices.Replace(data, e.Span.Start, e.Span.End, e.With...)
	} else {
		f.Data = jsonrpc.AppendSplice(f.Data, data, e)
	}
	return f
}

// errorFrame is the response to a request that failed here.
func errorFrame(id []byte, reason error) *Frame {
	f := NewFrame()
	f.Data = jsonrpc.AppendError(f.Data, id, jsonrpc.InternalError, reason.Error(), nil)
	return f
}
