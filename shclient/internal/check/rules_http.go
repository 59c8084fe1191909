// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

func httpRules() []Rule {
	const sending, listening, warning = "basic/transports#sending-messages-to-the-server", "basic/transports#listening-for-messages-from-the-server", "basic/transports#security-warning"
	modern := func(anchor string) map[string]string {
		return map[string]string{V20260728: "basic/transports/streamable-http" + anchor}
	}
	return []Rule{
		{
			ID: "http.content-type", Level: Must, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern("#sending-messages"),
			Demand: "a request is answered with application/json or text/event-stream",
			Check:  contentType,
		}, {
			ID: "http.one-object", Level: Must, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern("#sending-messages"),
			Demand: "an answer of type application/json is one JSON object",
			Check:  oneObject,
		}, {
			ID: "http.accepted", Level: Must, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern("#sending-messages"),
			Demand: "a notification that is accepted is answered with 202 and no body",
			Check:  accepted,
		}, {
			ID: "http.bad-message", Level: Must, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern("#sending-messages"),
			Demand: "what is no message is answered with an HTTP error status",
			Check:  badBody,
		}, {
			ID: "http.get", Level: Must, Since: V20250326, Until: V20251125, Transports: HTTP, Section: listening,
			Demand: "GET is answered with an event stream, or with 405",
			Check:  getStream,
		}, {
			ID: "http.get-no-response", Level: Must, Since: V20250326, Until: V20251125, Transports: HTTP, Section: listening,
			Demand: "no response to a POST comes on the stream of a GET",
			Check:  getNoResponse,
		}, {
			ID: "http.put", Level: Should, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern("#sending-messages"),
			Demand: "methods that the endpoint does not have are refused (RFC 9110 section 15.5.6)",
			Check:  otherMethods,
		}, {
			ID: "http.origin", Level: Must, Since: V20251125, Transports: HTTP, Section: warning, Elsewhere: modern(""),
			Demand: "a local server answers a request with a foreign Host and Origin, as DNS rebinding makes them, with 403",
			Check:  func(ctx context.Context, p *Probe) error { return rebound(ctx, p, true) },
		}, {
			ID: "http.origin-validated", Level: Must, Since: V20250326, Until: V20250618, Transports: HTTP, Section: warning,
			Demand: "a local server refuses a request with a foreign Host and Origin, as DNS rebinding makes them",
			Check:  func(ctx context.Context, p *Probe) error { return rebound(ctx, p, false) },
		}, {
			ID: "http.origin-foreign", Level: Should, Since: V20250326, Transports: HTTP, Section: warning, Elsewhere: modern(""),
			Demand: "a request with a foreign Origin alone is refused, unless the server is meant for any web page",
			Check: func(ctx context.Context, p *Probe) error {
				status, err := p.withOrigin(ctx, "")
				if err == nil && status < 400 {
					p.Brokenf("a request with the Origin %s is served with HTTP status %d", foreignOrigin, status)
				}
				return err
			},
		}, {
			ID: "http.version-header", Level: Must, Since: V20250618, Until: V20251125, Transports: HTTP, Section: "basic/transports#protocol-version-header",
			Demand: "a version in MCP-Protocol-Version that is not supported is answered with 400",
			Check:  versionHeader,
		}, {
			ID: "http.version-header-absent", Level: Should, Since: V20250618, Until: V20251125, Transports: HTTP, Section: "basic/transports#protocol-version-header",
			Demand: "a request without MCP-Protocol-Version is served",
			Check:  versionHeaderAbsent,
		},
	}
}

// askHTTP makes a request that every server answers, and reads all of what
// comes.
func (p *Probe) askHTTP(ctx context.Context) (*HTTPResponse, json.RawMessage, error) {
	s, err := p.Session(ctx)
	if err != nil {
		return nil, nil, err
	}
	p.Forget()
	id := s.NewID()
	raw := requestBytes(id, p.anyRequest(), p.params(nil))
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: s.Header(p, raw), Until: Message.IsResponse})
	return resp, id, err
}

func contentType(ctx context.Context, p *Probe) error {
	resp, _, err := p.askHTTP(ctx)
	if err != nil {
		return err
	}
	if t := resp.MediaType(); t != "application/json" && t != sse.ContentType {
		p.Brokenf("a request is answered with the type %q", t)
	}
	return nil
}

func oneObject(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	tried := false
	for _, method := range []string{p.anyRequest(), "tools/list", "resources/list", "prompts/list"} {
		p.Forget()
		raw := requestBytes(s.NewID(), method, p.params(nil))
		resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: s.Header(p, raw), Until: Message.IsResponse})
		if err != nil {
			return err
		}
		if resp.MediaType() != "application/json" {
			continue
		}
		tried = true
		d := json.NewDecoder(bytes.NewReader(resp.Body))
		var first map[string]json.RawMessage
		if err := d.Decode(&first); err != nil {
			p.Brokenf("the answer to %s is no JSON object: %v", method, err)
		} else if d.More() {
			p.Brokenf("the answer to %s has something behind its JSON object", method)
		}
	}
	if !tried {
		return Skipf("the server answers with event streams")
	}
	return nil
}

func accepted(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	raw := requestBytes(nil, "notifications/cancelled", p.params(map[string]any{"requestId": "shclient-check-none"}))
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: s.Header(p, raw)})
	if err != nil {
		return err
	}
	switch {
	case resp.Status >= 400:
		return Skipf("the server does not accept the notification: HTTP status %d", resp.Status)
	case resp.Status != http.StatusAccepted:
		p.Brokenf("a notification is answered with HTTP status %d", resp.Status)
	case len(resp.Body) > 0:
		p.Brokenf("the answer to a notification has a body of %d bytes", len(resp.Body))
	}
	return nil
}

