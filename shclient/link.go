// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// orderTimeout bounds how long a message holds back the next ones until it is
// on its way.
const orderTimeout = 2 * time.Second

// link is one run of a bridge: a program, and the way to the server.
type link struct {
	*router
	out *lineWriter

	lines   sync.WaitGroup // the goroutine of every line
	pending sync.WaitGroup // messages of the program that are not settled
}

func newLink(ctx context.Context, b *Bridge, out *lineWriter) *link {
	l := &link{out: out}
	l.router = newRouter(ctx, b, func(frame []byte) {
		jsonrpc.Fold(frame)
		out.write(frame)
	})
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
	settle := sync.OnceFunc(l.pending.Done)
	l.pending.Add(1)
	setOut(l.ctx, &l.lines, m, overdue, func(sent func()) {
		defer settle()
		l.send(m, sent, settle)
	})
}

// setOut starts a task that carries a message, and waits until the next one may
// follow: when the task says that it is sent, or is done, or takes too long.
func setOut(ctx context.Context, tasks *sync.WaitGroup, m message, overdue <-chan struct{}, carry func(sent func())) {
	gone := make(chan struct{})
	sent := sync.OnceFunc(func() { close(gone) })
	tasks.Go(func() {
		defer sent()
		carry(sent)
	})
	limit := time.NewTimer(orderTimeout)
	defer limit.Stop()
	expired := limit.C
	if m.method() == methodInitialize {
		expired = nil // everything depends on it, and it may include a login
	}
	select {
	case <-gone:
	case <-expired:
	case <-overdue:
	case <-ctx.Done():
	}
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

// drain waits until what the program asked for is settled: without limit it
// could wait for ever, so it stops at the drain timeout.
func (l *link) drain() {
	settled := make(chan struct{})
	l.lines.Go(func() {
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
