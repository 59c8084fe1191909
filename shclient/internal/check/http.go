// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// HTTPRequest is one request to the server, just as it stands here.
type HTTPRequest struct {
	Method string // POST if empty
	// URL is the target's if empty.
	URL string
	// Host is sent in place of that of the URL.
	Host   string
	Header http.Header
	Body   []byte
	// Anonymous leaves the login and the headers of the user away.
	Anonymous bool
	// HeadOnly does not read the body: it may be a stream without end.
	HeadOnly bool
	// Opened is called when the header of the response has come.
	Opened func()
	// Until ends the reading of an event stream; nil reads to its end.
	Until func(Message) bool
	// Quiet, if positive, ends the reading of an event stream when nothing has
	// come for so long since its last message.
	Quiet time.Duration
}

// HTTPResponse is what came.
type HTTPResponse struct {
	Status int
	Header http.Header
	// Body is what was read of it, also of a stream.
	Body []byte
	// Events are those of a stream, and Messages what its events or a JSON body
	// hold. What is no message is left out, and in Noise.
	Events   []sse.Event
	Messages []Message
	Noise    []string
	// Ended tells that the server has ended a stream.
	Ended    bool
	Exchange *Exchange

	streams bool // it is a stream by its looks
}

// MediaType is that of the response, in lower case.
func (r *HTTPResponse) MediaType() string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind, _, _ = strings.Cut(r.Header.Get("Content-Type"), ";")
	}
	return strings.ToLower(strings.TrimSpace(kind))
}

// Response returns the response to a request by its id.
func (r *HTTPResponse) Response(id json.RawMessage) (Message, bool) {
	for _, m := range r.Messages {
		if m.IsResponse() && sameID(m.ID(), id) {
			return m, true
		}
	}
	return Message{}, false
}

const maxBody = 16 << 20 // of one response

// Do sends a request, and reads what comes of it. The error of a server that
// does not answer in time is one of IsSilence.
func (p *Probe) Do(ctx context.Context, r HTTPRequest) (*HTTPResponse, error) {
	if p.Transport != HTTP {
		return nil, Skipf("the server is not spoken to over HTTP")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.run.o.timeout(), late(p.run.o.timeout()))
	defer cancel()
	until := r.Until
	if r.Quiet > 0 {
		var end context.CancelCauseFunc
		ctx, end = context.WithCancelCause(ctx)
		defer end(nil)
		timer := time.AfterFunc(p.run.o.timeout(), func() { end(late(p.run.o.timeout())) })
		defer timer.Stop()
		until = func(m Message) bool {
			timer.Reset(r.Quiet)
			return r.Until != nil && r.Until(m)
		}
	}
	req, err := p.run.request(ctx, r)
	if err != nil {
		return nil, err
	}
	e, err := p.sent(requestText(req, r.Body))
	if err != nil {
		return nil, err
	}
	client := p.run.client
	if r.Anonymous {
		client = p.run.anonymous
	}
	resp, err := client.Do(req)
	if err != nil {
		err = p.run.failed(ctx, err)
		e.Received = err.Error()
		return nil, err
	}
	defer resp.Body.Close()
	if r.Opened != nil {
		r.Opened()
	}
	response := &HTTPResponse{Status: resp.StatusCode, Header: resp.Header, Exchange: e}
	if !r.HeadOnly {
		err = response.read(resp.Body, until)
	}
	e.Received = responseText(resp, response.Body)
	for _, m := range response.Messages {
		// What else the server serves, and its refusals, need not be messages.
		if r.URL == "" && (m.Has("jsonrpc") || resp.StatusCode < 300 && (req.Method == http.MethodPost || response.isStream())) {
			p.run.observe(p.Version, m, e)
		}
	}
	if err != nil {
		if err = p.run.failed(ctx, err); IsSilence(err) && response.isStream() {
			return response, nil // what has come is seen by whoever looks for it
		}
		e.Received += "\n[" + err.Error() + "]"
	}
	return response, err
}

func (r *HTTPResponse) isStream() bool { return r.MediaType() == sse.ContentType || r.streams }

