// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// discoverTimeout is how long a server may take to answer server/discover; one
// that is silent is taken to be legacy. A login does not count.
const discoverTimeout = 10 * time.Second

// finding is an attempt to find out what the server speaks.
type finding struct {
	over   chan struct{} // closed when the rest is set; nil if it was known
	server Era
	err    error
}

// wait waits for what was found out.
func (f *finding) wait(ctx context.Context) (Era, error) {
	if f.over != nil {
		select {
		case <-f.over:
		case <-ctx.Done():
			return EraAuto, ctx.Err()
		}
	}
	return f.server, f.err
}

// speaks is what the server speaks. The error says that this was not to be
// found out.
func (r *router) speaks(ctx context.Context, profile era.Profile, doubt bool) (Era, error) {
	return r.findOut(profile, doubt).wait(ctx)
}

// findOut finds out what the server speaks. If that is not known, or is in
// doubt, the server is asked; whoever wants to know meanwhile shares the answer,
// so that nobody sees a second login after one that failed.
func (r *router) findOut(profile era.Profile, doubt bool) *finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != EraAuto && !doubt {
		return &finding{server: r.server}
	}
	if r.finding == nil {
		f := &finding{over: make(chan struct{})}
		r.finding = f
		r.direct.tasks.Go(func() { r.find(f, profile) })
	}
	return r.finding
}

// find asks the server in the name of a client.
func (r *router) find(f *finding, profile era.Profile) {
	f.server, f.err = r.probe(profile)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finding, r.server = nil, f.server // which is EraAuto after an error
	if f.server == EraModern {
		r.lanes.dropAll(r.direct)
	}
	close(f.over)
}

// probe asks the server whether it speaks a modern version.
func (r *router) probe(profile era.Profile) (Era, error) {
	frame := profile.AppendMeta([]byte(`{"jsonrpc":"2.0","id":"discover","method":"server/discover","params":{"_meta":`))
	m, err := scan(append(frame, `}}`...))
	if err != nil {
		return EraAuto, err
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	ctx, limit := withDeadline(ctx, discoverTimeout)
	defer limit.stop()
	answer, err := r.direct.try(ctx, m)
	switch {
	case err == nil && era.IsModern(answer.frame, answer.Message), modernError(err):
		return EraModern, nil
	case turnedDown(err), errors.Is(context.Cause(ctx), errTooSlow):
		return EraLegacy, nil
	}
	return EraAuto, err
}

// turnedDown reports whether a server has looked at a request and wants none of
// it: err is nil if it said so in JSON-RPC.
func turnedDown(err error) bool {
	_, answered := errors.AsType[*rpcAnswer](err)
	return err == nil || answered || refusedPost(err)
}

// untouched reports whether a server that failed a request with err has
// certainly not executed it, for want of a version that both speak: it did not
// even read its id, or says that it has legacy versions alone.
func untouched(m message, err error) bool {
	answer, ok := errors.AsType[*rpcAnswer](err)
	switch {
	case !ok:
		return refusedPost(err)
	case modernError(err):
		return false
	}
	return answer.code() == jsonrpc.UnsupportedProtocolVersion || jsonrpc.Key(answer.id()) != jsonrpc.Key(m.id())
}

// refusedPost reports whether err is one of the statuses with which servers
// refuse what they do not take for MCP.
func refusedPost(err error) bool {
	status, ok := errors.AsType[*StatusError](err)
	return ok && slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusNotImplemented}, status.Status)
}

// modernError reports whether an error is one of those that only modern servers
// give (MCP 2026-07-28, Streamable HTTP, "Backward Compatibility").
func modernError(err error) bool {
	answer, ok := errors.AsType[*rpcAnswer](err)
	return ok && era.IsModern(answer.frame, answer.message.Message)
}
