// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"encoding/json"
	"fmt"
)

// answer runs a request and gives its answer, with the HTTP status that a modern version asks for.
func (s *Server) answer(x *exchange) (obj, int) {
	before := []obj{}
	if x.method == "tools/call" || x.method == "resources/read" || x.method == "prompts/get" {
		before = s.uninvited(x)
	}
	for _, m := range before {
		x.notify(m)
	}
	result, f := s.result(x)
	if f != nil {
		m := errorMessage(x.id, f)
		s.spoil(x, m)
		return m, status(f)
	}
	if modern(x.version) {
		s.finish(x, result)
	}
	m := obj{"jsonrpc": "2.0", "id": x.id, "result": result}
	s.spoil(x, m)
	return m, 200
}

func status(f *failure) int {
	if f.status == 0 {
		return 200
	}
	return f.status
}

// uninvited are messages of the server that the specification forbids where they are.
func (s *Server) uninvited(x *exchange) []obj {
	switch {
	case s.on("request-on-stream"):
		return []obj{{"jsonrpc": "2.0", "id": "from-server", "method": "roots/list"}}
	case s.on("roots-asked"):
		return []obj{{"jsonrpc": "2.0", "id": "from-server", "method": "roots/list"}}
	case s.on("request-id-fraction"):
		return []obj{{"jsonrpc": "2.0", "id": json.Number("1.5"), "method": "ping"}}
	case s.on("cancelled-on-stream"):
		return []obj{notification("notifications/cancelled", obj{"requestId": x.id})}
	case s.on("list-changed-on-stream"):
		return []obj{notification("notifications/tools/list_changed", obj{})}
	case s.on("log-undeclared"):
		return []obj{notification("notifications/message", obj{"level": "error", "data": "Hello."})}
	case s.on("notification-with-id"):
		m := notification("notifications/message", obj{"level": "error", "data": "Hello."})
		m["id"] = "none"
		return []obj{m}
	}
	return nil
}

// spoil applies the faults of any answer.
func (s *Server) spoil(x *exchange, m obj) {
	e := object(m, "error")
	switch {
	case s.on("id-type-changed"):
		if x.id[0] == '"' {
			m["id"] = json.Number("1")
		} else {
			m["id"] = string(x.id)
		}
	case s.on("string-id-changed") && x.id[0] == '"':
		m["id"] = "Hello"
	case s.on("id-changed"):
		m["id"] = json.Number("987654321")
	case s.on("id-null"):
		m["id"] = nil
	case s.on("id-missing"):
		delete(m, "id")
	case s.on("id-rounded"):
		if n, err := json.Number(x.id).Float64(); err == nil {
			m["id"] = json.Number(fmt.Sprintf("%.0f", n))
		}
	case s.on("jsonrpc-missing"):
		delete(m, "jsonrpc")
	case s.on("jsonrpc-odd"):
		m["jsonrpc"] = "1.0"
	case s.on("result-and-error") && e == nil && x.method == "tools/list":
		m["error"] = obj{"code": internalError, "message": "Hello."}
	case s.on("result-not-object") && e == nil && x.method == "tools/list":
		m["result"] = []any{}
	case s.on("neither-result-nor-error") && e == nil && x.method == "tools/list":
		delete(m, "result")
	case e == nil:
	case s.on("error-code-string"):
		e["code"] = fmt.Sprint(e["code"])
	case s.on("error-code-fraction"):
		e["code"] = json.Number("-32602.5")
	case s.on("error-without-code"):
		delete(e, "code")
	case s.on("error-without-message"):
		delete(e, "message")
	case s.on("error-not-object"):
		m["error"] = "Hello."
	}
}

// strayAnswers is what a fault replies to a message that wants no answer.
func (s *Server) strayAnswer(q request) obj {
	if q.method != "" && s.on("notification-answered") {
		return obj{"jsonrpc": "2.0", "id": nil, "result": obj{}}
	}
	return nil
}

// badMessage answers what could not be read.
func (s *Server) badMessage(q request, f *failure) obj {
	if f.code == parseError && s.on("parse-error-code") {
		f.code = internalError
	}
	if f.code == invalidRequest && s.on("invalid-request-code") {
		f.code = internalError
	}
	m := errorMessage(q.id, f)
	if q.id == nil || !validID(q.id) {
		m["id"] = nil
	}
	return m
}
