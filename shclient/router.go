// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// router takes the program's messages to the server: as they are where both
// speak the same era, and else through a lane, which translates. Which it has to
// be, it finds out when the first message of an era comes.
type router struct {
	*endpoint
	limits BridgeOptions
	filter toolFilter
	ctx    context.Context
	write  func(frame []byte) // to the program
	direct *remote            // for bytes that pass

	requests requestTable

	mu      sync.Mutex // guards the rest
	server  Era        // that the server speaks, once it is known
	finding *finding   // while the server is asked
	lanes   laneTable  // for modern messages
	upgrade *lane      // for legacy messages
	legacy  bool       // the server itself has answered the program's initialize
	modern  bool       // the program has sent a modern request

	turning chan struct{} // a lock: a legacy program goes over to the server's other era
}

func newRouter(ctx context.Context, b *Bridge, write func([]byte)) *router {
	r := &router{endpoint: b.endpoint, limits: b.options, filter: b.filter, ctx: ctx, write: write, server: b.options.ServerEra}
	r.requests.limit = b.options.MaxInFlight
	r.turning = make(chan struct{}, 1)
	r.direct = newRemote(ctx, b.endpoint, b.options, func(m message, _ []byte) { r.show(m) })
	r.direct.refused = r.reconsider
	return r
}

// close waits for what the end of the run has stopped, and ends the sessions.
func (r *router) close() {
	r.mu.Lock()
	all := slices.Collect(maps.Values(r.lanes.open))
	if r.upgrade != nil {
		all = append(all, r.upgrade)
	}
	r.mu.Unlock()
	var closing sync.WaitGroup
	for _, l := range all {
		closing.Go(l.close)
	}
	closing.Go(r.direct.close)
	closing.Wait()
}

// send carries one message of the program, as [remote.send] does.
func (r *router) send(m message, sent, settle func()) {
	switch {
	case m.Kind == jsonrpc.Request:
		r.ask(m, sent, settle)
	case m.method() == methodCancelled:
		r.cancel(m, sent, settle)
	default:
		r.tell(m, sent, settle)
	}
}

// ask carries a request.
func (r *router) ask(m message, sent, settle func()) {
	q, err := r.requests.add(r.ctx, m)
	if err != nil {
		r.write(r.direct.refusal(m, err))
		return
	}
	defer r.requests.remove(q)
	switch {
	case !r.accepts(m):
		r.requests.answer(m.id())
		r.write(r.wrongEra(m))
	case r.filter.refuses(m) != nil:
		r.requests.answer(m.id())
		r.write(jsonrpc.AppendError(nil, m.id(), jsonrpc.InvalidParams, r.filter.refuses(m).Error(), nil))
	case m.modern():
		r.askModern(q, sent, settle)
	case m.method() == methodInitialize:
		r.initialize(q, sent, settle)
	case r.limits.ServerEra == EraModern:
		r.carry(q, r.upgraded(), sent, settle)
	default:
		r.carry(q, r.laneBack(q), sent, settle)
	}
}

// carry takes a request to the server: as it is, or on a lane. It returns when
// all is over.
func (r *router) carry(q *request, l *lane, sent, settle func()) {
	if l != nil {
		l.send(q.message, q, sent, settle)
	} else if r.requests.take(q, nil) {
		r.direct.send(q.message, func() { q.leave(); sent() }, settle)
	}
}

// show hands a message of the server, whose bytes pass, to the program.
func (r *router) show(m message) {
	if m.Kind == jsonrpc.Response {
		if q := r.requests.answer(m.id()); q != nil {
			m = r.filter.apply(q.message, m)
		}
	}
	r.write(m.frame)
}

// fail answers a request that got no answer, unless it has got one by now.
func (r *router) fail(q *request, err error) {
	if r.ctx.Err() != nil {
		err = errEnding
	}
	if r.requests.remove(q) {
		r.write(r.direct.refusal(q.message, err))
	}
}

// cancel carries a cancellation to where the request is.
func (r *router) cancel(m message, sent, settle func()) {
	q, taken, l := r.requests.cancel(m)
	switch {
	case q == nil:
		r.cancelUnknown(m, sent, settle)
	case l != nil:
		r.cancelIn(l, q, m, sent, settle)
	case taken:
		q.awaitGone()
		r.direct.send(m, sent, settle)
	}
}

// cancelIn carries a cancellation to a lane, from which no answer comes then.
func (r *router) cancelIn(l *lane, q *request, m message, sent, settle func()) {
	r.mu.Lock()
	there := r.lanes.reenter(l)
	r.mu.Unlock()
	if !there {
		return // with the answer
	}
	defer r.leave(l)
	if q.method() != methodInitialize { // which cannot be cancelled
		r.requests.remove(q)
		defer q.finish()
	}
	l.send(m, nil, sent, settle)
}

// cancelUnknown carries the cancellation of a request that is not in flight,
// since the server may think that it is.
func (r *router) cancelUnknown(m message, sent, settle func()) {
	if r.direct.session.state().version != "" && r.legacyLane() == nil {
		r.direct.send(m, sent, settle)
	}
}

// tell carries a notification, or an answer of the program.
func (r *router) tell(m message, sent, settle func()) {
	l := r.legacyLane()
	switch {
	case !r.accepts(m):
		r.debug("message dropped", m.method())
	case l != nil && !m.modern():
		if m.method() == methodInitialized {
			r.direct.session.remember(m) // for a server that becomes legacy
		}
		l.send(m, nil, sent, settle)
	case r.isLegacy() && m.method() == methodInitialized:
		r.initialized(m, sent, settle)
	default:
		r.tellModern(m, sent, settle)
	}
}

func (r *router) debug(text, detail string) {
	r.logger.LogAttrs(r.ctx, slog.LevelDebug, text, slog.String("detail", detail))
}
