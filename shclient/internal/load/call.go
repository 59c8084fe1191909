// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

// A Target is a server. It is safe for concurrent use.
type Target interface {
	// Open begins a session: it connects and initializes, or finds out that the
	// server speaks a version without sessions.
	Open(ctx context.Context) (Session, error)
}

// A Session is what a client and a server agreed on. It is safe for concurrent
// use.
type Session interface {
	// Version is the protocol version.
	Version() string

	// Opening is the result of initialize or server/discover.
	Opening() []byte

	// Ask makes one request and returns the answer to it. params is a JSON
	// object, or empty.
	Ask(ctx context.Context, method string, params []byte) (frame []byte, m jsonrpc.Message, err error)

	// Lane prepares the calls of one lane.
	Lane(c Call) (Lane, error)

	// Close ends the session, at the server too. Its lanes must be closed.
	Close()
}

// A Call is the request that is made again and again.
type Call struct {
	Method string
	Params []byte            // a JSON object, or empty
	Tools  *mcpheader.Params // which arguments are repeated in headers; nil: none
}

// Protocol is which versions are spoken.
type Protocol int

// The protocols.
const (
	Either Protocol = iota // modern if the server speaks that
	Legacy                 // up to 2025-11-25
	Modern                 // since 2026-07-28
)

// Client is the name and the version that servers are told. Both must be plain
// text.
type Client struct{ Name, Version string }

func (c Client) info() []byte {
	info := jsonrpc.AppendString([]byte(`{"name":`), c.Name)
	info = jsonrpc.AppendString(append(info, `,"version":`...), c.Version)
	return append(info, '}')
}

func (c Client) initialize() []byte {
	params := append([]byte(`{"protocolVersion":"`+era.Latest+`","capabilities":{},"clientInfo":`), c.info()...)
	return append(params, '}')
}

const initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

// withMeta adds the _meta of a modern request to params that have none.
func (c Client) withMeta(params []byte) []byte {
	params = bytes.TrimSpace(params)
	if len(params) == 0 {
		params = []byte(`{}`)
	}
	whole := jsonrpc.Span{Start: 0, End: len(params)}
	if _, has := jsonrpc.Lookup(params, whole, "_meta"); has {
		return params
	}
	all := era.Profile{Info: c.info()}.AppendMeta([]byte(`{"_meta":`))
	rest := bytes.TrimSpace(params[1:])
	if rest[0] != '}' {
		all = append(all, ',')
	}
	return append(all, rest...)
}

// A template is a request whose id is still missing.
type template struct{ before, after []byte }

func newTemplate(method string, params []byte) template {
	t := template{before: []byte(`{"jsonrpc":"2.0","id":`)}
	t.after = jsonrpc.AppendString([]byte(`,"method":`), method)
	if len(params) > 0 {
		t.after = append(append(t.after, `,"params":`...), params...)
	}
	t.after = append(t.after, '}')
	return t
}

func (t template) size(id int64) int {
	var digits [20]byte
	return len(t.before) + len(strconv.AppendInt(digits[:0], id, 10)) + len(t.after)
}

func (t template) append(dst []byte, id int64) []byte {
	return append(strconv.AppendInt(append(dst, t.before...), id, 10), t.after...)
}

// check makes sure that what is sent is one message.
func (t template) check() error {
	frame := t.append(nil, 1)
	m, err := jsonrpc.Scan(frame)
	if err == nil && m.Params.Present() && frame[m.Params.Start] != '{' {
		err = fmt.Errorf("params must be a JSON object")
	}
	if err == nil && bytes.IndexByte(frame, '\n') >= 0 {
		jsonrpc.Fold(t.after)
	}
	return err
}

// isAnswer reports whether a message answers the request with the id.
func isAnswer(frame []byte, m jsonrpc.Message, id int64) bool {
	if m.Kind != jsonrpc.Response {
		return false
	}
	var digits [20]byte
	return bytes.Equal(m.ID.Of(frame), strconv.AppendInt(digits[:0], id, 10))
}

// Judge returns what is wrong with an answer.
func Judge(frame []byte, m jsonrpc.Message) error {
	if m.Error.Present() {
		code, _ := jsonrpc.ErrorCode(frame, m)
		text, _ := jsonrpc.Lookup(frame, m.Error, "message")
		return &Failure{Class: ClassServer, Kind: fmt.Sprintf("error %d", code), Text: oneLine(jsonrpc.Text(text.Of(frame)))}
	}
	for name, value := range jsonrpc.Members(frame, m.Result) {
		switch {
		case frame[value.Start] == 't' && jsonrpc.Is(frame, name, "isError"):
			return &Failure{Class: ClassTool, Kind: "tool error", Text: firstText(frame, m)}
		case frame[value.Start] == '"' && jsonrpc.Is(frame, name, "resultType") && !jsonrpc.Is(frame, value, "complete"):
			return &Failure{Class: ClassServer, Kind: "result of type " + oneLine(jsonrpc.Text(value.Of(frame)))}
		}
	}
	return nil
}

// firstText is the text of a tool's result.
func firstText(frame []byte, m jsonrpc.Message) string {
	content, _ := jsonrpc.Lookup(frame, m.Result, "content")
	for item := range jsonrpc.Items(frame, content) {
		if text, ok := jsonrpc.Lookup(frame, item, "text"); ok {
			return oneLine(jsonrpc.Text(text.Of(frame)))
		}
	}
	return ""
}
