// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Headers of Streamable HTTP.
const (
	headerSession     = "Mcp-Session-Id"
	headerVersion     = "Mcp-Protocol-Version"
	headerMethod      = "Mcp-Method"
	headerName        = "Mcp-Name"
	headerLastEventID = "Last-Event-ID"
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

// setModernHeaders repeats in the header what the body says, for those between
// us and the server who do not read bodies (MCP 2026-07-28, Streamable HTTP,
// "Standard headers").
func (m message) setModernHeaders(h http.Header) {
	h.Set(headerVersion, headerValue(m.version()))
	h.Set(headerMethod, headerValue(m.method()))
	member := map[string]string{"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}[m.method()]
	if member == "" {
		return
	}
	if span, ok := jsonrpc.Lookup(m.frame, m.Params, member); ok {
		h.Set(headerName, headerValue(jsonrpc.Text(span.Of(m.frame))))
	}
}

// headerValue writes what cannot stand in a header as it is, or would be read
// as something else, as =?base64?…?=.
func headerValue(text string) string {
	const prefix, suffix = "=?base64?", "?="
	plain := strings.TrimSpace(text) == text && !strings.HasPrefix(text, prefix)
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= 0x20 && text[i] < 0x7f
	}
	if plain {
		return text
	}
	return prefix + base64.StdEncoding.EncodeToString([]byte(text)) + suffix
}

// setBody makes body the content of a POST, repeatable after a redirect.
func setBody(req *http.Request, body []byte) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
}
