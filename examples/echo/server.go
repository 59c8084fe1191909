// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 logging is deprecated since 2026-07-28, and still has to pass

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// version of the server, as it tells clients.
const version = "1.0.0"

type server struct {
	o       *options
	mcp     *mcp.Server
	started time.Time
	sessions
}

func newServer(o *options) *server {
	s := &server{o: o, started: time.Now()}
	s.mcp = mcp.NewServer(&mcp.Implementation{Name: "echo-" + s.form(), Title: "Echo, " + s.form(), Version: version}, &mcp.ServerOptions{
		Instructions: "Diagnostic tools: what arrives here of requests, tokens and sessions, and calls that are slow, large, failing, or that ask back.",
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}, Logging: &mcp.LoggingCapabilities{}},
		InitializedHandler: func(_ context.Context, req *mcp.InitializedRequest) {
			s.session(req.Session, nil)
		},
		SupportedProtocolVersions: o.versions,
	})
	s.addEcho()
	s.addHeaders()
	s.addTokens()
	s.addSurroundings()
	s.addTrials()
	s.addQuestions()
	s.mcp.AddReceivingMiddleware(sturdy)
	return s
}

// sturdy keeps the process alive whatever a call does. The SDK lets a panic end
// it, and panics itself when it fills in the defaults of arguments that are
// null.
func sturdy(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (_ mcp.Result, err error) {
		defer func() {
			if recover() != nil {
				err = &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
			}
		}()
		if call, ok := req.(*mcp.CallToolRequest); ok && string(call.Params.Arguments) == "null" {
			call.Params.Arguments = nil
		}
		return next(ctx, method, req)
	}
}

func (s *server) form() string {
	if s.o.stateful {
		return "stateful"
	}
	return "stateless"
}

// A call is what a tool gets to know besides its arguments.
type call struct {
	*mcp.CallToolRequest
	server *server
}

// A tool returns the text that is its result. An error is the tool's failure,
// and its text the result.
type tool[In any] func(ctx context.Context, c call, in In) (string, error)

// noArguments is the schema of most of the tools.
const noArguments = `{"type": "object", "properties": {}, "additionalProperties": false}`

type none struct{}

// add adds a tool that changes nothing. The SDK checks the arguments by the
// schema, and fills in its defaults.
func add[In any](s *server, name, description, schema string, t tool[In]) {
	mcp.AddTool(s.mcp, describe(name, description, schema),
		func(ctx context.Context, req *mcp.CallToolRequest, in In) (*mcp.CallToolResult, any, error) {
			said, err := t(ctx, call{req, s}, in)
			if err != nil {
				return nil, nil, err
			}
			return text(said), nil, nil
		})
}

func describe(name, description, schema string) *mcp.Tool {
	closed := false // it meets nobody but its client
	return &mcp.Tool{
		Name: name, Description: description, InputSchema: json.RawMessage(schema),
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: &closed},
	}
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

// header is that of the HTTP request, nil on stdio.
func (c call) header() http.Header {
	if c.Extra == nil {
		return nil
	}
	return c.Extra.Header
}

// received is when the HTTP request was.
func (c call) received() (time.Time, bool) {
	if values := c.header()[receivedField]; len(values) == 1 {
		ns, err := strconv.ParseInt(values[0], 10, 64)
		return time.Unix(0, ns), err == nil
	}
	return time.Time{}, false
}

// client is what the client says of itself. The SDK has it for clients without
// sessions, too, which say it in each request.
func (c call) client() (info mcp.Implementation, protocol string, can mcp.ClientCapabilities) {
	info, protocol = mcp.Implementation{Name: "unknown", Version: "unknown"}, "unknown"
	p := c.Session.InitializeParams()
	if p == nil {
		return info, protocol, can
	}
	if p.ClientInfo != nil {
		info = *p.ClientInfo
	}
	if p.Capabilities != nil {
		can = *p.Capabilities
	}
	return info, p.ProtocolVersion, can
}
