// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Era names kinds of protocol versions, see
// https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning.
type Era uint8

// The eras.
const (
	EraAuto   Era = iota // either
	EraLegacy            // those with initialize, 2024-11-05 to 2025-11-25
	EraModern            // those without, since 2026-07-28
)

const (
	// discoverTimeout is how long a server may take to answer server/discover; one
	// that is silent is taken to be legacy. A login does not count.
	discoverTimeout = 10 * time.Second
	// maxLanes bounds the legacy sessions of one program: each of them serves
	// clients that say the same of themselves.
	maxLanes = 32
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

	turn chan struct{} // has room for the one who finds out

	mu      sync.Mutex       // guards the rest
	server  Era              // that the server speaks, once it is known
	lanes   map[string]*lane // for modern messages, by profile
	upgrade *lane            // for legacy messages
	legacy  bool             // the program's initialize was answered directly
}

func newRouter(ctx context.Context, b *Bridge, write func([]byte)) *router {
	r := &router{
		endpoint: b.endpoint, limits: b.options, ctx: ctx, write: write,
		turn: make(chan struct{}, 1), lanes: make(map[string]*lane), server: b.options.ServerEra,
	}
	r.direct = newRemote(ctx, b.endpoint, b.options, func(m message, _ []byte) { write(m.frame) })
	r.direct.refused = r.reconsider
	return r
}

// close waits for what the end of the run has stopped.
func (r *router) close() {
	r.mu.Lock()
	all := slices.Collect(maps.Values(r.lanes))
	if r.upgrade != nil {
		all = append(all, r.upgrade)
	}
	r.mu.Unlock()
	for _, l := range all {
		l.close()
	}
	r.direct.close()
}

// send carries one message of the program, as [remote.send] does.
func (r *router) send(m message, sent, settle func()) {
	var l *lane
	var err error
	switch {
	case !r.accepts(m):
		err = localError("this bridge was told to serve programs of the other era only")
	case m.modern() && m.Kind == jsonrpc.Request:
		l, err = r.modernLane(m)
	case m.modern():
		l = r.laneWith(m)
	case m.method() == methodInitialize:
		if l = r.initialize(m, settle); l == nil {
			return
		}
	default:
		l = r.legacyLane(m)
	}
	switch {
	case err != nil && m.Kind == jsonrpc.Request:
		r.direct.reply(m, err)
	case err != nil:
	case l == nil:
		r.direct.send(m, sent, settle)
	default:
		l.send(m, sent, settle)
	}
}

// accepts reports whether the program may speak as it does.
func (r *router) accepts(m message) bool {
	switch r.limits.ClientEra {
	case EraLegacy:
		return !m.modern()
	case EraModern:
		return m.modern() || m.Kind != jsonrpc.Request
	}
	return true
}

// initialize opens a session for a legacy program: with the server itself, or,
// if that speaks modern versions alone, through the lane that it returns.
func (r *router) initialize(m message, settle func()) *lane {
	if r.limits.ServerEra != EraModern && !r.upgraded() {
		answer, err := r.direct.try(r.ctx, m)
		if err == nil && !answer.Error.Present() {
			r.setLegacy(true)
			r.write(answer.frame)
			return nil
		}
		if r.limits.ServerEra == EraLegacy || !turnedDown(err) || !r.speaksModern() {
			r.answer(m, answer, err)
			return nil
		}
	}
	r.setLegacy(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.upgrade == nil {
		r.upgrade = newLane(r, era.NewToModern(era.ToModernConfig{Self: self()}))
	}
	return r.upgrade
}

// answer tells the program how its request to the server ended.
func (r *router) answer(m, answer message, err error) {
	switch {
	case err == nil:
		r.write(answer.frame)
	case r.ctx.Err() != nil:
		r.direct.reply(m, errEnding)
	default:
		r.direct.reply(m, err)
	}
}

// turnedDown reports whether a server has looked at a request and wants none of
// it: err is nil if it said so in JSON-RPC.
func turnedDown(err error) bool {
	if err == nil {
		return true
	}
	if _, answered := errors.AsType[*rpcAnswer](err); answered {
		return true
	}
	status, ok := errors.AsType[*StatusError](err)
	return ok && slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusNotImplemented}, status.Status)
}

