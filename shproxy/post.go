// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// post takes one message of the client.
func (p *Proxy) post(w http.ResponseWriter, r *http.Request) {
	// It holds until the body has ended, since net/http reads on when a part
	// of it was refused.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	if !isJSON(r.Header) {
		fail(http.StatusUnsupportedMediaType, codeTransport, "Content-Type must be application/json").write(w, nil)
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
	var problem *problem
	switch {
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
	s, problem := p.session(r, frame, m)
	if problem != nil {
		return problem
	}
	if err := s.Post(frame, m); err != nil {
		return sendProblem(err)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// call passes a request to the session's server and relays the answer.
func (p *Proxy) call(w http.ResponseWriter, r *http.Request, frame []byte, m jsonrpc.Message) *problem {
	reply, problem := p.newReply(w, r)
	if problem != nil {
		return problem
	}
	s, problem := p.session(r, frame, m)
	if problem != nil {
		return problem
	}
	call, err := s.Call(frame, m, reply.events)
	if err != nil {
		return sendProblem(err)
	}
	defer call.Close()
	reply.relay(&call.Stream)
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
	if problem := checkVersion(r, frame, m, ""); problem != nil {
		return problem
	}
	s, err := p.sessions.Start(p.opts.Identify(r))
	if err != nil {
		return startProblem(err)
	}
	timeout := time.AfterFunc(p.opts.StartTimeout, func() { s.End(p.tooSlow(s)) })
	defer timeout.Stop()
	call, err := s.Call(frame, m, reply.events)
	if err != nil {
		s.End(err)
		return startProblem(err)
	}
	defer call.Close()
	w.Header().Set(headerSession, s.ID)
	reply.relay(&call.Stream)
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
func (p *Proxy) session(r *http.Request, frame []byte, m jsonrpc.Message) (*session.Session, *problem) {
	var s *session.Session
	var found bool
	var negotiated string
	id := r.Header[headerSession]
	if len(id) > 0 {
		if s, found = p.sessions.Find(id[0], p.opts.Identify(r)); found {
			negotiated = s.Version()
		}
	}
	if problem := checkVersion(r, frame, m, negotiated); problem != nil {
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

// readBody reads the request's body into f. Memory is taken as the bytes
// come, not as the request announces them.
func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request, f *session.Frame) *problem {
	limit := p.opts.MaxMessageBytes
	if r.ContentLength > int64(limit) {
		return tooLarge(limit)
	}
	room := 512
	if r.ContentLength > 0 {
		room = int(min(r.ContentLength, trustedLength)) + 1 // one more byte to meet the end in
	}
	for {
		f.Data = slices.Grow(f.Data, room)
		n, err := r.Body.Read(f.Data[len(f.Data):cap(f.Data)])
		f.Data = f.Data[:len(f.Data)+n]
		switch {
		case len(f.Data) > limit:
			return tooLarge(limit)
		case err == io.EOF:
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
			return nil
		case err != nil:
			return fail(http.StatusBadRequest, codeTransport, "the body could not be read to its end")
		}
		room = 1
		if len(f.Data) == cap(f.Data) {
			room = len(f.Data)
		}
	}
}

const (
	bodyTimeout   = time.Minute // to send one message
	trustedLength = 64 << 10    // bytes to make room for at once
)

func tooLarge(limit int) *problem {
	return fail(http.StatusRequestEntityTooLarge, codeTransport, "the message has more than %d bytes", limit)
}

// isJSON reports whether the Content-Type is application/json.
func isJSON(h http.Header) bool {
	v := h["Content-Type"]
	if len(v) == 0 {
		return false
	}
	if v[0] == contentTypeJSON[0] {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(v[0])
	return err == nil && mediaType == contentTypeJSON[0]
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

// startProblem is the answer when there is no session to be had. That a
// server cannot be started, or ended at once, is told with status 200, as an
// answer: clients do not show the body of other answers to their users.
func startProblem(err error) *problem {
	switch {
	case errors.Is(err, session.ErrTooMany):
		return fail(http.StatusServiceUnavailable, codeTransport, "too many sessions; try again later")
	case errors.Is(err, session.ErrShutdown):
		return fail(http.StatusServiceUnavailable, codeTransport, "%v", err)
	}
	return fail(http.StatusOK, jsonrpc.InternalError, "%v", err)
}

// sendProblem is the answer when a message could not be sent to the server.
func sendProblem(err error) *problem {
	switch {
	case errors.Is(err, child.ErrBusy):
		return fail(http.StatusServiceUnavailable, codeTransport, "%v", err)
	case errors.Is(err, child.ErrClosed):
		return fail(http.StatusOK, jsonrpc.InternalError, "%v", err)
	}
	return fail(http.StatusNotFound, codeNoSession, "session not found: %v", err)
}
