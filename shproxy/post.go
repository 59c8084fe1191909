// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// post takes what the client sends: one message, or a batch where the
// session's version has them.
func (p *Proxy) post(w http.ResponseWriter, r *http.Request) {
	body := session.NewFrame()
	defer body.Release()
	if problem := p.readBody(w, r, body); problem != nil {
		problem.write(w, nil)
		return
	}
	frame := body.Data
	if isBatch(frame) {
		if problem := p.batch(w, r, frame); problem != nil {
			problem.write(w, nil)
		}
		return
	}
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		scanProblem(err).write(w, m.ID.Of(frame))
		return
	}
	var problem *problem
	switch speaks, version := eraOf(r, frame, m); {
	case !p.serves(speaks):
		problem = p.unsupportedVersion(requested(r, frame, m, version))
	case speaks == modern:
		problem = p.modern(w, r, frame, m, version)
	case m.Kind != jsonrpc.Request:
		problem = p.accept(w, r, frame, m)
	case jsonrpc.Is(frame, m.Method, "initialize"):
		problem = p.initialize(w, r, frame, m)
	default:
		problem = p.call(w, r, frame, m)
	}
	if problem != nil {
		id := m.ID.Of(frame)
		if m.Kind == jsonrpc.Response {
			id = nil // it is an id of the server's, and this is no answer to it
		}
		problem.write(w, id)
	}
}

