// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// lane is a way to the server on which messages are translated: a translator,
// and the connection that it speaks on.
type lane struct {
	router *router
	remote *remote
	ctx    context.Context
	end    context.CancelFunc

	mu      sync.Mutex // guards the rest, and is held while something is written to the program, in order
	tr      era.Translator
	waiting map[string]chan struct{} // closed when a request of the program is answered, by key of its id
	alarm   *time.Timer
	due     time.Time

	queue outbox
}

// self is how the bridge calls itself where a peer does not say who it is.
func self() []byte {
	return append(jsonrpc.AppendString([]byte(`{"name":"shclient","version":`), buildinfo.Version()), '}')
}

func newLane(r *router, tr era.Translator) *lane {
	l := &lane{router: r, tr: tr, waiting: make(map[string]chan struct{})}
	l.ctx, l.end = context.WithCancel(r.ctx)
	l.remote = newRemote(l.ctx, r.endpoint, r.limits, l.deliver)
	l.queue.wake = make(chan struct{}, 1)
	l.remote.tasks.Go(l.pump)
	return l
}

// close ends what is under way, and the session.
func (l *lane) close() {
	l.end()
	l.mu.Lock()
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.mu.Unlock()
	l.remote.close()
}

// send carries a message of the program, and returns when a request is
// answered.
func (l *lane) send(m message, sent, settle func()) {
	key := jsonrpc.Key(m.id())
	l.mu.Lock()
	var done chan struct{}
	if m.Kind == jsonrpc.Request && l.waiting[key] == nil {
		done = make(chan struct{})
		l.waiting[key] = done
	}
	var out era.Output
	l.tr.FromClient(time.Now(), m.frame, m.Message, &out)
	l.flush(&out)
	if m.method() == methodCancelled {
		span, _ := jsonrpc.Lookup(m.frame, m.Params, "requestId")
		l.release(jsonrpc.Key(span.Of(m.frame)))
	}
	l.mu.Unlock()
	sent()
	if done == nil {
		return
	}
	if m.method() == methodListen {
		settle() // it lasts as long as the program wants
	}
	select {
	case <-done:
	case <-l.ctx.Done():
		l.unanswered(m)
	}
}

// unanswered tells the program that its request gets no answer any more.
func (l *lane) unanswered(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[jsonrpc.Key(m.id())] != nil {
		l.release(jsonrpc.Key(m.id()))
		l.router.direct.reply(m, errEnding)
	}
}

// release lets go of who waits for an answer to the program. mu is held.
func (l *lane) release(key string) {
	if done := l.waiting[key]; done != nil {
		close(done)
		delete(l.waiting, key)
	}
}

// deliver takes a message of the server.
func (l *lane) deliver(m message, about []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out era.Output
	if legacy, ok := l.tr.(*era.ToLegacy); ok {
		legacy.FromStream(time.Now(), about, m.frame, m.Message, &out)
	} else {
		l.tr.FromServer(time.Now(), m.frame, m.Message, &out)
	}
	l.flush(&out)
}

// flush does what the translator wants. mu is held.
func (l *lane) flush(out *era.Output) {
	for _, frame := range out.ToServer {
		l.queue.add(frame)
	}
	for _, answer := range out.ToClient {
		m, err := scan(answer.Frame)
		if err != nil {
			continue // translators write messages only
		}
		l.router.write(m.frame)
		if m.Kind == jsonrpc.Response {
			l.release(jsonrpc.Key(m.id()))
		}
	}
	l.wind()
}

// wind sets the alarm to when the translator has something to do. mu is held.
func (l *lane) wind() {
	due := l.tr.Due()
	if due.Equal(l.due) {
		return
	}
	l.due = due
	switch {
	case due.IsZero():
		l.alarm.Stop()
	case l.alarm == nil:
		l.alarm = time.AfterFunc(time.Until(due), l.tick)
	default:
		l.alarm.Reset(time.Until(due))
	}
}

func (l *lane) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	l.due = time.Time{}
	var out era.Output
	l.tr.Tick(time.Now(), &out)
	l.flush(&out)
}

// failed reports whether the server did not let itself be initialized.
func (l *lane) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	legacy, ok := l.tr.(*era.ToLegacy)
	return ok && legacy.Failed()
}

// idle reports whether nobody would miss the lane.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) == 0 && !l.tr.Busy()
}

// waitsFor reports whether a request of the program is in flight.
func (l *lane) waitsFor(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting[key] != nil
}

// outbox holds what a translator wants to be sent until it is its turn. The
// translator bounds it.
type outbox struct {
	wake chan struct{}

	mu     sync.Mutex
	frames [][]byte // mu guards it
}

func (o *outbox) add(frame []byte) {
	o.mu.Lock()
	o.frames = append(o.frames, frame)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) take() [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.frames
	o.frames = nil
	return all
}

// pump sends what the translator wants to be sent, in order.
func (l *lane) pump() {
	for {
		select {
		case <-l.queue.wake:
		case <-l.ctx.Done():
			return
		}
		for _, frame := range l.queue.take() {
			if m, err := scan(frame); err == nil {
				setOut(l.ctx, &l.remote.tasks, m, nil, func(sent func()) { l.remote.send(m, sent, func() {}) })
			}
		}
	}
}