// looksLikeStream recognizes an event stream by how it begins, whatever the
// server calls it.
func looksLikeStream(body *bufio.Reader) bool {
	start, _ := body.Peek(5) // less is no stream
	return bytes.HasPrefix(start, []byte("data:")) || bytes.HasPrefix(start, []byte("event")) || bytes.HasPrefix(start, []byte("id: "))
}

// read takes the body: a stream until it ends, or has what is waited for.
func (r *HTTPResponse) read(body io.Reader, until func(Message) bool) error {
	var seen bytes.Buffer
	defer func() { r.Body = seen.Bytes() }()
	start := bufio.NewReader(io.TeeReader(io.LimitReader(body, maxBody), &seen))
	body = start
	if !r.isStream() && r.Status < 300 {
		r.streams = looksLikeStream(start)
	}
	if !r.isStream() {
		all, err := io.ReadAll(body)
		if len(bytes.TrimSpace(all)) > 0 {
			r.take(all)
		}
		return err
	}
	events := sse.NewReader(body, maxBody)
	for {
		event, err := events.Next()
		if err == io.EOF {
			r.Ended = true
			return nil
		}
		if err != nil {
			return err
		}
		event.Data = bytes.Clone(event.Data)
		r.Events = append(r.Events, event)
		if len(event.Data) == 0 {
			continue
		}
		before := len(r.Messages)
		r.take(event.Data)
		if until != nil && slices.ContainsFunc(r.Messages[before:], until) {
			return nil
		}
	}
}

// take reads a message, or a batch of them.
func (r *HTTPResponse) take(raw []byte) {
	batch := []json.RawMessage{raw}
	if kindOf(raw) == "array" {
		_ = json.Unmarshal(raw, &batch) // what is no batch is no message either
	}
	for _, raw := range batch {
		m, err := ParseMessage(raw)
		if err != nil {
			r.Noise = append(r.Noise, string(raw))
			continue
		}
		r.Messages = append(r.Messages, m)
	}
}

func (r *run) request(ctx context.Context, hr HTTPRequest) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, cmp.Or(hr.Method, http.MethodPost), cmp.Or(hr.URL, r.target.URL), bytes.NewReader(hr.Body))
	if err != nil {
		return nil, errors.New("a request that cannot be sent: " + err.Error())
	}
	if hr.Body == nil {
		req.Body, req.GetBody = nil, nil
	}
	if hr.Header != nil {
		req.Header = hr.Header.Clone()
	}
	if hr.Host != "" {
		req.Host = hr.Host
	}
	return req, nil
}

// failed explains an error of a request.
func (r *run) failed(ctx context.Context, err error) error {
	if late, ok := errors.AsType[*silence](context.Cause(ctx)); ok {
		return late
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // without the query, where keys may hide
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &silence{"the server has closed the connection without a whole answer"}
	}
	return err
}

func late(patience time.Duration) error {
	return &silence{fmt.Sprintf("no answer within %v", patience)}
}

// requestText is the request as reports show it.
func requestText(req *http.Request, body []byte) string {
	var b strings.Builder
	target := *req.URL
	if target.RawQuery != "" {
		target.RawQuery = "…"
	}
	fmt.Fprintf(&b, "%s %s\nHost: %s\n", req.Method, cmp.Or(target.RequestURI(), "/"), cmp.Or(req.Host, req.URL.Host))
	writeHeader(&b, req.Header)
	b.WriteString("\n")
	b.Write(body)
	return b.String()
}

func responseText(resp *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", resp.Proto, resp.Status)
	writeHeader(&b, resp.Header)
	b.WriteString("\n")
	b.WriteString(bound(string(body), maxText))
	return b.String()
}

// writeHeader leaves out what grants access. Of a session id the beginning
// stays, which tells ids apart.
func writeHeader(b *strings.Builder, header http.Header) {
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range header[name] {
			switch name {
			case "Authorization", "Cookie", "Set-Cookie", "Dpop":
				value = "[redacted]"
			case headerSession:
				value = shortID(value)
			}
			fmt.Fprintf(b, "%s: %s\n", name, value)
		}
	}
}

func shortID(id string) string {
	if len(id) > 8 {
		return id[:8] + "…"
	}
	return id
}
