// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const (
	headerSession = "Mcp-Session-Id"
	typeJSON      = "application/json"

	maxAnswer     = 64 << 20 // bytes of an answer
	maxErrorBody  = 64 << 10 // bytes of a body that is no answer
	closeTimeout  = 5 * time.Second
	dialTimeout   = 15 * time.Second
	bufferSize    = 16 << 10
	maxDrainBytes = 1 << 20
)

// HTTP says how to get to a server over Streamable HTTP.
type HTTP struct {
	URL      string
	Protocol Protocol
	Client   Client

	// Through makes the client of requests outside of lanes: it may log in and
	// add headers before it sends through base. What it adds to a request, the
	// lanes add to theirs. Nil means an http.Client around base.
	Through func(base http.RoundTripper) (*http.Client, error)

	// Dial connects with the server. Nil means TCP.
	Dial func(ctx context.Context) (net.Conn, error)

	// TLS is for https. Nil means what Go does by default.
	TLS *tls.Config

	// Proxy is the one to go through. Nil means that of the environment.
	Proxy func(*http.Request) (*url.URL, error)
}

// httpTarget is a server at a URL.
type httpTarget struct {
	HTTP
	client *http.Client
	sent   *witness
}

// NewHTTP returns the server at a URL.
func NewHTTP(o HTTP) (Target, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	if o.TLS != nil {
		base.TLSClientConfig = o.TLS.Clone()
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	base.Proxy = o.Proxy
	if o.Dial != nil {
		base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return o.Dial(ctx) }
		base.Proxy = nil
	}
	t := &httpTarget{HTTP: o, sent: &witness{base: base}}
	t.client = &http.Client{Transport: t.sent}
	if o.Through != nil {
		var err error
		if t.client, err = o.Through(t.sent); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// A witness remembers what the last successful message to the server looked
// like when it left.
type witness struct {
	base *http.Transport
	mu   sync.Mutex
	url  *url.URL    // mu guards it
	head http.Header // mu guards it
}

// accept is that of messages alone: requests for tokens have another.
const accept = "application/json, text/event-stream"

func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.base.RoundTrip(req)
	if err == nil && resp.StatusCode < 300 && req.Header.Get("Accept") == accept {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.url, w.head = req.URL, req.Header.Clone()
	}
	return resp, err
}

// CloseIdleConnections lets that of http.Client reach the base.
func (w *witness) CloseIdleConnections() { w.base.CloseIdleConnections() }

func (w *witness) last() (*url.URL, http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.url, w.head
}

// httpSession is a session over Streamable HTTP. One of the modern era is just
// what its requests have in common.
type httpSession struct {
	*httpTarget
	version string
	opening []byte
	id      string // Mcp-Session-Id; may be empty
	ids     atomic.Int64
}

// Open asks a server that may speak either era for the modern one first.
func (t *httpTarget) Open(ctx context.Context) (Session, error) {
	s := &httpSession{httpTarget: t, version: era.Modern}
	if t.Protocol != Legacy {
		frame, m, err := s.Ask(ctx, "server/discover", nil)
		switch {
		case err == nil && era.IsModern(frame, m):
			s.opening = m.Result.Of(frame)
			return s, Judge(frame, m)
		case err == nil && t.Protocol == Modern:
			return nil, &Failure{Class: ClassServer, Kind: "the server does not speak " + era.Modern, Text: errorText(Judge(frame, m))}
		case err != nil && (t.Protocol == Modern || !mayBeLegacy(err)):
			return nil, err
		}
	}
	s.version = ""
	return s, s.initialize(ctx)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// mayBeLegacy reports whether a server that answers server/discover with an
// error may know initialize.
func mayBeLegacy(err error) bool {
	f, ok := err.(*Failure)
	return ok && f.Class == ClassServer
}

func (s *httpSession) initialize(ctx context.Context) error {
	frame, m, err := s.Ask(ctx, "initialize", s.Client.initialize())
	if err != nil {
		return err
	}
	if err := Judge(frame, m); err != nil {
		return err
	}
	version, _ := jsonrpc.Lookup(frame, m.Result, "protocolVersion")
	if s.version = jsonrpc.Text(version.Of(frame)); !era.IsLegacy(s.version) {
		return badAnswer("initialize is answered with protocol version %q", s.version)
	}
	s.opening = m.Result.Of(frame)
	resp, err := s.post(ctx, []byte(initialized), http.Header{})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)); resp.StatusCode >= 300 {
		return statusFailure(resp.StatusCode, body)
	}
	return nil
}

func (s *httpSession) Version() string { return s.version }
func (s *httpSession) Opening() []byte { return s.opening }

// Ask makes a request through the client that logs in.
func (s *httpSession) Ask(ctx context.Context, method string, params []byte) ([]byte, jsonrpc.Message, error) {
	frame, header, err := s.request(Call{Method: method, Params: params})
	if err != nil {
		return nil, jsonrpc.Message{}, err
	}
	id := s.ids.Add(1)
	resp, err := s.post(ctx, frame.append(nil, id), header)
	if err != nil {
		return nil, jsonrpc.Message{}, err
	}
	defer resp.Body.Close()
	if id := resp.Header.Get(headerSession); id != "" && method == "initialize" {
		s.id = id
	}
	var a answer
	m, err := a.read(resp, id)
	return bytes.Clone(a.frame), m, err
}

