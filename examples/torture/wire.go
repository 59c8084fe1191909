// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
)

// A tag is in the _meta of every message that the server sends. It says whose
// message it is, so that the client can tell what was lost, came twice, came
// in another order or went astray.
type tag struct {
	Session string `json:"session"` // the nonce of the client's session
	Call    int    `json:"call"`    // number of the call within the session
	Seq     int    `json:"seq"`     // number of the message within the call, from 1; the result is the last

	// Only in results.
	Child    string `json:"child,omitempty"` // nonce of the process that says it
	Owner    string `json:"owner,omitempty"` // the session that initialized that process
	Answered int    `json:"answered,omitempty"`
	Unsigned int    `json:"unsigned,omitempty"` // pings that were answered by somebody without a tag
	Refused  int    `json:"refused,omitempty"`  // requests of the server that got an error
	Wrong    string `json:"wrong,omitempty"`    // what the server got and should not have

	// Only in the last message before a process ends itself: when, in
	// nanoseconds since 1970.
	Crash int64 `json:"crash,omitempty"`

	// Only in answers of the client: the session that answers.
	By string `json:"by,omitempty"`
}

// A meta is _meta.
type meta struct {
	Token   json.RawMessage `json:"progressToken,omitempty"`
	Torture *tag            `json:"torture,omitempty"`
	Init    string          `json:"init,omitempty"` // how the server takes initialize
}

// A message is any JSON-RPC message, as far as this program looks into it.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  *params         `json:"params,omitempty"`
	Result  *result         `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type params struct {
	Meta      meta            `json:"_meta"`
	Token     json.RawMessage `json:"progressToken,omitempty"` // of notifications/progress
	Progress  int             `json:"progress,omitempty"`
	RequestID json.RawMessage `json:"requestId,omitempty"` // of notifications/cancelled

	// Of initialize.
	ProtocolVersion string          `json:"protocolVersion,omitempty"`
	Capabilities    json.RawMessage `json:"capabilities,omitempty"`
	ClientInfo      *info           `json:"clientInfo,omitempty"`

	// Of tools/call.
	Name      string     `json:"name,omitempty"`
	Arguments *arguments `json:"arguments,omitempty"`

	// Of notifications/message.
	Level string `json:"level,omitempty"`
	Data  string `json:"data,omitempty"`
}

type result struct {
	Meta            meta            `json:"_meta"`
	ProtocolVersion string          `json:"protocolVersion,omitempty"`
	Capabilities    json.RawMessage `json:"capabilities,omitempty"`
	ServerInfo      *info           `json:"serverInfo,omitempty"`
	Content         []content       `json:"content,omitempty"`
}

type info struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type content struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// arguments of the one tool that the server has.
type arguments struct {
	Session string `json:"session"`
	Call    int    `json:"call"`
	Script  script `json:"script,omitempty"`
	Pad     string `json:"pad,omitempty"` // must be what padding returns
}

func (m *message) isRequest() bool  { return m.Method != "" && m.ID != nil }
func (m *message) isResponse() bool { return m.Method == "" }

// tag returns the tag of the message, or nil.
func (m *message) tag() *tag {
	switch {
	case m.Params != nil:
		return m.Params.Meta.Torture
	case m.Result != nil:
		return m.Result.Meta.Torture
	}
	return nil
}

// padding is n bytes that no other call has.
func padding(session string, call, n int) string {
	unit := session + "/" + string(rune('A'+call%26)) + "/"
	return strings.Repeat(unit, n/len(unit)+1)[:n]
}
