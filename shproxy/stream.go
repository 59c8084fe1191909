// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// listen opens the session's standalone stream.
func (p *Proxy) listen(w http.ResponseWriter, r *http.Request) {
	reply, problem := p.newReply(w, r)
	if problem == nil && !reply.events {
		problem = fail(http.StatusNotAcceptable, codeTransport, "Accept must list text/event-stream")
	}
	if problem != nil {
		problem.write(w, nil)
		return
	}
	s, problem := p.session(r, nil, jsonrpc.Message{})
	if problem != nil {
		problem.write(w, nil)
		return
	}
	stream, err := s.Listen()
	if err != nil {
		sendProblem(err).write(w, nil)
		return
	}
	defer stream.Leave()
	if reply.begin() == nil {
		reply.relay(stream)
	}
}

// delete ends the session.
func (p *Proxy) delete(w http.ResponseWriter, r *http.Request) {
	s, problem := p.session(r, nil, jsonrpc.Message{})
	if problem != nil {
		problem.write(w, nil)
		return
	}
	s.End(session.ErrDeleted)
	w.WriteHeader(http.StatusNoContent)
}
