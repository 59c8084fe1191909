// SPDX-License-Identifier: Apache-2.0

package shclient

import "github.com/atrawog/mcp-oauth-gateway/shproxy/era"

// askModern carries a request of the modern era.
func (r *router) askModern(q *request, sent, settle func()) {
	r.hear()
	profile, _ := era.ProfileOf(q.frame, q.Message) // the lane misses what is missing
	settled := r.settled(profile)
	asked := r.findOut(profile, false) // before the next message, which may depend on the answer
	if !settled {
		sent() // a request does not depend on others, and this may include a login
	}
	server, err := asked.wait(q.ctx)
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

// hear notes that the program is a modern one, or that as well.
func (r *router) hear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.modern = true
}

// settled reports whether it is known what the server speaks. One that has
// failed as a legacy server, or seems to, is asked again.
func (r *router) settled(profile era.Profile) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes.open[profile.Key()]
	switch {
	case l == nil:
	case l.failed():
		r.lanes.drop(l, r.direct)
		r.server = r.limits.ServerEra
	case l.doubted.Swap(false):
		r.server = r.limits.ServerEra
	}
	return r.server != EraAuto
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

// tellModern carries what may be a notification of a modern program: it need
// not say so.
func (r *router) tellModern(m message, sent, settle func()) {
	profile, _ := era.ProfileOf(m.frame, m.Message)
	early := (m.modern() || r.isFinding()) && !r.settled(profile)
	if early {
		asked := r.findOut(profile, false)
		sent()
		if _, err := asked.wait(r.ctx); err != nil {
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
	return !m.modern() && !r.modern
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
	switch {
	case r.limits.ServerEra != EraAuto:
		return false
	case !m.modern():
		return r.outgrown(m, err, settle)
	case !untouched(m, err):
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
