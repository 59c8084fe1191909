// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Message is a JSON-RPC message, or what a server sends in place of one.
type Message struct {
	Raw     json.RawMessage
	Members map[string]json.RawMessage // of its top level
}

// ParseMessage reads one JSON object.
func ParseMessage(raw []byte) (Message, error) {
	m := Message{Raw: bytes.Clone(raw)}
	if err := json.Unmarshal(raw, &m.Members); err != nil || m.Members == nil {
		return m, errors.New("it is no JSON object")
	}
	return m, nil
}

// Has reports whether the message has a member, whatever its value.
func (m Message) Has(name string) bool { return m.Members[name] != nil }

// ID is the raw id; nil if there is none.
func (m Message) ID() json.RawMessage { return m.Members["id"] }

// Method is empty if the message is a response.
func (m Message) Method() string { return text(m.Members["method"]) }

// Result is the raw result; nil if there is none.
func (m Message) Result() json.RawMessage { return m.Members["result"] }

// IsResponse reports whether the message is meant as one, even if it is broken.
func (m Message) IsResponse() bool { return !m.Has("method") }

// Error is the error of an error response, nil if there is none. What is not as
// it should be is left out.
func (m Message) Error() *RPCError {
	raw, ok := m.Members["error"]
	if !ok {
		return nil
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // nothing then
	e := &RPCError{Message: text(members["message"]), Data: members["data"]}
	e.Code, _ = strconv.Atoi(string(members["code"]))
	return e
}

// RPCError is the error of a response.
type RPCError struct {
	Code    int
	Message string
	Data    json.RawMessage
}

func (e *RPCError) Error() string { return fmt.Sprintf("error %d: %s", e.Code, e.Message) }

// Error codes of JSON-RPC; attempt.go has others.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
)

// text is a JSON string, or empty if raw is none.
func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // empty then
	return s
}

// kindOf names the JSON type of a value.
func kindOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// members reads a JSON object; nil if raw is none.
func members(raw json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(raw, &m) // nil then
	return m
}

// sameID compares ids as JSON values: strings by their text, numbers by their
// digits, so that large ones keep them.
func sameID(a, b json.RawMessage) bool {
	va, erra := exact(a)
	vb, errb := exact(b)
	return erra == nil && errb == nil && va == vb
}

// exact decodes a string or a number without loss, into something comparable.
func exact(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	switch v.(type) {
	case string, json.Number, nil:
		return v, nil
	}
	return nil, errors.New("no id")
}

// requestBytes is a request as it goes out.
func requestBytes(id json.RawMessage, method string, params any) []byte {
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0"`)
	if id != nil {
		b.WriteString(`,"id":`)
		b.Write(id)
	}
	b.WriteString(`,"method":`)
	b.Write(encode(method))
	if params != nil {
		b.WriteString(`,"params":`)
		b.Write(encode(params))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// encode is for values that can be encoded; HTML stays as it is.
func encode(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("check: a request that cannot be encoded: " + err.Error())
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
