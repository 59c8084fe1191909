// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// The methods that a bridge does more with than carry them.
const (
	methodInitialize   = "initialize"
	methodInitialized  = "notifications/initialized"
	methodCancelled    = "notifications/cancelled"
	methodListen       = "subscriptions/listen"
	methodListTools    = "tools/list"
	methodCallTool     = "tools/call"
	methodSetLevel     = "logging/setLevel"
	methodSubscribe    = "resources/subscribe"
	methodUnsubscribe  = "resources/unsubscribe"
	methodToolsChanged = "notifications/tools/list_changed"
)

// message is a frame together with what the scanner found in it.
type message struct {
	jsonrpc.Message
	frame []byte
}

func scan(frame []byte) (message, error) {
	m, err := jsonrpc.Scan(frame)
	return message{m, frame}, err
}

// param returns a text among the params, or the empty string.
func (m message) param(name string) string {
	span, _ := jsonrpc.Lookup(m.frame, m.Params, name)
	return jsonrpc.Text(span.Of(m.frame))
}

func (m message) method() string { return jsonrpc.Text(m.Method.Of(m.frame)) }

func (m message) id() []byte { return m.ID.Of(m.frame) }

// modern reports whether the message names its protocol version itself, as
// every request does since 2026-07-28.
func (m message) modern() bool { return m.version() != "" }

func (m message) version() string { return jsonrpc.Text(m.ProtocolVersion.Of(m.frame)) }

// isNamelessError recognizes the error of a server that does not say, or did
// not see, which request it is about. Where it stands tells.
func (m message) isNamelessError() bool {
	return m.Kind == jsonrpc.Response && m.Error.Present() && (!m.ID.Present() || string(m.id()) == "null")
}

// withID returns the frame of a response with another id.
func (m message) withID(id []byte) []byte {
	if m.ID.Present() {
		return jsonrpc.AppendSplice(nil, m.frame, jsonrpc.Edit{Span: m.ID, With: id})
	}
	open := bytes.IndexByte(m.frame, '{') + 1
	member := append(append([]byte(`"id":`), id...), ',')
	return jsonrpc.AppendSplice(nil, m.frame, jsonrpc.Edit{Span: jsonrpc.Span{Start: open, End: open}, With: member})
}
