// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Path is where the MCP endpoint is.
const Path = "/mcp"

// maxBody bounds what a client may send in one request.
const maxBody = 4 << 20

const (
	headerVersion = "MCP-Protocol-Version"
	headerSession = "Mcp-Session-Id"
)

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != Path {
		s.serveOAuth(w, r)
		return
	}
	if s.foreign(r) {
		code := http.StatusForbidden
		if s.on("origin-status") {
			code = http.StatusBadRequest
		}
		http.Error(w, "this server is for this machine alone", code)
		return
	}
	if !s.authorized(w, r) {
		return
	}
	switch r.Method {
	case http.MethodPost:
		s.post(w, r)
	case http.MethodGet, http.MethodDelete:
		if len(s.legacy()) == 0 || modern(r.Header.Get(headerVersion)) {
			s.notAllowed(w)
			return
		}
		se, ok := s.sessionOf(w, r)
		switch {
		case !ok:
		case r.Method == http.MethodDelete:
			s.delete(w, se)
		default:
			s.get(w, r, se)
		}
	default:
		s.notAllowed(w)
	}
}

// foreign reports whether a request comes from a web page that is not of this machine, or reached it by another name, as
// DNS rebinding makes it.
func (s *Server) foreign(r *http.Request) bool {
	if s.on("rebinding-served") {
		return false
	}
	u, err := url.Parse(r.Header.Get("Origin"))
	return !local(r.Host) || r.Header.Get("Origin") != "" && !s.on("origin-unchecked") && (err != nil || !local(u.Host))
}

func (s *Server) notAllowed(w http.ResponseWriter) {
	if s.on("method-not-refused") {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<h1>Hello</h1>")
		return
	}
	w.Header().Set("Allow", "POST")
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
}

// local reports whether a host is this machine, by name or address.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// post handles one message, or a batch where the version has them.
func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/json" {
		http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body is too long", http.StatusRequestEntityTooLarge)
		return
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' && json.Valid(body) {
		s.postBatch(w, r, body)
		return
	}
	q, f := parse(body)
	if f != nil {
		s.refuseMessage(w, q, f)
		return
	}
	if s.isModern(r, q) {
		s.postModern(w, r, q)
		return
	}
	if q.method == "initialize" && q.id != nil {
		s.postInitialize(w, r, q)
		return
	}
	se, ok := s.sessionOf(w, r)
	if !ok {
		return
	}
	if q.id == nil || q.method == "" {
		s.accept(w, q)
		return
	}
	x := &exchange{request: q, s: s, version: se.version, session: se}
	s.reply(w, r, x)
}

// isModern decides by which era a message is handled.
func (s *Server) isModern(r *http.Request, q request) bool {
	if !s.speaksModern() {
		return false
	}
	return len(s.legacy()) == 0 || modern(r.Header.Get(headerVersion)) || has(object(q.params, "_meta"), metaVersion)
}

func (s *Server) refuseMessage(w http.ResponseWriter, q request, f *failure) {
	switch {
	case s.on("bad-message-accepted"):
		w.WriteHeader(http.StatusAccepted)
	case s.on("bad-message-crash"):
		http.Error(w, "panic: oops", http.StatusInternalServerError)
	default:
		s.writeJSON(w, s.badMessage(q, f), http.StatusBadRequest)
	}
}

// accept takes a message that has no answer.
func (s *Server) accept(w http.ResponseWriter, q request) {
	switch {
	case s.on("notification-answered"):
		s.writeJSON(w, s.strayAnswer(q), 200)
	case s.on("notification-status"):
		w.WriteHeader(http.StatusOK)
	case s.on("notification-body"):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "{}")
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func (s *Server) writeJSON(w http.ResponseWriter, m any, status int) {
	t := "application/json"
	if s.on("content-type-wrong") {
		t = "text/plain; charset=utf-8"
	}
	b := s.encode(m)
	if message, ok := m.(obj); ok && has(message, "result") && len(object(message, "result")) == 0 && s.on("two-objects-in-body") {
		b = append(b, b...)
	}
	w.Header().Set("Content-Type", t)
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// sessionOf finds the session of a legacy request, and checks the version that it names.
func (s *Server) sessionOf(w http.ResponseWriter, r *http.Request) (*session, bool) {
	if v := r.Header.Get(headerVersion); v != "" && !s.speaks(v) && !s.on("version-header-unchecked") {
		http.Error(w, "unsupported "+headerVersion, http.StatusBadRequest)
		return nil, false
	}
	if r.Method == http.MethodPost && r.Header.Get(headerVersion) == "" && s.on("version-header-needed") {
		http.Error(w, headerVersion+" is missing", http.StatusBadRequest)
		return nil, false
	}
	id := r.Header.Get(headerSession)
	if id == "" {
		if s.on("session-not-needed") {
			return newSession("", s.legacy()[0], nil), true
		}
		http.Error(w, headerSession+" is missing", http.StatusBadRequest)
		return nil, false
	}
	se := s.session(id)
	if se == nil {
		switch {
		case s.on("unknown-session-served"):
			return newSession(id, s.legacy()[0], nil), true
		case s.on("unknown-session-status"):
			http.Error(w, "no such session", http.StatusBadRequest)
		default:
			http.Error(w, "no such session", http.StatusNotFound)
		}
		return nil, false
	}
	return se, true
}

func (s *Server) delete(w http.ResponseWriter, se *session) {
	switch {
	case s.on("delete-ignored"):
	case s.on("delete-crash"):
		http.Error(w, "oops", http.StatusInternalServerError)
		return
	default:
		s.mu.Lock()
		s.end(se)
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) postInitialize(w http.ResponseWriter, r *http.Request, q request) {
	if len(s.legacy()) == 0 {
		_, _, f := s.initialize(q)
		s.writeJSON(w, errorMessage(q.id, f), status(f))
		return
	}
	result, se, f := s.initialize(q)
	if f != nil {
		s.writeJSON(w, errorMessage(q.id, f), 200)
		return
	}
	w.Header().Set(headerSession, se.id)
	x := &exchange{request: q, s: s, version: se.version, session: se}
	m := obj{"jsonrpc": "2.0", "id": q.id, "result": result}
	s.spoil(x, m)
	if late := s.afterInitialize(); late != nil {
		se.push(late[0])
	}
	s.writeJSON(w, m, 200)
}

func (s *Server) postBatch(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Header.Get(headerSession) == "" {
		s.refuseMessage(w, request{}, &failure{code: invalidRequest, message: "no batches here"})
		return
	}
	se, ok := s.sessionOf(w, r)
	if !ok {
		return
	}
	var parts []json.RawMessage
	if !batches(se.version) && !s.on("batch-accepted") || s.on("batch-refused") || json.Unmarshal(body, &parts) != nil || len(parts) == 0 {
		s.refuseMessage(w, request{}, &failure{code: invalidRequest, message: "no batches in this version"})
		return
	}
	answers := []any{}
	for _, part := range parts {
		q, f := parse(part)
		if f != nil {
			answers = append(answers, s.badMessage(q, f))
			continue
		}
		if q.id == nil || q.method == "" {
			continue
		}
		m, _ := s.answer(&exchange{request: q, s: s, version: se.version, session: se, notify: func(obj) {}})
		answers = append(answers, m)
	}
	switch {
	case len(answers) == 0:
		s.accept(w, request{method: "batch"})
	case s.on("batch-answer-single"):
		s.writeJSON(w, answers[0], 200)
	default:
		s.writeJSON(w, answers, 200)
	}
}
