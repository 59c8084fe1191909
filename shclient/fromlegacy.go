// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"errors"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
)

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
