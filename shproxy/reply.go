// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const (
	// writeTimeout is how long a client may take to read what is written, and
	// slowest how many bytes of it a second it has to read beyond that.
	writeTimeout = 30 * time.Second
	slowest      = 64 << 10
	// retry is how long a client should wait before it resumes a stream.
	retry = time.Second
)

// reply writes one HTTP response: a single JSON message, or an event stream.
type reply struct {
	w         http.ResponseWriter
	ctx       context.Context
	patience  time.Duration
	keepAlive time.Duration
	json      bool        // the client takes application/json
	events    bool        // the client takes text/event-stream
	modern    bool        // errors of the server have a status of their own
	prime     bool        // an event stream begins with an event without data
	eager     bool        // the event stream begins at once
	stream    *sse.Writer // once the event stream has begun
	flusher   *flusher    // of stream
	id        [41]byte    // room for an event id

	// Of the reply to a call.
	recorder *stats.Recorder
	method   stats.Method
	start    time.Time
	span     span
}

// flusher lets events that are there already leave together.
type flusher struct {
	rc   *http.ResponseController
	hold bool
}

func (f *flusher) flush() error {
	if f.hold {
		return nil
	}
	return f.rc.Flush()
}

// newReply reads what the client accepts. The specification makes clients
// list both types; those that take only one of them are served with that.
func (p *Proxy) newReply(w http.ResponseWriter, r *http.Request) (reply, *problem) {
	rp := reply{
		w: w, ctx: r.Context(), patience: p.patience, keepAlive: p.opts.KeepAlive,
		recorder: p.recorder,
	}
	accept := r.Header["Accept"]
	rp.json = len(accept) == 0
	rp.events = len(accept) == 0
	for _, v := range accept {
		rp.json = rp.json || strings.Contains(v, "application/json") || strings.Contains(v, "application/*") || strings.Contains(v, "*/*")
		rp.events = rp.events || strings.Contains(v, sse.ContentType) || strings.Contains(v, "text/*") || strings.Contains(v, "*/*")
	}
	if !rp.json && !rp.events {
		return rp, fail(http.StatusNotAcceptable, codeTransport, "Accept must list application/json and text/event-stream")
	}
	return rp, nil
}

// begins notes the call that the reply is for.
func (rp *reply) begins(frame []byte, m jsonrpc.Message) {
	rp.method = stats.MethodOf(m.Method.Of(frame))
	rp.start = time.Now()
	rp.recorder.BytesIn.Add(int64(len(frame)))
}

// refused counts a call that was not sent to the server.
func (rp *reply) refused(p *problem) *problem {
	rp.recorder.Call(rp.method, stats.Refused, time.Since(rp.start))
	rp.span.end(stats.Refused, 0)
	return p
}

// ended counts a call by how it ended. f is its response, or nil when the
// client left before there was one.
func (rp *reply) ended(f *session.Frame, cause error) {
	if rp.start.IsZero() {
		return
	}
	outcome, code := stats.OK, 0
	switch {
	case f != nil && f.Cause != nil:
		outcome = outcomeOf(f.Cause)
	case f != nil && f.Code != 0:
		outcome, code = stats.Error, int(f.Code)
	case f != nil && f.ToolError:
		outcome = stats.ToolError
	case f == nil && cause != nil:
		outcome = outcomeOf(cause)
	case f == nil:
		outcome = stats.Gone
	}
	rp.recorder.Call(rp.method, outcome, time.Since(rp.start))
	rp.span.end(outcome, code)
	rp.start = time.Time{}
}

func outcomeOf(cause error) stats.Outcome {
	if _, ok := errors.AsType[*session.TimeoutError](cause); ok {
		return stats.TimedOut
	}
	if _, ok := errors.AsType[*child.ExitError](cause); ok {
		return stats.Crashed
	}
	if errors.Is(cause, session.ErrCancelled) {
		return stats.Cancelled
	}
	return stats.Error
}

var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// relay copies the messages of a stream to the client until it ends or the
// client leaves.
func (rp *reply) relay(t *session.Reader) {
	timer := timers.Get().(*time.Timer)
	defer timers.Put(timer)
	defer timer.Stop()
	defer rp.close()
	if rp.eager && rp.begin(t, session.EventID{}) != nil {
		return
	}
	timer.Reset(rp.pause())
	for {
		f, id, rest, cause := t.Next()
		if f != nil {
			if rest == session.Nothing {
				rp.ended(f, nil)
			}
			err := rp.message(t, f, id, rest)
			f.Release()
			if err != nil || rest == session.Nothing {
				return
			}
			timer.Reset(rp.pause())
		}
		switch rest {
		case session.Queued:
			continue
		case session.Nothing:
			rp.ended(nil, cause)
			rp.end(t, cause)
			return
		}
		select {
		case <-t.Wake():
		case <-rp.ctx.Done():
			rp.ended(nil, nil)
			return
		case <-timer.C:
			if rp.breathe(t) != nil {
				rp.ended(nil, nil)
				return
			}
			timer.Reset(rp.pause())
		}
	}
}

