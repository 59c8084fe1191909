// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// exchange posts m and delivers what comes back on behalf of c, which is nil
// unless m is a request. If the server has forgotten the session, it opens
// another and posts m once more; a server that says so has not looked at m.
// sent is called when m is on its way. For a request, a nil error means that it
// was answered.
func (l *link) exchange(ctx context.Context, m message, c *call, sent func()) error {
	now := l.session.state()
	if c != nil && c.opening || m.modern() {
		now = sessionState{}
	}
	resp, err := l.post(ctx, m, now, sent)
	if err != nil {
		return err
	}
	if !l.lost(resp, m, now) {
		return l.receive(ctx, resp, m, c, now)
	}
	resp.Body.Close()
	if err := l.renew(ctx, now.generation); err != nil {
		return err
	}
	return l.once(ctx, m, c, l.session.state())
}

// once is exchange within the given session, come what may.
func (l *link) once(ctx context.Context, m message, c *call, now sessionState) error {
	resp, err := l.post(ctx, m, now, func() {})
	if err != nil {
		return err
	}
	return l.receive(ctx, resp, m, c, now)
}

func (l *link) post(ctx context.Context, m message, now sessionState, sent func()) (*http.Response, error) {
	if m.Kind == jsonrpc.Request && m.method() != methodInitialize {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { sent() },
		})
	}
	req := l.newRequest(ctx, http.MethodPost, m.frame)
	if m.modern() {
		m.setModernHeaders(req.Header)
	} else {
		now.setHeaders(req.Header)
	}
	return l.client.Do(req)
}

// receive deals with the response to m, and closes its body.
func (l *link) receive(ctx context.Context, resp *http.Response, m message, c *call, now sessionState) error {
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300:
		return l.failure(resp)
	case c == nil:
		return nil
	}
	c.sessionID = resp.Header.Get(headerSession)
	switch mediaType(resp.Header) {
	case "application/json":
		return l.receiveJSON(resp, c)
	case sse.ContentType:
		return l.receiveStream(ctx, resp, c, now)
	}
	return newStatusError(l.name(), resp)
}

// failure is what an HTTP error status means: the JSON-RPC error in the body if
// there is one, or else the status.
func (l *link) failure(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came is enough
	if m, ok := rpcError(body); ok {
		return &rpcAnswer{message{m, body}}
	}
	return &StatusError{Endpoint: l.name(), Status: resp.StatusCode, Detail: statusDetail(resp, body)}
}

func (l *link) receiveJSON(resp *http.Response, c *call) error {
	limit := int64(l.limits.MaxMessageBytes)
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return err
	case int64(len(body)) > limit:
		return localError(fmt.Sprintf("the server's answer has more than %d bytes", limit))
	}
	m, err := scan(bytes.TrimSpace(body))
	if err != nil {
		return localError("the server's answer is no MCP message: " + err.Error())
	}
	if m.isNamelessError() {
		return &rpcAnswer{m}
	}
	l.deliver(c, m)
	if !c.answered.Load() {
		return localError("the server answered something else than this request")
	}
	return nil
}
