// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"slices"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Frame is one message in a buffer that is used again. Whoever holds it last
// releases it.
type Frame struct {
	Data []byte
	// Code is that of an error response, and 0 for every other message.
	Code int
	// ToolError says that a tool's result is an error, as far as that was
	// looked at.
	ToolError bool
	// Cause is why the proxy itself made the error response.
	Cause error

	// request is the id of a request by the server, which must be refused if
	// the frame cannot be delivered.
	request jsonrpc.Span
	// kept frames may be read again, so they are left to the collector.
	kept bool
	// again says that it was read before, and is to be read again.
	again bool
}

// keep is the size up to which a buffer stays with its frame.
const keep = 64 << 10

// headroom is for what edits add to a message.
const headroom = 256

var frames = sync.Pool{New: func() any { return new(Frame) }}

// NewFrame returns an empty frame.
func NewFrame() *Frame { return frames.Get().(*Frame) }

// Release gives the frame back. It must not be used afterwards.
func (f *Frame) Release() {
	if f.kept {
		return
	}
	if cap(f.Data) > keep {
		child.Recycle(f.Data)
		f.Data = nil
	}
	f.Data, f.Code, f.ToolError, f.Cause, f.request = f.Data[:0], 0, false, nil, jsonrpc.Span{}
	frames.Put(f)
}

// newFrame copies a message with edits; an owned message with a single edit
// is changed in place instead.
func newFrame(data []byte, owned bool, edits ...jsonrpc.Edit) *Frame {
	f := NewFrame()
	switch {
	case owned && len(edits) == 0:
		f.Data = data
	case owned && len(edits) == 1:
		f.Data = slices.Replace(data, edits[0].Span.Start, edits[0].Span.End, edits[0].With...)
	default:
		if len(data) > keep && cap(f.Data) == 0 {
			f.Data = child.LongBuffer(len(data) + headroom)
		}
		f.Data = jsonrpc.AppendSplice(f.Data, data, edits...)
	}
	return f
}

// errorFrame is the response to a request that failed here. data is raw JSON,
// or nil.
func errorFrame(id []byte, reason error, data []byte) *Frame {
	f := NewFrame()
	f.Code, f.Cause = jsonrpc.InternalError, reason
	if r, ok := errors.AsType[*refusal](reason); ok {
		f.Code = r.code
	}
	f.Data = jsonrpc.AppendError(f.Data, id, f.Code, reason.Error(), data)
	return f
}

// resultFrame is a response of the proxy's own; result is raw JSON.
func resultFrame(id []byte, result string) *Frame {
	f := NewFrame()
	f.Data = append(f.Data, `{"jsonrpc":"2.0","id":`...)
	f.Data = append(f.Data, id...)
	f.Data = append(f.Data, `,"result":`...)
	f.Data = append(f.Data, result...)
	f.Data = append(f.Data, '}')
	return f
}
