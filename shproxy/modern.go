// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

// modern passes a message of MCP 2026-07-28 or later to a server, translated if
// that speaks a legacy version. There is no session: the request stands for
// itself, and to leave its stream is to cancel it.
func (p *Proxy) modern(w http.ResponseWriter, r *http.Request, frame []byte, m jsonrpc.Message, version string) *problem {
	if m.Kind == jsonrpc.Response {
		return fail(http.StatusBadRequest, jsonrpc.InvalidRequest, "since 2026-07-28 clients send no responses; answers to input requests go into a new request")
	}
	if p.handModern(w, r, frame, m) {
		return nil
	}
	reply, problem := p.newReply(w, r)
	if problem != nil {
		return problem
	}
	translated, problem := p.learnEra(r)
	if problem != nil {
		return problem
	}
	if version == "" && m.Kind == jsonrpc.Request {
		return fail(http.StatusBadRequest, jsonrpc.InvalidParams, "params._meta must hold %q", jsonrpc.MetaProtocolVersion)
	}
	if err := mcpheader.Check(r.Header, frame, m); err != nil {
		return mismatch(err)
	}
	c, complete := p.modernCaller(r, frame, m)
	if translated && !complete && m.Kind == jsonrpc.Request {
		return fail(http.StatusBadRequest, jsonrpc.InvalidParams, "params._meta must hold %q", jsonrpc.MetaClientCapabilities)
	}
	if m.Kind == jsonrpc.Notification {
		span, frame, m := p.sent(r, frame, m)
		if err := p.sessions.Post(c, frame, m); err != nil {
			span.end(stats.Refused, 0)
			return sendProblem(err).refusal()
		}
		span.end(stats.OK, 0)
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if jsonrpc.Is(frame, m.Method, "tools/call") {
		if problem := p.checkParams(r, c, frame, m); problem != nil {
			return problem
		}
	}
	if problem := p.limit(r, 1); problem != nil {
		return problem
	}
	listen := jsonrpc.Is(frame, m.Method, "subscriptions/listen")
	if listen && !reply.events {
		return fail(http.StatusNotAcceptable, codeTransport, "Accept must list text/event-stream")
	}
	reply.begins(frame, m)
	span, with, sent, edit := p.traced(r, frame, m)
	reply.span = span
	defer reply.span.end(stats.Gone, 0)
	call, err := p.sessions.Call(c, with, sent, edit, reply.events)
	if errors.Is(err, session.ErrTooMany) && p.opts.Replicas != nil && p.opts.Replicas.Pass(w, r, "", frame) {
		reply.span.end(stats.OK, 0) // of the other replica's span
		return nil
	}
	if err != nil {
		return reply.refused(p.startProblem(err))
	}
	reply.modern = true
	if listen {
		reply.json, reply.eager = false, true
	}
	reader := call.Reader(reply.json)
	defer reader.Leave()
	reply.relay(&reader)
	return nil
}

// modernCaller is the caller together with what the request says of it, and
// whether it says what is required.
func (p *Proxy) modernCaller(r *http.Request, frame []byte, m jsonrpc.Message) (c session.Caller, complete bool) {
	who := p.caller(r)
	profile, complete := era.ProfileOf(frame, m)
	return session.Caller{Principal: who.principal, Env: who.env, Profile: profile}, complete
}

// learnEra finds out what the server speaks, if nobody has yet, and reports
// whether it has to be translated for.
func (p *Proxy) learnEra(r *http.Request) (translated bool, _ *problem) {
	if known, modern := p.sessions.KnownEra(); known {
		return !modern, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), p.opts.StartTimeout)
	defer cancel()
	modern, err := p.sessions.Modern(ctx, p.caller(r).env)
	if err != nil {
		return false, p.startProblem(err)
	}
	return !modern, nil
}

// mismatch is HeaderMismatch of MCP 2026-07-28.
func mismatch(err error) *problem {
	return fail(http.StatusBadRequest, jsonrpc.HeaderMismatch, "%v", err)
}
