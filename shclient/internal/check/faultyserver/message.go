// SPDX-License-Identifier: Apache-2.0

package faultyserver

import (
	"bytes"
	"encoding/json"
	"slices"
)

type obj = map[string]any

// request is a message of the client. A notification has no id; a response has no method.
type request struct {
	id     json.RawMessage
	method string
	params obj
}

// failure is a JSON-RPC error. status is what HTTP says of it in modern versions; 0 is 200.
type failure struct {
	code    any
	message string
	data    any
	status  int
}

const (
	parseError     = -32700
	invalidRequest = -32600
	methodNotFound = -32601
	invalidParams  = -32602
	internalError  = -32603
	notFound       = -32002 // up to 2025-11-25

	headerMismatch     = -32020
	missingCapability  = -32021
	unsupportedVersion = -32022
)

func invalid(message string) *failure { return &failure{code: invalidParams, message: message} }

// parse reads one message. It refuses what is no JSON-RPC message.
func parse(raw json.RawMessage) (request, *failure) {
	var m struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  *string         `json:"method"`
		Params  json.RawMessage `json:"params"`
		Result  json.RawMessage `json:"result"`
		Error   json.RawMessage `json:"error"`
	}
	if !json.Valid(raw) {
		return request{}, &failure{code: parseError, message: "not JSON", status: 400}
	}
	if err := json.Unmarshal(raw, &m); err != nil || m.JSONRPC != "2.0" {
		return request{}, &failure{code: invalidRequest, message: "not a JSON-RPC 2.0 message", status: 400}
	}
	q := request{id: m.ID}
	if m.Method == nil {
		if m.ID == nil || (m.Result == nil) == (m.Error == nil) {
			return request{}, &failure{code: invalidRequest, message: "neither a request nor a response", status: 400}
		}
		return q, nil
	}
	q.method = *m.Method
	if m.ID != nil && !validID(m.ID) {
		return request{}, &failure{code: invalidRequest, message: "the id is neither a string nor an integer", status: 400}
	}
	if m.Params != nil {
		d := json.NewDecoder(bytes.NewReader(m.Params))
		d.UseNumber()
		if d.Decode(&q.params) != nil || q.params == nil {
			return q, &failure{code: invalidRequest, message: "params is not an object", status: 400}
		}
	}
	if q.params == nil {
		q.params = obj{}
	}
	return q, nil
}

func validID(id json.RawMessage) bool {
	if id[0] == '"' {
		return true
	}
	return !slices.ContainsFunc(id, func(c byte) bool { return c != '-' && (c < '0' || c > '9') })
}

// Accessors that take the wrong type for absence.
func text(m obj, key string) string    { v, _ := m[key].(string); return v }
func object(m obj, key string) obj     { v, _ := m[key].(obj); return v }
func has(m obj, key string) bool       { _, ok := m[key]; return ok }
func number(m obj, key string) float64 { v, _ := m[key].(json.Number); f, _ := v.Float64(); return f }

func notification(method string, params obj) obj {
	return obj{"jsonrpc": "2.0", "method": method, "params": params}
}

// errorMessage is the answer to a request that failed; id is nil where none could be read.
func errorMessage(id json.RawMessage, f *failure) obj {
	e := obj{"code": f.code, "message": f.message}
	if f.data != nil {
		e["data"] = f.data
	}
	m := obj{"jsonrpc": "2.0", "error": e}
	if id != nil {
		m["id"] = id
	}
	return m
}

// encode writes a message on one line, unless a fault says otherwise.
func (s *Server) encode(m any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		panic(err) // our own values
	}
	out := bytes.TrimRight(b.Bytes(), "\n")
	if s.on("not-utf8") {
		out = bytes.ReplaceAll(out, []byte("Hello"), []byte("H\xe9llo"))
	}
	return out
}