// pause is how long the stream may be quiet before something is to be done.
func (rp *reply) pause() time.Duration {
	if rp.stream == nil {
		return rp.patience
	}
	return rp.keepAlive
}

// message writes one message: as the whole response if it is the first and
// last one, and else as an event.
func (rp *reply) message(t *session.Reader, f *session.Frame, id session.EventID, rest session.Rest) error {
	rp.recorder.BytesOut.Add(int64(len(f.Data)))
	if rp.stream == nil && rp.json && rest == session.Nothing && id == (session.EventID{}) {
		if len(f.Data) > keepDeadline {
			rp.extendDeadline(len(f.Data))
		}
		writeJSON(rp.w, rp.status(f), f.Data)
		return nil
	}
	if err := rp.begin(t, id); err != nil {
		return err
	}
	rp.extendDeadline(len(f.Data))
	rp.flusher.hold = rest == session.Queued
	return rp.stream.Message(appendID(rp.id[:0], id), f.Data)
}

// appendID writes an event id, or nothing for that of a stream that cannot be
// resumed.
func appendID(dst []byte, id session.EventID) []byte {
	if id == (session.EventID{}) {
		return dst
	}
	return id.Append(dst)
}

// status is that of a lone response: since 2026-07-28 some errors of the
// server have one of their own.
func (rp *reply) status(f *session.Frame) int {
	if !rp.modern || f.Cause != nil {
		return http.StatusOK
	}
	switch f.Code {
	case jsonrpc.MethodNotFound:
		return http.StatusNotFound
	case jsonrpc.InvalidParams, jsonrpc.InvalidRequest, jsonrpc.HeaderMismatch,
		jsonrpc.MissingRequiredClientCapability, jsonrpc.UnsupportedProtocolVersion:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// keepDeadline is the size up to which the socket takes a response at once.
const keepDeadline = 16 << 10

// begin starts the event stream unless it has begun; first is the id of the
// message that it begins with, if there is one already.
func (rp *reply) begin(t *session.Reader, first session.EventID) error {
	if rp.stream != nil {
		return nil
	}
	h := rp.w.Header()
	h.Set("Content-Type", sse.ContentType)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	rp.w.WriteHeader(http.StatusOK)
	rp.flusher = &flusher{rc: http.NewResponseController(rp.w)}
	rp.stream = sse.NewWriter(rp.w, rp.flusher.flush)
	rp.extendDeadline(0)
	rp.recorder.Streams.Add(1)
	id := t.Stream()
	if first != (session.EventID{}) {
		id = first
		id.Seq-- // a client that resumes here has seen nothing
	}
	if rp.prime && id != (session.EventID{}) {
		return rp.stream.Prime(appendID(rp.id[:0], id), retry)
	}
	return rp.flusher.flush()
}

// breathe gives a sign of life on a quiet stream. The first one sends the
// headers.
func (rp *reply) breathe(t *session.Reader) error {
	switch {
	case !rp.events:
		return nil
	case rp.stream == nil:
		return rp.begin(t, session.EventID{})
	}
	rp.extendDeadline(0)
	return rp.stream.Comment("keep-alive")
}

// end closes a stream that was cut off before its response.
func (rp *reply) end(t *session.Reader, cause error) {
	if !rp.events {
		rp.w.WriteHeader(http.StatusNoContent)
		return
	}
	if rp.begin(t, session.EventID{}) == nil && cause != nil {
		rp.extendDeadline(0)
		_ = rp.stream.Comment(cause.Error())
	}
}

func (rp *reply) close() {
	if rp.stream != nil {
		rp.recorder.Streams.Add(-1)
		rp.stream = nil
	}
}

// extendDeadline gives the client time to read the next write, of a message of
// that many bytes. Response writers without deadlines go without.
func (rp *reply) extendDeadline(message int) {
	limit := writeTimeout + time.Duration(message)*time.Second/slowest
	_ = http.NewResponseController(rp.w).SetWriteDeadline(time.Now().Add(limit))
}