// speaksModern asks the server in the name of a legacy program whether it does.
func (r *router) speaksModern() bool {
	modern, err := r.probe(era.Profile{})
	if err != nil {
		r.logger.LogAttrs(r.ctx, slog.LevelDebug, "server/discover failed", slog.String("error", r.direct.text(err)))
	}
	return err == nil && modern
}

// modernLane finds the lane for a request of a modern program, or nil if the
// server speaks its era. The error says that the server could not be asked.
func (r *router) modernLane(m message) (*lane, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
	profile, _ := era.ProfileOf(m.frame, m.Message) // the lane misses what is missing
	if r.known() == EraAuto {
		modern, err := r.probe(profile)
		if err != nil {
			return nil, err
		}
		r.learn(modern)
	}
	if r.known() == EraModern {
		return nil, nil
	}
	return r.lane(profile), nil
}

// lane returns the lane for clients with a profile.
func (r *router) lane(profile era.Profile) *lane {
	key := profile.Key()
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lanes[key]; l != nil && !l.failed() {
		return l
	}
	r.makeRoom()
	l := newLane(r, era.NewToLegacy(era.ToLegacyConfig{
		Profile: profile.Clone(), Self: self(), Process: rand.Text(),
	}))
	r.lanes[key] = l
	return l
}

// makeRoom ends lanes that have failed, and those that are not in use if there
// are too many. mu is held.
func (r *router) makeRoom() {
	for key, l := range r.lanes {
		if l.failed() || len(r.lanes) >= maxLanes && l.idle() {
			delete(r.lanes, key)
			r.direct.tasks.Go(l.close)
		}
	}
}

// legacyLane finds the lane of a message that does not name its version: of a
// legacy program, or a cancellation of a modern one.
func (r *router) legacyLane(m message) *lane {
	if l := r.laneWith(m); l != nil {
		return l
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.legacy {
		return nil
	}
	return r.upgrade
}

// laneWith finds the lane for modern messages in which the request is in flight
// that a cancellation names.
func (r *router) laneWith(m message) *lane {
	if m.method() != methodCancelled {
		return nil
	}
	span, _ := jsonrpc.Lookup(m.frame, m.Params, "requestId")
	key := jsonrpc.Key(span.Of(m.frame))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lanes {
		if l.waitsFor(key) {
			return l
		}
	}
	return nil
}

// reconsider asks the server again what it speaks when a modern request failed
// in a way that no modern server has, and if so takes care of the request.
func (r *router) reconsider(m message, err error, settle func()) bool {
	if !m.modern() || m.Kind != jsonrpc.Request || r.limits.ServerEra != EraAuto || !turnedDown(err) || modernError(err) {
		return false
	}
	profile, _ := era.ProfileOf(m.frame, m.Message)
	modern, failed := r.probe(profile)
	if failed != nil || modern {
		return false
	}
	r.learn(false)
	r.lane(profile).send(m, func() {}, settle)
	return true
}

// modernError reports whether an error is one of those that only modern servers
// give (MCP 2026-07-28, Streamable HTTP, "Backward Compatibility").
func modernError(err error) bool {
	answer, ok := errors.AsType[*rpcAnswer](err)
	return ok && era.IsModern(answer.frame, answer.message.Message)
}

// probe asks the server whether it speaks a modern version. The error says that
// this was not to be found out.
func (r *router) probe(profile era.Profile) (modern bool, err error) {
	frame := profile.AppendMeta([]byte(`{"jsonrpc":"2.0","id":"discover","method":"server/discover","params":{"_meta":`))
	m, err := scan(append(frame, `}}`...))
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	ctx, limit := withDeadline(ctx, discoverTimeout)
	defer limit.stop()
	answer, err := r.direct.try(ctx, m)
	switch {
	case err == nil:
		return era.IsModern(answer.frame, answer.Message), nil
	case errors.Is(context.Cause(ctx), errTooSlow):
		return false, nil
	case modernError(err):
		return true, nil
	case turnedDown(err):
		return false, nil
	}
	return false, err
}

func (r *router) known() Era {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server
}

func (r *router) learn(modern bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = EraLegacy
	if modern {
		r.server = EraModern
	}
}

// upgraded reports whether the server was found to know no initialize.
func (r *router) upgraded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.upgrade != nil
}

func (r *router) setLegacy(direct bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.legacy = direct
}
