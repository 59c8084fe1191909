// SPDX-License-Identifier: Apache-2.0

package mcpheader

import (
	"net/http"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Mismatch says why the headers of a request do not fit its body. The answer
// is status 400 with the JSON-RPC error [jsonrpc.HeaderMismatch] ("Server
// Validation").
type Mismatch struct {
	Header string // its canonical name
	Reason string // printable, and short whatever the request holds
}

// Error returns a sentence for the client.
func (m *Mismatch) Error() string {
	return "header mismatch: " + m.Header + " " + m.Reason
}

// Check compares the headers of a POST with the message in its body: the
// protocol version with that in params._meta, Mcp-Method with the method, and
// Mcp-Name with the name of the tool or prompt, the URI of the resource or the id
// of the task, for which alone it may be missing. A request must have these
// headers; that of a member which the body lacks, or
// which is no string there, is not looked at, since the request is invalid
// for the server anyway. A notification may have them, as the specification
// leaves that open. Responses are not checked.
//
// The error is a [*Mismatch].
func Check(h http.Header, frame []byte, m jsonrpc.Message) error {
	if m.Kind != jsonrpc.Request && m.Kind != jsonrpc.Notification {
		return nil
	}
	must := m.Kind == jsonrpc.Request
	if err := check(h, ProtocolVersion, frame, m.ProtocolVersion, must, literal); err != nil {
		return err
	}
	if err := check(h, Method, frame, m.Method, must, literal); err != nil {
		return err
	}
	if must {
		if span, required := name(frame, m); span.Present() {
			return check(h, Name, frame, span, required, Decode)
		}
	}
	return nil
}

// Derive sets the headers in h that [Check] wants to see for the message, and
// removes those that it has no value for. A version or method that no header
// can carry gets none: the server refuses the message in its own words.
func Derive(h http.Header, frame []byte, m jsonrpc.Message) {
	derive(h, ProtocolVersion, jsonrpc.Text(m.ProtocolVersion.Of(frame)))
	derive(h, Method, jsonrpc.Text(m.Method.Of(frame)))
	h.Del(Name)
	if span, _ := name(frame, m); isString(frame, span) {
		h.Set(Name, Encode(jsonrpc.Text(span.Of(frame))))
	}
}

func derive(h http.Header, key, text string) {
	h.Del(key)
	if plain(text) {
		h.Set(key, text)
	}
}

// name finds the member of params that Mcp-Name repeats. It is required for
// the methods of the core protocol; the tasks extension (SEP-2663) demands it
// of clients, but not of servers.
func name(frame []byte, m jsonrpc.Message) (span jsonrpc.Span, required bool) {
	if m.Kind != jsonrpc.Request {
		return jsonrpc.Span{}, false
	}
	for _, n := range names {
		if jsonrpc.Is(frame, m.Method, n.method) {
			span, _ = jsonrpc.Lookup(frame, m.Params, n.member)
			return span, n.required
		}
	}
	return jsonrpc.Span{}, false
}

var names = [...]struct {
	method, member string
	required       bool
}{
	{"tools/call", "name", true},
	{"prompts/get", "name", true},
	{"resources/read", "uri", true},
	{"tasks/get", "taskId", false},
	{"tasks/update", "taskId", false},
	{"tasks/cancel", "taskId", false},
}

// check compares one header with the string that span covers, if it is one.
func check(h http.Header, key string, frame []byte, span jsonrpc.Span, must bool, decode func(string) (string, error)) error {
	if !isString(frame, span) {
		return nil
	}
	value, present, err := header(h, key)
	switch {
	case err != nil:
		return err
	case !present && must:
		return &Mismatch{key, "is missing"}
	case !present:
		return nil
	}
	text, err := decode(value)
	if err != nil {
		return &Mismatch{key, err.Error()}
	}
	if !jsonrpc.Is(frame, span, text) {
		return &Mismatch{key, "value " + quote(text) + " does not match body value " + quote(jsonrpc.Text(span.Of(frame)))}
	}
	return nil
}

// header returns the one value of a header. Of several nobody can say which
// one others go by.
func header(h http.Header, key string) (value string, present bool, err error) {
	switch values := h[key]; len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	}
	return "", true, &Mismatch{key, "is there more than once"}
}

// literal is [Decode] for headers without a base64 form.
func literal(value string) (string, error) {
	if value = trim(value); !visible(value) {
		return "", errInvalid
	}
	return value, nil
}

func isString(frame []byte, span jsonrpc.Span) bool {
	return span.Present() && frame[span.Start] == '"'
}

// quote makes text of a request printable and short.
func quote(text string) string {
	const most = 64 // bytes
	if len(text) > most {
		text = text[:most]
		return strconv.QuoteToASCII(text) + "..."
	}
	return strconv.QuoteToASCII(text)
}
