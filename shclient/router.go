// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// router takes the program's messages to the server: as they are where both
// speak the same era, and else through a lane, which translates. Which it has to
// be, it finds out when the first message of an era comes.
type router struct {
	*endpoint
	limits BridgeOptions
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
}

func newRouter(ctx context.Context, b *Bridge, write func([]byte)) *router {
	r := &router{endpoint: b.endpoint, limits: b.options, ctx: ctx, write: write, server: b.options.ServerEra}
	r.requests.limit = b.options.MaxInFlight
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
	case m.modern():
		r.askModern(q, sent, settle)
	case m.method() == methodInitialize:
		r.initialize(q, sent, settle)
	case r.limits.ServerEra == EraModern:
		r.carry(q, r.upgraded(), sent, settle)
	default:
		r.carry(q, r.legacyLane(), sent, settle)
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
		r.requests.answer(m.id())
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

// askModern carries a request of the modern era.
func (r *router) askModern(q *request, sent, settle func()) {
	profile, _ := era.ProfileOf(q.frame, q.Message) // the lane misses what is missing
	if !r.settled(profile) {
		sent() // a request does not depend on others, and this may include a login
	}
	server, err := r.speaks(q.ctx, profile, false)
	switch {
	case err != nil && q.ctx.Err() != nil && r.ctx.Err() == nil: // the program has cancelled it
	case err != nil:
		r.fail(q, err)
	case server == EraModern:
		r.carry(q, nil, sent, settle)
	default:
		r.carryOn(q, profile, sent, settle)
	}
}

// carryOn carries a modern request to a legacy server.
func (r *router) carryOn(q *request, profile era.Profile, sent, settle func()) {
	l, err := r.enter(profile)
	if err != nil {
		r.fail(q, err)
		return
	}
	defer r.leave(l)
	r.carry(q, l, sent, settle)
}

// settled reports whether it is known what the server speaks. One that has
// failed as a legacy server is asked again.
func (r *router) settled(profile era.Profile) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lanes.open[profile.Key()]; l != nil && l.failed() {
		r.lanes.drop(l, r.direct)
		r.server = r.limits.ServerEra
	}
	return r.server != EraAuto
}

// enter finds the lane for clients with a profile. The lane has to be left.
func (r *router) enter(profile era.Profile) (*lane, error) {
	key := profile.Key()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lanes.open[key] == nil {
		if !r.lanes.makeRoom(r.direct) {
			return nil, errNoLane
		}
		r.lanes.add(key, newLane(r, era.NewToLegacy(era.ToLegacyConfig{Profile: profile.Clone(), Self: self()})))
	}
	return r.lanes.enter(key), nil
}

func (r *router) leave(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes.leave(l, r.direct)
}

// initialize opens a session for a legacy program: with the server itself, or,
// if that speaks modern versions alone, with a lane.
func (r *router) initialize(q *request, sent, settle func()) {
	if r.limits.ServerEra == EraModern {
		r.carry(q, r.upgraded(), sent, settle)
		return
	}
	answer, err := r.direct.try(r.ctx, q.message)
	opened := err == nil && !answer.Error.Present()
	if !opened && r.limits.ServerEra == EraAuto && turnedDown(err) {
		var modern bool
		if modern, err = r.onlyModern(answer, err); modern {
			r.carry(q, r.upgraded(), sent, settle)
			return
		}
	}
	if err != nil {
		r.fail(q, err)
		return
	}
	r.mu.Lock()
	r.legacy = r.legacy || opened
	r.mu.Unlock()
	r.show(answer)
}

// onlyModern reports whether a server that has refused initialize, by an answer
// or with an error, speaks modern versions. The error is the one to tell the
// program if not.
func (r *router) onlyModern(answer message, refused error) (bool, error) {
	if modernError(refused) || refused == nil && era.IsModern(answer.frame, answer.Message) {
		return true, nil
	}
	server, err := r.speaks(r.ctx, era.Profile{}, true)
	if _, login := errors.AsType[*AuthError](err); login {
		return false, err
	}
	if err != nil {
		r.debug("server/discover failed", r.direct.text(err))
	}
	return server == EraModern, refused
}

