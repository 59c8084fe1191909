// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// sessionParameter names the session in the address that a client of the old
// transport is told to post to.
const sessionParameter = "sessionId"

var errStreamClosed = errors.New("the client closed its stream")

// LegacySSE returns the two endpoints of the HTTP+SSE transport of MCP
// 2024-11-05, for clients that know no other: stream opens a session and tells
// the client to post its messages to the path messages, where the second
// handler has to be mounted. The session ends with the stream, which cannot be
// resumed. Every client that can should use the [Proxy] itself.
//
// See https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse.
func (p *Proxy) LegacySSE(messages string) (stream, message http.Handler) {
	stream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if problem := p.legacyStream(w, r, messages); problem != nil {
			problem.write(w, nil)
		}
	})
	message = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.legacyMessage(w, r) })
	return stream, message
}

func (p *Proxy) legacyStream(w http.ResponseWriter, r *http.Request, messages string) *problem {
	if err := p.guard.Check(r); err != nil {
		return fail(http.StatusForbidden, codeTransport, "%v", err)
	}
	if !p.serves(legacy) {
		return p.unsupportedVersion("2024-11-05")
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		return fail(http.StatusMethodNotAllowed, codeTransport, "method %s is not allowed", r.Method)
	}
	reply, problem := p.newReply(w, r)
	if problem == nil && !reply.events {
		problem = fail(http.StatusNotAcceptable, codeTransport, "Accept must list text/event-stream")
	}
	if problem != nil {
		return problem
	}
	if p.hand(w, r, nil) {
		return nil
	}
	c := p.caller(r)
	ctx, cancel := context.WithTimeout(r.Context(), p.opts.StartTimeout)
	defer cancel()
	s, err := p.sessions.Start(ctx, c.principal, c.env)
	if err != nil {
		return p.startProblem(err).refusal()
	}
	s.Plain()
	defer s.End(errStreamClosed)
	uninitialized := time.AfterFunc(p.opts.StartTimeout, func() {
		if s.Version() == "" {
			s.End(p.tooSlow(s))
		}
	})
	defer uninitialized.Stop()
	reader, err := s.Listen()
	if err != nil {
		return sendProblem(err)
	}
	defer reader.Leave()
	defer reply.close()
	if reply.begin(&reader, session.EventID{}) != nil {
		return nil
	}
	address := messages + "?" + url.Values{sessionParameter: {s.ID}}.Encode()
	if reply.stream.Event(sse.Event{Type: "endpoint", Data: []byte(address)}) == nil {
		reply.relay(&reader)
	}
	return nil
}

// legacyMessage takes one message of a client; what the server answers goes to
// the client's stream.
func (p *Proxy) legacyMessage(w http.ResponseWriter, r *http.Request) {
	if err := p.guard.Check(r); err != nil {
		fail(http.StatusForbidden, codeTransport, "%v", err).write(w, nil)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		fail(http.StatusMethodNotAllowed, codeTransport, "method %s is not allowed", r.Method).write(w, nil)
		return
	}
	body := session.NewFrame()
	defer body.Release()
	if problem := p.readBody(w, r, body); problem != nil {
		problem.write(w, nil)
		return
	}
	frame := body.Data
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		scanProblem(err).write(w, m.ID.Of(frame))
		return
	}
	s, found := p.find(r, r.URL.Query().Get(sessionParameter))
	if !found || !s.IsPlain() {
		fail(http.StatusNotFound, codeNoSession, "session not found").write(w, m.ID.Of(frame))
		return
	}
	if m.Kind == jsonrpc.Request {
		if problem := p.limit(r, 1); problem != nil {
			problem.write(w, m.ID.Of(frame))
			return
		}
	}
	span, with, passed := p.sent(r, frame, m)
	if m.Kind == jsonrpc.Request {
		err = s.CallPlain(with, passed, jsonrpc.Edit{})
	} else {
		err = s.Post(with, passed)
	}
	if err != nil {
		span.end(stats.Refused, 0)
		sendProblem(err).refusal().write(w, m.ID.Of(frame))
		return
	}
	span.end(stats.OK, 0)
	p.recorder.BytesIn.Add(int64(len(frame)))
	w.WriteHeader(http.StatusAccepted)
}
