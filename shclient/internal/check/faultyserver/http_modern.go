// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// postModern handles one message of 2026-07-28.
func (s *Server) postModern(w http.ResponseWriter, r *http.Request, q request) {
	x := &exchange{request: q, s: s, version: v2026}
	if s.on("session-id-minted") {
		w.Header().Set(headerSession, "minted")
	}
	if q.id == nil || q.method == "" {
		if q.method == "" {
			s.refuseMessage(w, q, &failure{code: invalidRequest, message: "no responses in this version"})
			return
		}
		s.accept(w, q)
		return
	}
	refuse := func(f *failure) {
		m := errorMessage(q.id, f)
		s.spoil(x, m)
		s.writeJSON(w, m, status(f))
	}
	if q.method == "initialize" && len(s.legacy()) == 0 {
		_, _, f := s.initialize(q)
		refuse(f)
		return
	}
	if f := s.checkHeaders(r.Header, q); f != nil {
		refuse(f)
		return
	}
	if f := s.checkMeta(q); f != nil {
		refuse(f)
		return
	}
	if f := s.checkMirrors(r.Header, q); f != nil {
		refuse(f)
		return
	}
	if q.method == "subscriptions/listen" && !s.on("listen-unknown") {
		s.serveListen(w, r, q)
		return
	}
	s.reply(w, r, x)
}

func (s *Server) mismatch(message string) *failure {
	f := &failure{code: headerMismatch, message: "Header mismatch: " + message, status: 400}
	switch {
	case s.on("header-error-code"):
		f.code = invalidParams
	case s.on("header-error-status"):
		f.status = 200
	}
	return f
}

// checkHeaders compares the version in the header to the one in the body.
func (s *Server) checkHeaders(h http.Header, q request) *failure {
	header, body := h.Get(headerVersion), text(object(q.params, "_meta"), metaVersion)
	switch {
	case header == "":
		if !s.on("version-header-not-needed") {
			return s.mismatch(headerVersion + " is missing")
		}
	case body != "" && header != body:
		if !s.on("version-header-mismatch-accepted") {
			return s.mismatch(headerVersion + " is not the version of the body")
		}
	}
	return nil
}

// checkMirrors compares the headers that repeat parts of the body.
func (s *Server) checkMirrors(h http.Header, q request) *failure {
	method := h.Get("Mcp-Method")
	switch {
	case method == "" && !s.on("method-header-not-needed"):
		return s.mismatch("Mcp-Method is missing")
	case method != "" && method != q.method && !s.on("method-header-unchecked"):
		if !s.on("method-header-case-ignored") || !strings.EqualFold(method, q.method) {
			return s.mismatch("Mcp-Method is not the method of the body")
		}
	}
	source := map[string]string{"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}[q.method]
	if source == "" {
		return nil
	}
	name, wanted := h.Get("Mcp-Name"), text(q.params, source)
	if !s.on("name-header-not-decoded") {
		var ok bool
		if name, ok = decodeHeader(name); !ok {
			return s.mismatch("Mcp-Name is not valid Base64")
		}
	}
	if len(h.Values("Mcp-Name")) == 0 {
		if !s.on("name-header-not-needed") {
			return s.mismatch("Mcp-Name is missing")
		}
	} else if name != wanted && !s.on("name-header-unchecked") {
		return s.mismatch("Mcp-Name is not the name of the body")
	}
	if q.method == "tools/call" && wanted == "region" {
		return s.checkParam(h, q)
	}
	return nil
}

// checkParam compares the header of the argument that the tool region mirrors.
func (s *Server) checkParam(h http.Header, q request) *failure {
	argument, given := object(q.params, "arguments")["region"]
	sent := len(h.Values("Mcp-Param-Region")) > 0
	value, ok := decodeHeader(h.Get("Mcp-Param-Region"))
	switch {
	case !ok && !s.on("param-header-base64-unchecked"):
		return s.mismatch("Mcp-Param-Region is not valid Base64")
	case !ok:
		return nil
	case given && argument != nil && !sent && !s.on("param-header-not-needed"):
		return s.mismatch("Mcp-Param-Region is missing")
	case sent && (!given || value != fmt.Sprint(argument)) && !s.on("param-header-unchecked"):
		return s.mismatch("Mcp-Param-Region is not the argument of the body")
	}
	return nil
}

// decodeHeader reads the form that wraps a value in Base64.
func decodeHeader(v string) (string, bool) {
	inner, found := strings.CutPrefix(v, "=?base64?")
	if !found {
		return v, true
	}
	inner, found = strings.CutSuffix(inner, "?=")
	if !found {
		return v, true
	}
	b, err := base64.StdEncoding.Strict().DecodeString(inner)
	return string(b), err == nil
}

// serveListen keeps a stream of notifications open until the client leaves.
func (s *Server) serveListen(w http.ResponseWriter, r *http.Request, q request) {
	messages, f := s.listen(q)
	if f != nil {
		s.writeJSON(w, errorMessage(q.id, f), status(f))
		return
	}
	if s.on("listen-not-a-stream") {
		s.writeJSON(w, obj{"jsonrpc": "2.0", "id": q.id, "result": obj{"resultType": "complete", "_meta": obj{metaSubscription: q.id}}}, 200)
		return
	}
	st := s.stream(w, nil)
	for _, m := range messages {
		st.write(m)
	}
	st.flush() // together, so that who has read one has them all
	<-r.Context().Done()
}
