// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"sync"
	"sync/atomic"
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
	order  order
	rewind chan struct{} // has something when due has changed

	mu    sync.Mutex // guards the rest; nothing is waited for under it
	tr    era.Translator
	due   time.Time     // of the translator
	shown chan struct{} // closed when the program has all that is for it

	unopened atomic.Bool // the server did not let itself be initialized
	doubted  atomic.Bool // the server has refused a request unread, as one of another era does
	parks    atomic.Bool // a call waits for its client to come back

	// The router guards these.
	users   int    // who send on it
	used    uint64 // orders lanes by their last use
	retired bool   // to be closed by its last user
}

// self is how the bridge calls itself where a peer does not say who it is.
func self() []byte {
	return append(jsonrpc.AppendString([]byte(`{"name":"shclient","version":`), buildinfo.Version()), '}')
}

func newLane(r *router, tr era.Translator) *lane {
	l := &lane{router: r, tr: tr, rewind: make(chan struct{}, 1), shown: make(chan struct{})}
	close(l.shown)
	l.ctx, l.end = context.WithCancel(r.ctx)
	l.remote = newRemote(l.ctx, r.endpoint, r.limits, l.deliver)
	l.remote.refused = l.doubt
	l.remote.tasks.Go(l.watch)
	return l
}

// close ends what is under way, and the session. Nobody may send any more.
func (l *lane) close() {
	l.end()
	l.remote.close()
}

// send carries a message of the program, which is q if it is a request. It
// returns when a request is answered, or when what the message set off is on
// its way.
func (l *lane) send(m message, q *request, sent, settle func()) {
	e := l.take(m, q)
	sent()
	e.show()
	switch {
	case q == nil:
		e.await(l.ctx)
		return
	case m.method() == methodListen:
		settle() // it lasts as long as the program wants
	}
	select {
	case <-q.done:
	case <-l.ctx.Done():
		l.router.fail(q, errEnding)
	}
}

// take lets the translator take a message of the program.
func (l *lane) take(m message, q *request) *effect {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out era.Output
	if q != nil && !l.router.requests.take(q, l) {
		q.finish() // the program has cancelled it
	} else {
		l.tr.FromClient(time.Now(), m.frame, m.Message, &out)
	}
	return l.effect(&out)
}

// deliver takes a message of the server.
func (l *lane) deliver(m message, about []byte) {
	l.mu.Lock()
	var out era.Output
	if legacy, ok := l.tr.(*era.ToLegacy); ok {
		legacy.FromStream(time.Now(), about, m.frame, m.Message, &out)
	} else {
		l.tr.FromServer(time.Now(), m.frame, m.Message, &out)
	}
	e := l.effect(&out)
	l.mu.Unlock()
	e.show()
}

// watch lets the translator do what is due.
func (l *lane) watch() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			l.tick()
		case <-l.rewind:
		case <-l.ctx.Done():
			return
		}
		l.mu.Lock()
		due := l.due
		l.mu.Unlock()
		if timer.Stop(); !due.IsZero() {
			timer.Reset(time.Until(due))
		}
	}
}

func (l *lane) tick() {
	l.mu.Lock()
	var out era.Output
	l.tr.Tick(time.Now(), &out)
	e := l.effect(&out)
	l.mu.Unlock()
	e.show()
}

// doubt notes whether a request failed in a way that asks for another look at
// the server. It never takes care of the request.
func (l *lane) doubt(m message, err error, _ func()) bool {
	if untouched(m, err) || modernError(err) {
		l.doubted.Store(true)
	}
	return false
}

// failed reports whether the server is none for the lane, or not any more.
func (l *lane) failed() bool { return l.unopened.Load() || l.remote.refuses.Load() }

// effect is what a translator wants: messages to the server, which are on their
// way, and lines for the program.
type effect struct {
	lane     *lane
	posted   []*departure
	frames   [][]byte
	answered []*request
	before   <-chan struct{} // closed when the lines are next
	shown    chan struct{}   // to be closed behind them
}

// effect sends what is for the server on its way. What is for the program must
// be shown. mu is held.
func (l *lane) effect(out *era.Output) *effect {
	e := &effect{lane: l}
	for _, frame := range out.ToServer {
		if m, err := scan(frame); err == nil { // translators write messages only
			e.posted = append(e.posted, l.post(m))
		}
	}
	for _, line := range out.ToClient {
		m, err := scan(line.Frame)
		if err != nil {
			continue
		}
		if m.Kind == jsonrpc.Response {
			q := l.router.requests.answer(m.id())
			if q == nil {
				continue // the end of the run was quicker
			}
			e.answered = append(e.answered, q)
			m = l.router.filter.apply(q.message, m)
		}
		e.frames = append(e.frames, m.frame)
	}
	if len(e.frames) > 0 {
		e.before, e.shown = l.shown, make(chan struct{})
		l.shown = e.shown
	}
	l.look()
	return e
}

// look notes what others have to know of the translator. mu is held.
func (l *lane) look() {
	if legacy, ok := l.tr.(*era.ToLegacy); ok {
		l.unopened.Store(legacy.Failed())
	}
	l.parks.Store(l.tr.Busy())
	if due := l.tr.Due(); !due.Equal(l.due) {
		l.due = due
		select {
		case l.rewind <- struct{}{}:
		default:
		}
	}
}

// show hands the lines to the program, in the order in which the translator
// made them.
func (e *effect) show() {
	if len(e.frames) == 0 {
		return
	}
	<-e.before
	for _, frame := range e.frames {
		e.lane.router.write(frame)
	}
	close(e.shown)
	for _, q := range e.answered {
		q.finish()
	}
}

// await waits until the server has what is for it.
func (e *effect) await(ctx context.Context) {
	for _, d := range e.posted {
		select {
		case <-d.gone:
		case <-ctx.Done():
			return
		}
	}
}

// post sends a message on its way to the server.
func (l *lane) post(m message) *departure {
	d, over := l.order.next(m)
	sent := d.leave
	if d.slow {
		sent = func() {}
	}
	l.remote.tasks.Go(func() {
		defer over()
		if d.wait(l.ctx) {
			l.remote.send(m, sent, d.leave)
		}
	})
	return d
}
