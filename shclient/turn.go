// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"math"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
)

// errLeft is what becomes of a request that comes too late for a session.
const errLeft = localError("the server has become one of the modern era")

// outgrown asks the server again what it speaks when it has refused, unread, a
// request of a legacy program whose bytes pass. If that is the modern era by
// now, the program goes on in a lane, unseen, and so does the request.
func (r *router) outgrown(m message, err error, settle func()) bool {
	if renewal, ok := errors.AsType[*renewalError](err); ok {
		err = renewal.cause
	}
	opened := r.isLegacy() || r.legacyLane() != nil
	left := errors.Is(err, errLeft)
	if !opened || !left && !untouched(m, err) && !modernError(err) {
		return false
	}
	q := r.requests.drop(m.id())
	if q == nil {
		return false
	}
	server, failed := r.speaks(q.ctx, era.Profile{}, !left)
	switch {
	case q.ctx.Err() != nil && r.ctx.Err() == nil:
		return true // the program has cancelled it
	case failed != nil || server != EraModern:
		return false
	}
	r.carry(q, r.turnModern(), func() {}, settle)
	return true
}

// turnModern is the lane in which a legacy program goes on, with all that it had
// agreed on with the server.
func (r *router) turnModern() *lane {
	r.turning <- struct{}{} // nothing is waited for under it but the program
	defer func() { <-r.turning }()
	if l := r.legacyLane(); l != nil {
		return l // somebody else was quicker
	}
	for _, m := range r.direct.asked.withdraw(math.MaxInt) {
		r.show(m)
	}
	l := r.upgraded()
	for _, m := range r.direct.session.handshake() {
		l.take(m, nil).show() // nobody waits for the answers
	}
	r.direct.leave(true)
	return l
}

// laneBack is legacyLane for a request, after another look at the server if that
// has refused what came from the lane.
func (r *router) laneBack(q *request) *lane {
	l := r.legacyLane()
	if l == nil || !l.doubted.Swap(false) || r.limits.ServerEra != EraAuto || !r.turnLegacy(q.ctx) {
		return l
	}
	return nil
}

// turnLegacy opens the session with the server itself in which a legacy program
// goes on, if the server is of that era by now.
func (r *router) turnLegacy(ctx context.Context) bool {
	if server, err := r.speaks(ctx, era.Profile{}, true); err != nil || server != EraLegacy {
		return false
	}
	select {
	case r.turning <- struct{}{}:
		defer func() { <-r.turning }()
	case <-ctx.Done():
		return false
	}
	if r.isLegacy() {
		return true // somebody else was quicker
	}
	if err := r.direct.renew(ctx, r.direct.session.state().generation); err != nil {
		r.debug("session not opened", r.direct.text(err))
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.legacy = true
	return true
}