func badBody(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	h := s.Header(p, nil)
	if p.Modern() {
		h.Set(mcpheader.ProtocolVersion, p.Version)
		h.Set(mcpheader.Method, "server/discover")
	}
	for _, body := range []string{`{"jsonrpc":`, `{"hello":"world"}`, `"text"`, ``} {
		p.Forget()
		resp, err := p.Do(ctx, HTTPRequest{Body: []byte(body), Header: h})
		if err != nil {
			return err
		}
		if resp.Status < 400 {
			p.Brokenf("the body %q is answered with HTTP status %d", body, resp.Status)
		}
	}
	return nil
}

// getHeader are the headers of a GET in the session.
func (s *Session) getHeader(p *Probe) http.Header {
	h := s.Header(p, nil)
	h.Del("Content-Type")
	h.Set("Accept", sse.ContentType)
	return h
}

func getStream(ctx context.Context, p *Probe) error {
	s, err := p.NewSession(ctx) // there may be one stream in a session
	if err != nil {
		return err
	}
	p.Forget()
	resp, err := p.Do(ctx, HTTPRequest{Method: http.MethodGet, Header: s.getHeader(p), HeadOnly: true})
	if IsSilence(err) {
		return Skipf("the headers of the answer do not come before there is a message")
	}
	if err != nil {
		return err
	}
	switch {
	case resp.Status == http.StatusMethodNotAllowed:
	case resp.Status != http.StatusOK:
		p.Brokenf("GET is answered with HTTP status %d", resp.Status)
	case resp.MediaType() != sse.ContentType:
		p.Brokenf("GET is answered with the type %q", resp.MediaType())
	}
	return nil
}

func getNoResponse(ctx context.Context, p *Probe) error {
	s, err := p.NewSession(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	got := make(chan Message, 1)
	ctx, cancel := context.WithCancel(ctx)
	listener := p.run.probe(p.Version)
	opened, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = listener.Do(ctx, HTTPRequest{Method: http.MethodGet, Header: s.getHeader(p), Opened: func() { close(opened) }, Until: func(m Message) bool {
			if m.IsResponse() {
				got <- m
			}
			return m.IsResponse()
		}}) // a server need not offer the stream
	}()
	defer func() {
		cancel()
		<-done
	}()
	select {
	case <-opened:
	case <-done:
	}
	method := "ping"
	if s.capabilities()["tools"] != nil {
		method = "tools/list"
	}
	for range 3 {
		if _, err := s.Request(ctx, p, method, nil); err != nil && !IsSilence(err) {
			return err
		}
		select {
		case m := <-got:
			p.Brokenf("a response comes on the stream of a GET: %s", bound(string(m.Raw), 200))
			return nil
		default:
		}
	}
	return nil
}

func otherMethods(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	resp, err := p.Do(ctx, HTTPRequest{Method: http.MethodPut, Header: s.Header(p, nil), Body: []byte("{}")})
	if err == nil && resp.Status < 400 {
		p.Brokenf("PUT is answered with HTTP status %d", resp.Status)
	}
	return err
}

const (
	foreignHost   = "shclient-check.invalid"
	foreignOrigin = "http://" + foreignHost
)

// withOrigin makes a request as a foreign web page does, and returns the status.
func (p *Probe) withOrigin(ctx context.Context, host string) (status int, err error) {
	s, err := p.Session(ctx)
	if err != nil {
		return 0, err
	}
	p.Forget()
	raw := requestBytes(s.NewID(), p.anyRequest(), p.params(nil))
	h := s.Header(p, raw)
	h.Set("Origin", foreignOrigin)
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: h, Host: host, Until: Message.IsResponse})
	if err != nil {
		return 0, err
	}
	return resp.Status, nil
}

// rebound makes a request of a web page whose name leads to the local server.
func rebound(ctx context.Context, p *Probe, forbidden bool) error {
	u, err := url.Parse(p.run.target.URL)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return Skipf("the server is not a local one")
	}
	status, err := p.withOrigin(ctx, foreignHost)
	switch {
	case err != nil:
		return err
	case status < 400:
		p.Brokenf("a request with the Host and Origin of %s is served with HTTP status %d", foreignHost, status)
	case forbidden && status != http.StatusForbidden:
		p.Brokenf("a request with the Host and Origin of %s is answered with HTTP status %d", foreignHost, status)
	}
	if !forbidden {
		return nil
	}
	// Who refuses an Origin has found it invalid.
	if status, err = p.withOrigin(ctx, ""); err == nil && status >= 400 && status != http.StatusForbidden {
		p.Brokenf("a request with the Origin %s is answered with HTTP status %d", foreignOrigin, status)
	}
	return err
}

func versionHeader(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	for _, version := range []string{"1999-12-31", "latest"} {
		p.Forget()
		raw := requestBytes(s.NewID(), "ping", nil)
		h := s.Header(p, raw)
		h.Set(mcpheader.ProtocolVersion, version)
		resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: h, Until: Message.IsResponse})
		if err != nil {
			return err
		}
		if resp.Status != http.StatusBadRequest {
			p.Brokenf("MCP-Protocol-Version: %s is answered with HTTP status %d", version, resp.Status)
		}
	}
	return nil
}

func versionHeaderAbsent(ctx context.Context, p *Probe) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	p.Forget()
	raw := requestBytes(s.NewID(), "ping", nil)
	h := s.Header(p, raw)
	h.Del(mcpheader.ProtocolVersion)
	resp, err := p.Do(ctx, HTTPRequest{Body: raw, Header: h, Until: Message.IsResponse})
	if err == nil && resp.Status >= 400 {
		p.Brokenf("a request without MCP-Protocol-Version is answered with HTTP status %d", resp.Status)
	}
	return err
}
