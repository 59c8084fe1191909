// SPDX-License-Identifier: Apache-2.0

package testserver

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Modern speaks MCP 2026-07-28 alone.
const Modern = "modern"

// modernVersion is the one that it speaks.
const modernVersion = "2026-07-28"

// modernTools are those of a modern server. The schema of "query" asks for
// headers; the tool "change" adds one.
const modernTools = `{"name":"echo","inputSchema":{"type":"object"}},` +
	`{"name":"query","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"limit":{"type":"integer","x-mcp-header":"Limit"}%s}}}`

// modernState is what a modern server remembers between requests. mu of the
// server guards it.
type modernState struct {
	zone          bool                // "query" wants a header more
	subscriptions map[string]struct{} // raw ids of the requests
}

type modernMeta struct {
	Version  string `json:"io.modelcontextprotocol/protocolVersion"`
	LogLevel string `json:"io.modelcontextprotocol/logLevel"`
}

// modern answers one request. Methods beginning with "acme/" get the frame that
// came in, byte for byte.
func (s *server) modern(m message, line []byte, cancel chan struct{}) {
	var params struct {
		Meta modernMeta `json:"_meta"`
	}
	_ = json.Unmarshal(m.Params, &params)
	switch {
	case m.Method == "initialize" || params.Meta.Version != "" && params.Meta.Version != modernVersion:
		s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32022,"message":"this server speaks %s","data":{"supported":[%q],"requested":%q}}}`, m.ID, modernVersion, modernVersion, params.Meta.Version)
	case params.Meta.Version == "":
		s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"no protocol version in _meta"}}`, m.ID)
	case m.Method == "server/discover":
		s.send(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","supportedVersions":[%q],"capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"testserver","version":"1"}}}`, m.ID, modernVersion)
	case m.Method == "tools/list":
		s.modernList(m)
	case m.Method == "subscriptions/listen":
		s.subscribe(m, cancel)
	case m.Method == "tools/call":
		s.modernTool(m, params.Meta, cancel)
	case strings.HasPrefix(m.Method, "acme/"):
		frame, _ := json.Marshal(strings.TrimSuffix(string(line), "\n"))
		s.send(`{"jsonrpc":"2.0","result":{"frame":%s},"id":%s}`, frame, m.ID)
	default:
		s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"unknown method"}}`, m.ID)
	}
}

// modernList answers in two pages.
func (s *server) modernList(m message) {
	var params struct{ Cursor string }
	_ = json.Unmarshal(m.Params, &params)
	s.mu.Lock()
	zone := ""
	if s.state.zone {
		zone = `,"zone":{"type":"string","x-mcp-header":"Zone"}`
	}
	s.mu.Unlock()
	first, second, _ := strings.Cut(fmt.Sprintf(modernTools, zone), `,{"name":"query"`)
	if params.Cursor == "" {
		s.send(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","tools":[%s],"nextCursor":"2"}}`, m.ID, first)
		return
	}
	s.send(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","tools":[{"name":"query"%s]}}`, m.ID, second)
}

// subscribe acknowledges a subscription and keeps it until it is cancelled.
func (s *server) subscribe(m message, cancel chan struct{}) {
	var params struct{ Notifications json.RawMessage }
	_ = json.Unmarshal(m.Params, &params)
	id := string(m.ID)
	s.send(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s},"notifications":%s}}`, id, params.Notifications)
	s.mu.Lock()
	if s.state.subscriptions == nil {
		s.state.subscriptions = make(map[string]struct{})
	}
	s.state.subscriptions[id] = struct{}{}
	s.mu.Unlock()
	<-cancel
	s.mu.Lock()
	delete(s.state.subscriptions, id)
	s.mu.Unlock()
}

// publish tells every subscriber.
func (s *server) publish(method, more string) (n int) {
	s.mu.Lock()
	var ids []string
	for id := range s.state.subscriptions {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		s.send(`{"jsonrpc":"2.0","method":%q,"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}%s}}`, method, id, more)
	}
	return len(ids)
}

func (s *server) modernTool(m message, meta modernMeta, cancel chan struct{}) {
	var call struct {
		toolCall
		InputResponses json.RawMessage
		RequestState   string
	}
	_ = json.Unmarshal(m.Params, &call)
	args := call.Arguments
	switch call.Name {
	case "query":
		s.modernText(m.ID, string(m.Params))
	case "pid":
		s.modernText(m.ID, fmt.Sprint(os.Getpid()))
	case "change": // the tools, and tell the subscribers
		s.mu.Lock()
		s.state.zone = true
		s.mu.Unlock()
		s.modernText(m.ID, fmt.Sprint(s.publish("notifications/tools/list_changed", "")))
	case "touch": // a resource
		s.modernText(m.ID, fmt.Sprint(s.publish("notifications/resources/updated", fmt.Sprintf(`,"uri":%q`, args.Text))))
	case "count": // the subscriptions
		s.mu.Lock()
		n := len(s.state.subscriptions)
		s.mu.Unlock()
		s.modernText(m.ID, fmt.Sprint(n))
	case "log": // as far as the request asks for it
		if meta.LogLevel != "" {
			s.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":%q,"data":%q}}`, meta.LogLevel, args.Text)
		}
		s.modernText(m.ID, args.Text)
	case "input":
		if call.RequestState == "" {
			s.send(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":%q,"n":1.0}}},"requestState":"st\u0061te"}}`, m.ID, args.Text)
			return
		}
		s.modernText(m.ID, call.RequestState+" "+string(call.InputResponses))
	default:
		s.tool(m.ID, call.toolCall, cancel)
	}
}

func (s *server) modernText(id json.RawMessage, text string) {
	s.send(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[{"type":"text","text":%q}]}}`, id, text)
}
