// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// writeTimeout is how long a client may take to read what is written.
const writeTimeout = 30 * time.Second

// reply writes one HTTP response: a single JSON message, or an event stream.
type reply struct {
	w         http.ResponseWriter
	ctx       context.Context
	patience  time.Duration
	keepAlive time.Duration
	json      bool        // the client takes application/json
	events    bool        // the client takes text/event-stream
	stream    *sse.Writer // once the event stream has begun
	flusher   *flusher    // of stream
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
	rp := reply{w: w, ctx: r.Context(), patience: p.patience, keepAlive: p.opts.KeepAlive}
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

var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// relay copies the messages of a stream to the client until it ends or the
// client leaves.
func (rp *reply) relay(t *session.Stream) {
	timer := timers.Get().(*time.Timer)
	defer timers.Put(timer)
	defer timer.Stop()
	if rp.stream == nil {
		timer.Reset(rp.patience)
	} else {
		timer.Reset(rp.keepAlive)
	}
	for {
		f, rest, cause := t.Next()
		if f != nil {
			err := rp.message(f.Data, rest)
			f.Release()
			if err != nil || rest == session.Nothing {
				return
			}
			timer.Reset(rp.keepAlive)
		}
		switch rest {
		case session.Queued:
			continue
		case session.Nothing:
			rp.end(cause)
			return
		}
		select {
		case <-t.Wake():
		case <-rp.ctx.Done():
			return
		case <-timer.C:
			if rp.breathe() != nil {
				return
			}
			timer.Reset(rp.keepAlive)
		}
	}
}

// message writes one message: as the whole response if it is the first and
// last one, and else as an event.
func (rp *reply) message(data []byte, rest session.Rest) error {
	if rp.stream == nil && rp.json && rest == session.Nothing {
		if len(data) > keepDeadline {
			rp.extendDeadline()
		}
		writeJSON(rp.w, http.StatusOK, data)
		return nil
	}
	if err := rp.begin(); err != nil {
		return err
	}
	rp.extendDeadline()
	rp.flusher.hold = rest == session.Queued
	return rp.stream.Event(sse.Event{Data: data})
}

// keepDeadline is the size up to which the socket takes a response at once.
const keepDeadline = 16 << 10

// begin starts the event stream unless it has begun.
func (rp *reply) begin() error {
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
	rp.extendDeadline()
	return rp.flusher.flush()
}

// breathe gives a sign of life on a quiet stream. The first one sends the
// headers.
func (rp *reply) breathe() error {
	switch {
	case !rp.events:
		return nil
	case rp.stream == nil:
		return rp.begin()
	}
	rp.extendDeadline()
	return rp.stream.Comment("keep-alive")
}

// end closes a stream that was cut off before its response.
func (rp *reply) end(cause error) {
	if rp.begin() == nil && cause != nil {
		rp.extendDeadline()
		_ = rp.stream.Comment(cause.Error())
	}
}

// extendDeadline gives the client time to read the next write. Response
// writers without deadlines go without.
func (rp *reply) extendDeadline() {
	_ = http.NewResponseController(rp.w).SetWriteDeadline(time.Now().Add(writeTimeout))
}
