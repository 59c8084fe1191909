// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// codeServerError is the JSON-RPC code for failures on the way: the first of
// those that section 5.1 leaves to implementations.
const codeServerError = -32000

// remote is the server as its client sees it: messages go in with send, those
// of the server come out through deliver, and each request gets one answer,
// whatever happens. How they travel, in sessions, streams and headers, stays
// in here. Who the client is does not matter: a request that names its
// protocol version is of the modern era, and initialize opens a legacy session.
type remote struct {
	*endpoint
	limits BridgeOptions
	ctx    context.Context // of the run
	// deliver takes over the frame of a message, of which about is the raw id of
	// the request on whose stream it came, or nil. It is called by many goroutines.
	deliver func(m message, about []byte)
	// refused may take care of a request that failed, and then reports true.
	refused func(m message, err error, settle func()) bool

	session session
	refuses atomic.Bool // the server does not let the session be opened again
	calls   callTable
	asked   questionTable
	tools   toolTable

	tasks sync.WaitGroup // every goroutine of the remote
}

func newRemote(ctx context.Context, e *endpoint, limits BridgeOptions, deliver func(message, []byte)) *remote {
	r := &remote{endpoint: e, limits: limits, ctx: ctx, deliver: deliver}
	r.session.renewing = make(chan struct{}, 1)
	r.tools.reading = make(chan struct{}, 1)
	r.calls.limit = limits.MaxInFlight
	return r
}

// close waits for what the end of the run has stopped, and tells the server
// that the session is over. No call of send may be under way.
func (r *remote) close() {
	r.tasks.Wait()
	r.hangUp(context.WithoutCancel(r.ctx), r.session.state())
}

// send carries one message to the server, and returns when all is over that
// it set off. The next message of the client may follow when sent is called;
// settle is called when the client has nothing more to wait for. Both may be
// called more than once, or not before send returns.
func (r *remote) send(m message, sent, settle func()) {
	switch {
	case m.Kind == jsonrpc.Request:
		r.call(m, sent, settle)
	case m.method() == methodCancelled && r.cancelModern(m):
	case m.method() == methodInitialized && !m.modern():
		r.note(m, r.initialized(m))
	default:
		r.note(m, r.tell(m))
	}
}

// initialized carries the end of the client's handshake.
func (r *remote) initialized(m message) error {
	r.session.remember(m)
	err := r.tell(m)
	if r.session.state().version != "" {
		r.listen()
		r.awaitStream()
	}
	return err
}

// call carries a request.
func (r *remote) call(m message, sent, settle func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	c := newCall(m, cancel)
	c.settle = settle
	if c.opening {
		c.settle = func() { settle(); sent() }
	}
	if err := r.calls.add(c); err != nil {
		r.reply(m, err)
		return
	}
	defer r.calls.remove(c)
	switch {
	case c.opening:
		r.restart(m)
	case m.method() == methodListen:
		settle() // it lasts as long as the client wants
	}
	gone := func() { c.sent.Store(true); sent() }
	if err := r.exchange(ctx, m, c, gone); err != nil && r.calls.answer(c) && !c.cancelled.Load() {
		if r.ctx.Err() != nil {
			err = errEnding
		} else if r.refused != nil && r.refused(m, err, settle) {
			return
		}
		r.reply(m, err)
	}
}

// try is send for a request whose answer is for the caller.
func (r *remote) try(ctx context.Context, m message) (answer message, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newHiddenCall(m, cancel)
	if c.opening {
		r.restart(m)
	}
	err = r.exchange(ctx, m, c, func() {})
	return c.result, err
}

// tell carries a notification or a response.
func (r *remote) tell(m message) error {
	if m.method() == methodCancelled {
		r.calls.cancelled(m)
	}
	return r.exchange(r.ctx, m, nil, func() {})
}

// note logs that a message was not delivered. There is nobody to answer.
func (r *remote) note(m message, err error) {
	if err != nil && r.ctx.Err() == nil {
		r.logger.LogAttrs(r.ctx, slog.LevelWarn, "message not delivered",
			slog.String("kind", m.Kind.String()), slog.String("method", m.method()), slog.String("error", r.text(err)))
	}
}

// cancelModern ends a request of the modern era, where closing the stream is
// the way to cancel it. It reports false for all others.
func (r *remote) cancelModern(m message) bool {
	c := r.calls.named(m)
	if c == nil || !c.modern {
		return m.modern()
	}
	c.cancelled.Store(true)
	c.cancel()
	return true
}

// incoming takes a message of the server. c is the call on whose stream it
// came, or nil; generation is that of the session. It takes over m's frame.
func (r *remote) incoming(c *call, m message, generation int) {
	if m.Kind != jsonrpc.Response {
		switch method := m.method(); {
		case m.Kind == jsonrpc.Request:
			m = r.asked.ask(m, generation)
		case method == methodToolsChanged:
			r.tools.forget()
		case method == methodCancelled:
			m = r.asked.cancel(m, generation)
		}
		if c == nil || !c.hidden || c.opening {
			r.deliver(m, c.about())
		}
		return
	}
	key := jsonrpc.Key(m.id())
	if c == nil || c.key != key {
		c = r.calls.get(key)
	}
	if c == nil || !r.calls.answer(c) {
		r.logger.LogAttrs(r.ctx, slog.LevelWarn, "answer to no open request dropped")
		return
	}
	defer c.finish()
	switch {
	case c.opening:
		r.session.opened(c, m)
	case c.modern && c.request.method() == methodListTools:
		m = r.learn(c, m)
	case !c.modern && !m.Error.Present():
		r.session.keep(c.request)
	}
	if c.hidden {
		c.result = m
		return
	}
	r.deliver(m, c.about())
}

// reply answers a request that got no answer from the server.
func (r *remote) reply(m message, err error) {
	answer, _ := scan(r.refusal(m, err)) // what is written here is well-formed
	r.deliver(answer, nil)
}

// refusal is an error as the answer to a request.
func (r *remote) refusal(m message, err error) []byte {
	if answer, ok := errors.AsType[*rpcAnswer](err); ok {
		return answer.withID(m.id())
	}
	var data []byte
	if status, ok := errors.AsType[*StatusError](err); ok {
		data = append(strconv.AppendInt([]byte(`{"http_status":`), int64(status.Status), 10), '}')
	}
	return jsonrpc.AppendError(nil, m.id(), codeServerError, r.text(err), data)
}

// text is an error as the client and the log see it.
func (r *remote) text(err error) string {
	if local, ok := errors.AsType[localError](err); ok {
		return string(local)
	}
	if renewal, ok := errors.AsType[*renewalError](err); ok {
		return renewal.text
	}
	return r.explain(err).Error()
}
