// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const headerSession = "Mcp-Session-Id"

// Session is a conversation in one protocol version, over either transport:
// after initialize, or in a modern version just the way to make requests.
type Session struct {
	// ID is the session id over HTTP; empty if there is none.
	ID string
	// Initialize is the answer to initialize, or to server/discover.
	Initialize *Answer
	// Process is the server over stdio; nil over HTTP.
	Process *Process

	probe   *Probe // who opened it
	next    int
	lingers bool // streams do not end behind the answer
}

// Answer is a response, and how it came.
type Answer struct {
	Message
	// Before are the messages that came before it on the same stream.
	Before []Message
	// HTTP is nil over stdio.
	HTTP     *HTTPResponse
	Exchange *Exchange
}

// Meta is params._meta of a request in a modern version.
func (p *Probe) Meta() map[string]any {
	return map[string]any{
		"io.modelcontextprotocol/protocolVersion":    p.Version,
		"io.modelcontextprotocol/clientInfo":         clientInfo(),
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}
}

func clientInfo() map[string]any { return map[string]any{"name": "shclient-check", "version": "1"} }

// InitializeParams are those of an initialize request for a version.
func InitializeParams(version string) map[string]any {
	return map[string]any{"protocolVersion": version, "capabilities": map[string]any{}, "clientInfo": clientInfo()}
}

// Session is one that all rules of the version share. Do not close it.
func (p *Probe) Session(ctx context.Context) (*Session, error) {
	return p.run.shared(ctx, p)
}

// NewSession opens a session that is closed with the rule.
func (p *Probe) NewSession(ctx context.Context) (*Session, error) {
	s, err := p.open(ctx)
	if err == nil {
		p.onClose(s.close)
	}
	return s, err
}

// open makes the handshake.
func (p *Probe) open(ctx context.Context) (s *Session, err error) {
	s = &Session{probe: p}
	if p.Transport == Stdio {
		process, err := p.start(ctx)
		if err != nil {
			return nil, err
		}
		s.Process = process
	}
	opened := s
	defer func() {
		if err != nil && opened.Process != nil { // s is nil then
			opened.Process.Close()
		}
	}()
	if p.Modern() {
		s.Initialize, err = s.Request(ctx, p, "server/discover", nil)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s.Initialize, err = s.Request(ctx, p, "initialize", InitializeParams(p.Version))
	if err != nil {
		return nil, err
	}
	if e := s.Initialize.Error(); e != nil {
		return nil, fmt.Errorf("initialize: %w", e)
	}
	if s.Initialize.HTTP != nil {
		s.ID = s.Initialize.HTTP.Header.Get(headerSession)
	}
	if err := s.Notify(ctx, p, "notifications/initialized", nil); err != nil {
		return nil, err
	}
	return s, nil
}

// capabilities are those that the server declares.
func (s *Session) capabilities() map[string]json.RawMessage {
	return members(members(s.Initialize.Result())["capabilities"])
}

// Header are the headers of a POST in the session. Those of a modern version
// that repeat the body are for raw.
func (s *Session) Header(p *Probe, raw []byte) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, "+sse.ContentType)
	if s.ID != "" {
		h.Set(headerSession, s.ID)
	}
	if p.Modern() {
		if m, err := jsonrpc.Scan(raw); err == nil {
			mcpheader.Derive(h, raw, m)
		}
	} else if s.Initialize != nil && p.Version >= V20250618 {
		h.Set(mcpheader.ProtocolVersion, p.Version)
	}
	return h
}

// NewID is the next id for a request in the session.
func (s *Session) NewID() json.RawMessage {
	s.next++
	return json.RawMessage(strconv.Itoa(s.next))
}

// Request makes a request and waits for its response. params is an object, or
// nil; a modern version gets its _meta.
func (s *Session) Request(ctx context.Context, p *Probe, method string, params map[string]any) (*Answer, error) {
	id := s.NewID()
	return s.Send(ctx, p, requestBytes(id, method, p.params(params)), id)
}