// request is the bytes and the header of a call.
func (s *httpSession) request(c Call) (template, http.Header, error) {
	header, params := http.Header{}, c.Params
	if s.version == era.Modern {
		params = s.Client.withMeta(params)
	}
	t := newTemplate(c.Method, params)
	if err := t.check(); err != nil {
		return t, nil, fmt.Errorf("%s: %w", c.Method, err)
	}
	if s.version == era.Modern {
		frame := t.append(nil, 1)
		m, _ := jsonrpc.Scan(frame)
		mcpheader.Derive(header, frame, m)
		c.Tools.Derive(header, frame, m)
	}
	return t, header, nil
}

// setHeader completes the header of a message.
func (s *httpSession) setHeader(header http.Header) {
	header.Set("Content-Type", typeJSON)
	header.Set("Accept", accept)
	if s.id != "" {
		header.Set(headerSession, s.id)
	}
	if s.version != "" {
		header.Set(mcpheader.ProtocolVersion, s.version)
	}
}

func (s *httpSession) post(ctx context.Context, frame []byte, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	req.Header = header
	s.setHeader(header)
	return s.client.Do(req)
}

// Close tells the server that the session is over.
func (s *httpSession) Close() {
	defer s.client.CloseIdleConnections()
	if s.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.URL, nil)
	if err != nil {
		return
	}
	s.setHeader(req.Header)
	if resp, err := s.client.Do(req); err == nil {
		resp.Body.Close() // whatever it says: many servers do not allow this
	}
}

// Lane connects with the server directly, with the headers that the requests of
// the session had, or through the client if there is a proxy in between.
func (s *httpSession) Lane(c Call) (Lane, error) {
	t, header, err := s.request(c)
	if err != nil {
		return nil, err
	}
	address, sent := s.sent.last()
	for name, values := range sent {
		if !isOurs(name) {
			header[name] = values
		}
	}
	s.setHeader(header)
	if s.proxied(address) {
		return newClientLane(s, t, header), nil
	}
	return newConnLane(s, t, address, header), nil
}

// isOurs reports whether a header belongs to one message.
func isOurs(name string) bool {
	return strings.HasPrefix(name, "Mcp-") || name == "Content-Length" || name == "Traceparent"
}

func (s *httpSession) proxied(address *url.URL) bool {
	if s.Dial != nil {
		return false
	}
	proxy, err := s.Proxy(&http.Request{URL: address})
	return proxy != nil || err != nil
}

// An answer is read from responses, one after the other.
type answer struct {
	frame  []byte        // valid until the next one
	buffer bytes.Buffer  // of JSON
	events *bufio.Reader // of streams
	at     time.Time     // when it was there
}

// read takes the answer to the request with the id from a response.
func (a *answer) read(resp *http.Response, id int64) (m jsonrpc.Message, err error) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == sse.ContentType && resp.StatusCode == http.StatusOK:
		return a.readEvents(resp.Body, id)
	case kind != typeJSON:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		if resp.StatusCode == http.StatusOK {
			return m, badAnswer("not an MCP answer but %s", kind)
		}
		return m, statusFailure(resp.StatusCode, body)
	}
	a.buffer.Reset()
	n, err := a.buffer.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	a.at = time.Now()
	if err != nil {
		return m, err
	}
	if n > maxAnswer {
		return m, badAnswer("more than %d bytes", maxAnswer)
	}
	a.frame = bytes.TrimSpace(a.buffer.Bytes())
	m, err = jsonrpc.Scan(a.frame)
	switch {
	case err != nil && resp.StatusCode != http.StatusOK, resp.StatusCode == http.StatusMethodNotAllowed: // which has read no message
		return m, statusFailure(resp.StatusCode, a.frame)
	case err != nil:
		return m, badAnswer("%v", err)
	case isAnswer(a.frame, m, id), m.Error.Present():
		return m, nil
	case resp.StatusCode != http.StatusOK:
		return m, statusFailure(resp.StatusCode, a.frame)
	}
	return m, badAnswer("it answers another request")
}

func (a *answer) readEvents(body io.Reader, id int64) (jsonrpc.Message, error) {
	if a.events == nil {
		a.events = bufio.NewReaderSize(body, bufferSize) // which the reader of events takes over
	}
	a.events.Reset(body)
	for events := sse.NewReader(a.events, maxAnswer); ; {
		event, err := events.Next()
		if err == io.EOF {
			return jsonrpc.Message{}, &Failure{Class: ClassServer, Kind: "stream without an answer"}
		}
		if err != nil {
			return jsonrpc.Message{}, err
		}
		if len(event.Data) == 0 {
			continue
		}
		m, err := jsonrpc.Scan(event.Data)
		if err != nil {
			return m, badAnswer("%v", err)
		}
		if isAnswer(event.Data, m, id) {
			a.frame, a.at = event.Data, time.Now()
			return m, nil
		}
	}
}
