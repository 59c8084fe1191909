// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// object is JSON to be written.
type object = map[string]any

// A message is a message of JSON-RPC 2.0.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"` // json.RawMessage in what was read
	Result  any             `json:"result,omitempty"` // likewise
	Error   *rpcError       `json:"error,omitempty"`
}

// UnmarshalJSON leaves params and result as they are.
func (m *message) UnmarshalJSON(line []byte) error {
	type plain message // without this method
	read := struct {
		*plain
		Params json.RawMessage `json:"params"`
		Result json.RawMessage `json:"result"`
	}{plain: (*plain)(m)}
	if err := json.Unmarshal(line, &read); err != nil {
		return err
	}
	m.Params, m.Result = read.Params, read.Result
	return nil
}

// The codes of errors, of JSON-RPC and of MCP.
const (
	invalidRequest     = -32600
	methodNotFound     = -32601
	invalidParams      = -32602
	internalError      = -32603
	resourceNotFound   = -32002 // legacy
	urlRequired        = -32042 // legacy, since 2025-11-25
	missingCapability  = -32021 // modern
	unsupportedVersion = -32022 // modern
)

// An rpcError is the error of a response. Other errors of tools become results.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (e *rpcError) Error() string { return e.Message }

func fail(code int, format string, args ...any) *rpcError {
	return &rpcError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// params are the parameters of every method; each has some of them.
type params struct {
	Name      string          `json:"name"` // of a tool or prompt
	URI       string          `json:"uri"`  // of a resource
	Arguments json.RawMessage `json:"arguments"`
	Meta      meta            `json:"_meta"`

	// Completion, logging and cancellation.
	Argument  struct{ Name, Value string } `json:"argument"`
	Level     string                       `json:"level"`
	RequestID json.RawMessage              `json:"requestId"`

	// Legacy: initialize.
	ProtocolVersion string                     `json:"protocolVersion"`
	Capabilities    map[string]json.RawMessage `json:"capabilities"`
	ClientInfo      json.RawMessage            `json:"clientInfo"`

	// Modern: the retry of a call that required input, and subscriptions.
	InputResponses map[string]json.RawMessage `json:"inputResponses"`
	RequestState   string                     `json:"requestState"`
	Notifications  *filter                    `json:"notifications"`
}

// meta is _meta of a request. All but the progress token is modern.
type meta struct {
	ProgressToken   json.RawMessage            `json:"progressToken"`
	ProtocolVersion *string                    `json:"io.modelcontextprotocol/protocolVersion"`
	Capabilities    map[string]json.RawMessage `json:"io.modelcontextprotocol/clientCapabilities"`
	ClientInfo      json.RawMessage            `json:"io.modelcontextprotocol/clientInfo"`
	LogLevel        *string                    `json:"io.modelcontextprotocol/logLevel"`
}

func (m *message) params() (p params, err error) {
	raw, _ := m.Params.(json.RawMessage)
	if raw == nil {
		return p, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fail(invalidParams, "params: %v", err)
	}
	return p, nil
}

// An output takes one message a line.
type output struct {
	line sync.Mutex // held for one
	w    io.Writer
}

func (o *output) send(m message) {
	m.JSONRPC = "2.0"
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // what we made ourselves can be written
	}
	o.line.Lock()
	defer o.line.Unlock()
	o.w.Write(append(text, '\n')) // a client that has gone closes stdin, too
}

func (o *output) notify(method string, params object) {
	o.send(message{Method: method, Params: params})
}