// params adds what every request of a modern version has.
func (p *Probe) params(params map[string]any) any {
	if !p.Modern() {
		if params == nil {
			return nil
		}
		return params
	}
	all := map[string]any{"_meta": p.Meta()}
	maps.Copy(all, params)
	return all
}

// Send sends bytes as they are, and waits for the response with the id.
func (s *Session) Send(ctx context.Context, p *Probe, raw []byte, id json.RawMessage) (*Answer, error) {
	if s.Process != nil {
		if err := s.Process.Write(p, raw); err != nil {
			return nil, err
		}
		e := s.Process.last
		m, before, err := s.Process.Await(ctx, id)
		if err != nil {
			e.Received += "[" + err.Error() + "]"
			s.Process.given = append(s.Process.given, id)
			return nil, err
		}
		return &Answer{Message: m, Before: before, Exchange: e}, nil
	}
	return s.post(ctx, p, HTTPRequest{Body: raw, Header: s.Header(p, raw)}, id)
}

// post is Send over HTTP.
func (s *Session) post(ctx context.Context, p *Probe, r HTTPRequest, id json.RawMessage) (*Answer, error) {
	r.Until = s.replying(ctx, p)
	resp, err := p.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	m, ok := resp.Response(id)
	i := slices.IndexFunc(resp.Messages, Message.IsResponse)
	switch {
	case ok:
	case i < 0 && resp.Status >= 300:
		return nil, &StatusError{resp}
	case i < 0 && resp.isStream():
		return nil, &silence{"the stream has no response"}
	case i < 0:
		return nil, &silence{fmt.Sprintf("the answer, of type %s, is no response", cmp.Or(resp.MediaType(), "unknown"))}
	default:
		m = resp.Messages[i]
		if resp.Status < 300 {
			p.run.wrongID(p.Version, id, m, resp.Exchange)
		}
	}
	before := resp.Messages[:i]
	return &Answer{Message: m, Before: before, HTTP: resp, Exchange: resp.Exchange}, nil
}

// replying waits for a response, and refuses what the server asks until then.
func (s *Session) replying(ctx context.Context, p *Probe) func(Message) bool {
	return func(m Message) bool {
		if reply := refusal(m); reply != nil {
			exchanges := p.exchanges
			_, _ = p.Do(ctx, HTTPRequest{Body: reply, Header: s.Header(p, nil)}) // who does not take it goes on without
			p.exchanges = exchanges
		}
		return m.IsResponse()
	}
}

// refusal is the answer to a request of the server; nil if m is none.
func refusal(m Message) []byte {
	id := m.ID()
	switch {
	case id == nil || m.IsResponse():
		return nil
	case m.Method() == "ping":
		return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{}}`, id)
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"Method not found"}}`, id, codeNoMethod)
}

// StatusError is an HTTP response with an error status and no JSON-RPC response
// to the request.
type StatusError struct{ Response *HTTPResponse }

func (e *StatusError) Error() string {
	return fmt.Sprintf("HTTP status %d without a response to the request", e.Response.Status)
}

// Notify sends a notification. The error of a server that does not take it over
// HTTP is a *StatusError.
func (s *Session) Notify(ctx context.Context, p *Probe, method string, params map[string]any) error {
	raw := requestBytes(nil, method, p.params(params))
	if s.Process != nil {
		return s.Process.Write(p, raw)
	}
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: s.Header(p, raw)})
	if err != nil {
		return err
	}
	if resp.Status >= 300 {
		return &StatusError{resp}
	}
	return nil
}

// close ends the session at the server.
func (s *Session) close() {
	if s.Process != nil {
		s.Process.Close()
		return
	}
	if s.ID != "" {
		ctx, cancel := context.WithTimeout(context.Background(), s.probe.run.o.timeout())
		defer cancel()
		// A server need not allow it, and the rule has ended.
		_, _ = s.probe.Do(ctx, HTTPRequest{Method: http.MethodDelete, Header: s.Header(s.probe, nil)})
	}
}