// upgraded is the lane for a legacy program in front of a modern server, which
// takes the program's messages from now on.
func (r *router) upgraded() *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.legacy = false
	if r.upgrade == nil {
		r.upgrade = newLane(r, era.NewToModern(era.ToModernConfig{Self: self()}))
	}
	return r.upgrade
}

// legacyLane is the lane for a message of a legacy program, or nil if its bytes
// pass.
func (r *router) legacyLane() *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.legacy {
		return nil
	}
	return r.upgrade
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
		l.send(m, nil, sent, settle)
	case r.isLegacy() && m.method() == methodInitialized:
		r.initialized(m, sent, settle)
	default:
		r.tellModern(m, sent, settle)
	}
}

// initialized ends the handshake of a legacy program with the server. There are
// modern servers that answer initialize, so that the program may leave (the SDK
// for Go, if told to speak modern versions alone), and refuse all that follows.
// The program goes on in a lane then, as if they had refused that.
func (r *router) initialized(m message, sent, settle func()) {
	err := r.direct.initialized(m)
	if r.limits.ServerEra == EraAuto && refusedPost(err) {
		if server, _ := r.speaks(r.ctx, era.Profile{}, true); server == EraModern {
			l := r.upgraded()
			l.send(r.direct.session.opening(), nil, func() {}, func() {}) // nobody waits for the answer
			l.send(m, nil, sent, settle)
			return
		}
	}
	r.direct.note(m, err)
}

func (r *router) isLegacy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.legacy
}

// tellModern carries what may be a notification of a modern program: it need
// not say so.
func (r *router) tellModern(m message, sent, settle func()) {
	profile, _ := era.ProfileOf(m.frame, m.Message)
	early := (m.modern() || r.isFinding()) && !r.settled(profile)
	if early {
		sent()
		if _, err := r.speaks(r.ctx, profile, false); err != nil {
			r.debug("message dropped", r.direct.text(err))
			return
		}
	}
	l, passes := r.modernLane(m, profile)
	switch {
	case l != nil:
		defer r.leave(l)
		l.send(m, nil, sent, settle)
	case passes, !early && r.isAlone(m):
		r.direct.send(m, sent, settle)
	default:
		r.debug("message dropped", m.method())
	}
}

// isAlone reports whether a message comes from a program that was not heard of.
func (r *router) isAlone(m message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !m.modern() && len(r.lanes.open) == 0
}

func (r *router) isFinding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.finding != nil
}

// modernLane finds the lane for a notification, which has to be left, or
// reports that the notification passes as it is.
func (r *router) modernLane(m message, profile era.Profile) (l *lane, passes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.server != EraLegacy, !m.modern() && r.legacy:
		return nil, true
	case profile.Capabilities != nil:
		l = r.lanes.enter(profile.Key())
	case len(r.lanes.open) == 1:
		for key := range r.lanes.open {
			l = r.lanes.enter(key)
		}
	}
	return l, false
}

// reconsider asks the server again what it speaks when a modern request failed
// in a way that no modern server has, and if so takes care of the request.
func (r *router) reconsider(m message, err error, settle func()) bool {
	if !m.modern() || r.limits.ServerEra != EraAuto || !untouched(m, err) {
		return false
	}
	q := r.requests.drop(m.id())
	if q == nil {
		return false
	}
	profile, _ := era.ProfileOf(m.frame, m.Message)
	server, failed := r.speaks(q.ctx, profile, true)
	switch {
	case q.ctx.Err() != nil && r.ctx.Err() == nil:
		return true // the program has cancelled it
	case failed != nil || server != EraLegacy:
		return false
	}
	r.carryOn(q, profile, func() {}, settle)
	return true
}

func (r *router) debug(text, detail string) {
	r.logger.LogAttrs(r.ctx, slog.LevelDebug, text, slog.String("detail", detail))
}
