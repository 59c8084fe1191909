// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"errors"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
)

// listen opens the session's standalone stream, or resumes one that was
// interrupted.
func (p *Proxy) listen(w http.ResponseWriter, r *http.Request) {
	reply, problem := p.newReply(w, r)
	if problem == nil && !reply.events {
		problem = fail(http.StatusNotAcceptable, codeTransport, "Accept must list text/event-stream")
	}
	if problem != nil {
		problem.write(w, nil)
		return
	}
	s, problem := p.session(r)
	if problem != nil {
		problem.write(w, nil)
		return
	}
	var reader session.Reader
	var err error
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		reader, err = s.Resume(last)
	} else {
		reader, err = s.Listen()
		reply.prime = primed(s.Version())
	}
	switch {
	case errors.Is(err, session.ErrGone):
		fail(http.StatusBadRequest, codeTransport, "%v", err).write(w, nil)
		return
	case err != nil:
		sendProblem(err).write(w, nil)
		return
	}
	defer reader.Leave()
	reply.eager = true
	reply.relay(&reader)
}

// delete ends the session.
func (p *Proxy) delete(w http.ResponseWriter, r *http.Request) {
	s, problem := p.session(r)
	if problem != nil {
		problem.write(w, nil)
		return
	}
	s.End(session.ErrDeleted)
	w.WriteHeader(http.StatusNoContent)
}
