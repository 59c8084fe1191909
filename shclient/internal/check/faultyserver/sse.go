// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"fmt"
	"net/http"
	"strings"
)

// event is one event of a stream as it was sent.
type event struct {
	id string
	m  obj
}

// stream writes server-sent events.
type stream struct {
	s       *Server
	w       http.ResponseWriter
	session *session // of a legacy version
	number  int      // of the stream in its session
}

func (s *Server) stream(w http.ResponseWriter, se *session) *stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	if s.on("stream-content-type") {
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("Cache-Control", "no-store")
	if !s.on("stream-buffered") {
		h.Set("X-Accel-Buffering", "no")
	}
	w.WriteHeader(http.StatusOK)
	st := &stream{s: s, w: w, session: se}
	if se == nil {
		st.flush()
		return st
	}
	se.mu.Lock()
	st.number = len(se.streams)
	se.streams = append(se.streams, nil)
	se.mu.Unlock()
	if se.version >= v1125 && !s.on("stream-not-primed") {
		st.prime()
	}
	st.flush()
	return st
}

// prime sends an event with an id and without data, from which a client can take the stream up.
func (st *stream) prime() { _, _ = fmt.Fprintf(st.w, "id: %s\ndata:\n\n", st.keep(nil)) }

// keep records an event and gives its id.
func (st *stream) keep(m obj) string {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	events := st.session.streams[st.number]
	id := fmt.Sprintf("%d-%d", st.number, len(events))
	if st.s.on("event-id-reused") {
		id = fmt.Sprint(len(events))
	}
	st.session.streams[st.number] = append(events, event{id, m})
	return id
}

func (st *stream) flush() {
	if f, ok := st.w.(http.Flusher); ok {
		f.Flush()
	}
}

func (st *stream) send(m obj) {
	st.write(m)
	st.flush()
}

// write makes an event of a message. Modern streams have no event ids, since they cannot be taken up.
func (st *stream) write(m obj) {
	head := "event: message\n"
	if st.session != nil {
		head += "id: " + st.keep(m) + "\n"
	}
	data := string(st.s.encode(m))
	switch {
	case st.s.on("stream-without-framing"):
		_, _ = fmt.Fprintf(st.w, "%s\n", data)
	case st.s.on("stream-event-unended"):
		_, _ = fmt.Fprintf(st.w, "%sdata: %s\n", head, data)
	case st.s.on("stream-data-not-json"):
		_, _ = fmt.Fprintf(st.w, "%sdata: Hello\n\ndata: %s\n\n", head, data)
	case st.s.on("stream-event-named"):
		_, _ = fmt.Fprintf(st.w, "%sdata: %s\n\n", strings.Replace(head, "message", "answer", 1), data)
	default:
		_, _ = fmt.Fprintf(st.w, "%sdata: %s\n\n", head, data)
	}
}

// streamed are the methods that are answered by a stream; the others are answered with one object.
func streamed(method string) bool {
	return method == "tools/list" || method == "tools/call" || method == "resources/read" || method == "prompts/get"
}

// reply answers a request. A modern error that HTTP speaks of with a status is one object.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, x *exchange) {
	var before []obj
	x.notify = func(m obj) { before = append(before, m) }
	m, code := s.answer(x)
	if s.on("answer-on-get-stream") && x.session != nil {
		x.session.push(m)
	}
	if !streamed(x.method) || code != http.StatusOK {
		s.writeJSON(w, m, code)
		return
	}
	st := s.stream(w, x.session)
	for _, m := range before {
		st.send(m)
	}
	if s.on("stream-without-answer") {
		return
	}
	st.send(m)
	for _, late := range x.after {
		st.send(late)
	}
	if s.on("stream-not-ended") {
		<-r.Context().Done()
	}
}

// get opens the stream of a session, or takes up one that was cut.
func (s *Server) get(w http.ResponseWriter, r *http.Request, se *session) {
	if s.on("get-not-a-stream") {
		s.writeJSON(w, obj{"hello": "world"}, 200)
		return
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		s.resume(w, se, last)
		return
	}
	st := s.stream(w, se)
	messages := make(chan obj, 100)
	se.mu.Lock()
	late := se.late
	se.late = nil
	se.listen = append(se.listen, messages)
	se.mu.Unlock()
	defer func() {
		se.mu.Lock()
		defer se.mu.Unlock()
		for i, c := range se.listen {
			if c == messages {
				se.listen = append(se.listen[:i:i], se.listen[i+1:]...)
			}
		}
	}()
	for _, m := range late {
		st.send(m)
	}
	for {
		select {
		case m := <-messages:
			st.send(m)
		case <-se.done:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// resume repeats what followed an event on its stream, and nothing of other streams.
func (s *Server) resume(w http.ResponseWriter, se *session, last string) {
	se.mu.Lock()
	var rest []event
	found := false
	for number, events := range se.streams {
		for i, e := range events {
			if e.id == last {
				rest, found = events[i+1:], true
				if s.on("resume-other-stream") && number > 0 {
					rest = se.streams[number-1]
				}
			}
		}
	}
	se.mu.Unlock()
	if !found {
		http.Error(w, "no such event", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	for _, e := range rest {
		if e.m != nil {
			_, _ = fmt.Fprintf(w, "id: %s\ndata: %s\n\n", e.id, s.encode(e.m))
		}
	}
}
