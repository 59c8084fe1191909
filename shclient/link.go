// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	// codeServerError is the JSON-RPC code for failures on the way: the first
	// of those that section 5.1 leaves to implementations.
	codeServerError = -32000

	// orderTimeout bounds how long a message holds back the next ones until
	// it is on its way.
	orderTimeout = 2 * time.Second

	methodInitialize  = "initialize"
	methodInitialized = "notifications/initialized"
	methodCancelled   = "notifications/cancelled"
	methodListen      = "subscriptions/listen"
)

// link is one run of a bridge: a program, a server, and what is between them.
type link struct {
	*endpoint
	limits  BridgeOptions
	ctx     context.Context // of the run
	end     context.CancelCauseFunc
	out     *lineWriter
	session session
	calls   callTable

	tasks   sync.WaitGroup // every goroutine of the link
	pending sync.WaitGroup // messages of the program that are not settled
}

func newLink(ctx context.Context, end context.CancelCauseFunc, b *Bridge) *link {
	l := &link{endpoint: b.endpoint, limits: b.options, ctx: ctx, end: end}
	l.session.renewing = make(chan struct{}, 1)
	l.calls.limit = b.options.MaxInFlight
	return l
}

// dispatch starts the forwarding of each line, until the lines or the run end.
func (l *link) dispatch(lines *lineReader) {
	for {
		select {
		case next, ok := <-lines.queue:
			if !ok {
				return
			}
			l.accept(next, lines.overdue)
			lines.taken(next)
		case <-l.ctx.Done():
			return
		}
	}
}

// accept starts the forwarding of one line. Messages travel at the same time
// but set out in order: a request has been sent before the next message
// follows, and a notification or an answer has been received. When the end of
// the program is overdue, nothing is waited for any more.
func (l *link) accept(next line, overdue <-chan struct{}) {
	m, err := scan(next.frame)
	if next.err != nil {
		err = &jsonrpc.Error{Code: jsonrpc.InvalidRequest, Message: fmt.Sprintf("message of more than %d bytes", l.limits.MaxMessageBytes)}
	}
	if err != nil {
		l.refuse(m, err)
		return
	}
	sent := make(chan struct{})
	release := sync.OnceFunc(func() { close(sent) })
	settle := sync.OnceFunc(l.pending.Done)
	l.pending.Add(1)
	l.tasks.Go(func() {
		defer settle()
		defer release()
		l.forward(m, release, settle)
	})
	limit := time.NewTimer(orderTimeout)
	defer limit.Stop()
	expired := limit.C
	if m.method() == methodInitialize {
		expired = nil // everything depends on it, and it may include a login
	}
	select {
	case <-sent:
	case <-expired:
	case <-overdue:
	case <-l.ctx.Done():
	}
}

// forward carries one message to the server, and what it answers back.
func (l *link) forward(m message, sent, settle func()) {
	switch {
	case m.Kind == jsonrpc.Request:
		l.call(m, sent, settle)
	case m.method() == methodCancelled && l.cancelModern(m):
	case m.method() == methodInitialized && !m.modern():
		l.session.remember(m)
		l.tell(m)
		if l.session.state().version != "" {
			l.listen()
		}
	default:
		l.tell(m)
	}
}

// call carries a request. Whatever happens, the program gets one answer.
func (l *link) call(m message, sent, settle func()) {
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	c := &call{key: jsonrpc.Key(m.id()), modern: m.modern(), cancel: cancel, settle: settle}
	if c.opening = m.method() == methodInitialize && !c.modern; c.opening {
		c.settle = func() { settle(); sent() }
	}
	if err := l.calls.add(c); err != nil {
		l.reply(m, err)
		return
	}
	defer l.calls.remove(c)
	switch {
	case c.opening:
		l.restart(m)
	case m.method() == methodListen:
		settle() // it lasts as long as the program wants
	}
	if err := l.exchange(ctx, m, c, sent); err != nil && l.calls.answer(c) && !c.cancelled.Load() {
		if l.ctx.Err() != nil {
			err = errEnding
		}
		l.reply(m, err)
	}
}

// tell carries a notification or a response. There is nobody to answer.
func (l *link) tell(m message) {
	if m.method() == methodCancelled {
		l.calls.cancelled(m)
	}
	if err := l.exchange(l.ctx, m, nil, func() {}); err != nil && l.ctx.Err() == nil {
		l.logger.LogAttrs(l.ctx, slog.LevelWarn, "message not delivered",
			slog.String("kind", m.Kind.String()), slog.String("method", m.method()), slog.String("error", l.text(err)))
	}
}

// cancelModern ends a request of the modern era, where closing the stream is
// the way to cancel it. It reports false for all others.
func (l *link) cancelModern(m message) bool {
	c := l.calls.named(m)
	if c == nil || !c.modern {
		return m.modern()
	}
	c.cancelled.Store(true)
	c.cancel()
	return true
}

// deliver passes a message of the server on to the program. c is the call on
// whose stream it came, or nil. It takes over m's frame.
func (l *link) deliver(c *call, m message) {
	if m.Kind == jsonrpc.Response {
		key := jsonrpc.Key(m.id())
		if c == nil || c.key != key {
			c = l.calls.get(key)
		}
		if c == nil || !l.calls.answer(c) {
			l.logger.LogAttrs(l.ctx, slog.LevelWarn, "answer to no open request dropped")
			return
		}
		defer c.settle()
		if c.opening {
			l.session.opened(l.ctx, c, m)
		}
		if c.hidden {
			c.result = m
			return
		}
	}
	jsonrpc.Fold(m.frame)
	l.out.write(m.frame)
}

// refuse answers a line that is no message.
func (l *link) refuse(m message, err error) {
	l.logger.LogAttrs(l.ctx, slog.LevelWarn, "line refused", slog.String("error", err.Error()))
	code := jsonrpc.ParseError
	text := err.Error()
	if e, ok := errors.AsType[*jsonrpc.Error](err); ok {
		code, text = e.Code, e.Message
	}
	l.out.write(jsonrpc.AppendError(nil, m.id(), code, text, nil))
}

// reply answers a request that got no answer from the server.
func (l *link) reply(m message, err error) {
	if answer, ok := errors.AsType[*rpcAnswer](err); ok {
		frame := answer.withID(m.id())
		jsonrpc.Fold(frame)
		l.out.write(frame)
		return
	}
	var data []byte
	if status, ok := errors.AsType[*StatusError](err); ok {
		data = append(strconv.AppendInt([]byte(`{"http_status":`), int64(status.Status), 10), '}')
	}
	l.out.write(jsonrpc.AppendError(nil, m.id(), codeServerError, l.text(err), data))
}

// text is an error as the program and the log see it.
func (l *link) text(err error) string {
	if local, ok := errors.AsType[localError](err); ok {
		return string(local)
	}
	return l.explain(err).Error()
}

// drain waits until what the program asked for is settled: without limit it
// could wait for ever, so it stops at the drain timeout.
func (l *link) drain() {
	settled := make(chan struct{})
	l.tasks.Go(func() {
		l.pending.Wait()
		close(settled)
	})
	limit := time.NewTimer(l.limits.DrainTimeout)
	defer limit.Stop()
	select {
	case <-settled:
	case <-limit.C:
	case <-l.ctx.Done():
	}
}