// accept passes a notification or a response to the session's server.
func (p *Proxy) accept(w http.ResponseWriter, r *http.Request, frame []byte, m jsonrpc.Message) *problem {
	s, problem := p.session(r)
	if problem != nil {
		return problem
	}
	span, with, m := p.sent(r, frame, m)
	if err := s.Post(with, m); err != nil {
		span.end(stats.Refused, 0)
		return sendProblem(err).refusal()
	}
	span.end(stats.OK, 0)
	p.recorder.BytesIn.Add(int64(len(frame)))
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// call passes a request to the session's server and relays the answer.
func (p *Proxy) call(w http.ResponseWriter, r *http.Request, frame []byte, m jsonrpc.Message) *problem {
	reply, problem := p.newReply(w, r)
	if problem != nil {
		return problem
	}
	reply.begins(frame, m)
	s, problem := p.session(r)
	if problem != nil {
		return problem
	}
	if problem := p.limit(r, 1); problem != nil {
		return reply.refused(problem)
	}
	var edit jsonrpc.Edit
	reply.span, frame, m, edit = p.traced(r, frame, m)
	defer reply.span.end(stats.Gone, 0)
	call, err := s.Call(frame, m, edit, reply.events)
	if err != nil {
		return reply.refused(sendProblem(err))
	}
	reply.prime = primed(s.Version())
	reader := call.Reader(reply.json)
	defer reader.Leave()
	reply.relay(&reader)
	return nil
}

// initialize starts a session. If the server does not agree to a protocol
// version, or the client leaves before it does, the session ends with the
// reply.
func (p *Proxy) initialize(w http.ResponseWriter, r *http.Request, frame []byte, m jsonrpc.Message) *problem {
	reply, problem := p.newReply(w, r)
	if problem != nil {
		return problem
	}
	reply.begins(frame, m)
	if problem := p.checkVersion(r, ""); problem != nil {
		return problem
	}
	if p.hand(w, r, frame) {
		return nil
	}
	if problem := p.limit(r, 1); problem != nil {
		return reply.refused(problem)
	}
	c := p.caller(r)
	ctx, cancel := context.WithTimeout(r.Context(), p.opts.StartTimeout)
	defer cancel()
	s, err := p.sessions.Start(ctx, c.principal, c.env)
	if err != nil {
		return reply.refused(p.startProblem(err))
	}
	timeout := time.AfterFunc(p.opts.StartTimeout, func() { s.End(p.tooSlow(s)) })
	defer timeout.Stop()
	var edit jsonrpc.Edit
	reply.span, frame, m, edit = p.traced(r, frame, m)
	defer reply.span.end(stats.Gone, 0)
	call, err := s.Call(frame, m, edit, reply.events)
	if err != nil {
		s.End(err)
		return reply.refused(p.startProblem(err))
	}
	w.Header().Set(headerSession, s.ID)
	reader := call.Reader(reply.json)
	defer reader.Leave()
	reply.relay(&reader)
	if s.Version() == "" {
		s.End(errNotInitialized)
	}
	return nil
}

var errNotInitialized = errors.New("the session was not initialized")

// tooSlow explains a server that does not answer initialize.
func (p *Proxy) tooSlow(s *session.Session) error {
	err := fmt.Errorf("server %q did not answer initialize within %v", p.server.Name, p.opts.StartTimeout)
	if says := s.Says(); says != "" {
		return fmt.Errorf("%w; %s", err, says)
	}
	return err
}

// session finds the session that the request names.
func (p *Proxy) session(r *http.Request) (*session.Session, *problem) {
	var s *session.Session
	var found bool
	var negotiated string
	id := r.Header[headerSession]
	if len(id) > 0 {
		s, found = p.find(r, id[0])
		if found = found && !s.IsPlain(); found {
			negotiated = s.Version()
		}
	}
	if problem := p.checkVersion(r, negotiated); problem != nil {
		return nil, problem
	}
	switch {
	case len(id) == 0:
		return nil, fail(http.StatusBadRequest, codeTransport, "header %s is missing; a session starts with initialize", headerSession)
	case !found:
		return nil, fail(http.StatusNotFound, codeNoSession, "session not found")
	}
	return s, nil
}

// find returns the session with that id, if it is the caller's.
func (p *Proxy) find(r *http.Request, id string) (*session.Session, bool) {
	c := p.caller(r)
	return p.sessions.Find(id, c.principal, c.env)
}

// scanProblem is the answer to a frame that [jsonrpc.Scan] refused.
func scanProblem(err error) *problem {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok {
		return fail(http.StatusBadRequest, jsonrpc.ParseError, "%v", err)
	}
	if e.Offset > 0 {
		return fail(http.StatusBadRequest, e.Code, "%s at byte %d", e.Message, e.Offset)
	}
	return fail(http.StatusBadRequest, e.Code, "%s", e.Message)
}

// startProblem is the answer when there is no child to be had. That a server
// cannot be started, or ended at once, is told with status 200, as an answer:
// clients do not show the body of other answers to their users.
func (p *Proxy) startProblem(err error) *problem {
	switch {
	case errors.Is(err, session.ErrTooMany):
		return fail(http.StatusServiceUnavailable, codeTransport, "too many sessions; try again later")
	case errors.Is(err, session.ErrCallerTooMany):
		return fail(http.StatusTooManyRequests, codeTransport, "%v; end one, or try again later", err)
	case errors.Is(err, session.ErrShutdown), errors.Is(err, session.ErrRetiring), errors.Is(err, child.ErrBusy):
		return fail(http.StatusServiceUnavailable, codeTransport, "%v", err)
	case errors.Is(err, era.ErrState):
		return fail(http.StatusBadRequest, jsonrpc.InvalidParams, "%v", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fail(http.StatusServiceUnavailable, codeTransport, "other sessions are still starting after %v; try again later", p.opts.StartTimeout)
	}
	return fail(http.StatusOK, jsonrpc.InternalError, "%v", err)
}

// sendProblem is the answer when a message could not be sent to the server.
func sendProblem(err error) *problem {
	failed, resting := errors.AsType[*session.FailedError](err)
	switch {
	case errors.Is(err, child.ErrBusy), errors.Is(err, session.ErrShutdown):
		return fail(http.StatusServiceUnavailable, codeTransport, "%v", err)
	case resting:
		return fail(http.StatusOK, jsonrpc.InternalError, "%v", failed)
	case errors.Is(err, child.ErrClosed):
		return fail(http.StatusOK, jsonrpc.InternalError, "%v", err)
	}
	return fail(http.StatusNotFound, codeNoSession, "session not found: %v", err)
}
