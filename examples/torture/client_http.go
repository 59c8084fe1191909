// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// An outcome is what came of a request.
type outcome struct {
	kind   gotKind
	status int
	m      *message // with gotResult and gotError
	err    error
}

type gotKind uint8

const (
	gotResult  gotKind = iota
	gotError           // of JSON-RPC, with status 200
	gotGone            // 404
	gotBusy            // 503
	gotStatus          // any other status
	gotEnd             // the end of the stream, without a response
	gotLeft            // the client has left
	gotTimeout         // nothing for too long
	gotBroken          // the connection broke, or there was no HTTP
)

func (o outcome) String() string {
	switch o.kind {
	case gotResult, gotError:
		return describe(o.m)
	case gotEnd:
		return "the end of the stream without a response"
	case gotLeft:
		return "nothing, since the client left"
	case gotTimeout:
		return fmt.Sprintf("nothing within %v", callTimeout)
	case gotBroken:
		return o.err.Error()
	}
	if o.err != nil {
		return fmt.Sprintf("status %d, %v", o.status, o.err)
	}
	return fmt.Sprintf("status %d", o.status)
}

const (
	typeJSON   = "application/json"
	maxMessage = 64 << 20
)

// newHTTPClient returns a client with connections of its own.
func newHTTPClient(reset bool) *http.Client {
	dialer := &net.Dialer{}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		return conn, err
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 4, DisableCompression: true}}
}

// request sends one HTTP request within the session.
func (c *client) request(ctx context.Context, method string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.proxy.base+"/mcp", body)
	if err != nil {
		return nil, err
	}
	if stuck, ok := body.(*stuckBody); ok {
		req.ContentLength = int64(2 * len(stuck.half))
	}
	req.Header.Set("Accept", typeJSON+", "+sse.ContentType)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", typeJSON)
	}
	if c.id != "" {
		req.Header.Set("Mcp-Session-Id", c.id)
		if c.plan.version >= "2025-06-18" {
			req.Header.Set("MCP-Protocol-Version", c.plan.version)
		}
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return c.http.Do(req)
}

// A stuckBody is a body that ends in its middle when the client leaves.
type stuckBody struct {
	ctx  context.Context
	half []byte
	sent int
}

func (b *stuckBody) Read(p []byte) (int, error) {
	if b.sent < len(b.half) {
		n := copy(p, b.half[b.sent:])
		b.sent += n
		return n, nil
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// post sends a notification or a response.
func (c *client) post(m *message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	resp, err := c.request(ctx, http.MethodPost, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch _, _ = io.Copy(io.Discard, resp.Body); resp.StatusCode {
	case http.StatusAccepted:
		return nil
	case http.StatusNotFound:
		return errGone
	}
	return fmt.Errorf("status %d", resp.StatusCode)
}

// delete ends the session.
func (c *client) delete() {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	resp, err := c.request(ctx, http.MethodDelete, nil)
	if err != nil {
		c.failed(0, "an answer to DELETE", err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode/100 != 2 && !c.excused() {
		c.wrong(0, "status 2xx for DELETE", resp.Status)
	}
}

// exchange sends a call and reads its reply, leaving when it is told to.
func (c *client) exchange(p *callPlan, first func()) outcome {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	frame, err := json.Marshal(&message{
		Version: "2.0", ID: json.RawMessage(p.ID), Method: "tools/call",
		Params: &params{
			Name: "torture", Meta: meta{Token: json.RawMessage(p.Token)},
			Arguments: &arguments{Session: c.nonce, Call: p.Number, Script: p.Script, Pad: padding(c.nonce, p.Number, p.Pad)},
		},
	})
	if err != nil {
		return outcome{kind: gotBroken, err: err}
	}
	var body io.Reader = bytes.NewReader(frame)
	switch p.leave {
	case leaveBody:
		body = &stuckBody{ctx: ctx, half: frame[:len(frame)/2]}
		defer time.AfterFunc(time.Duration(p.after)*time.Millisecond, c.vanish).Stop()
	case leaveTimer:
		defer time.AfterFunc(time.Duration(p.after*p.after)*time.Millisecond, c.vanish).Stop()
	}
	return c.send(ctx, body, &reply{c: c, call: p, stream: fmt.Sprint("the stream of call ", p.Number), first: first})
}

// exchangeInitialize sends initialize.
func (c *client) exchangeInitialize() outcome {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	frame, err := json.Marshal(&message{
		Version: "2.0", ID: json.RawMessage("0"), Method: "initialize",
		Params: &params{
			Meta: meta{Init: c.plan.init}, ProtocolVersion: c.plan.version,
			Capabilities: json.RawMessage(`{"sampling":{},"elicitation":{},"roots":{"listChanged":true}}`),
			ClientInfo:   &info{Name: "torture", Version: c.nonce},
		},
	})
	if err != nil {
		return outcome{kind: gotBroken, err: err}
	}
	var body io.Reader = bytes.NewReader(frame)
	switch c.plan.leaveInit {
	case leaveBody:
		body = &stuckBody{ctx: ctx, half: frame[:len(frame)/2]}
		fallthrough
	case leaveTimer:
		defer time.AfterFunc(time.Duration(c.plan.leaveTime)*time.Millisecond, c.vanish).Stop()
	}
	p := &callPlan{Number: 0, ID: "0"}
	return c.send(ctx, body, &reply{c: c, call: p, stream: "the reply to initialize", first: func() {}})
}

// send posts a request and reads the reply to its end.
func (c *client) send(ctx context.Context, body io.Reader, r *reply) outcome {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	r.ctx, r.cut = ctx, cut
	resp, err := c.request(ctx, http.MethodPost, body)
	if err != nil {
		return c.broken(ctx, err)
	}
	defer resp.Body.Close()
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" && c.id == "" {
		c.id = id
	}
	return r.read(resp)
}

// broken tells why an exchange was not completed.
func (c *client) broken(ctx context.Context, err error) outcome {
	switch {
	case c.ctx.Err() != nil:
		return outcome{kind: gotLeft}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return outcome{kind: gotTimeout}
	}
	return outcome{kind: gotBroken, err: err}
}

// mediaType is the Content-Type without parameters.
func mediaType(resp *http.Response) string {
	t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return t
}
