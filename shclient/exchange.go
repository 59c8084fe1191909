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

// exchange posts m and takes what comes back on behalf of c, which is nil
// unless m is a request. sent is called when m is on its way. For a request, a
// nil error means that it was answered.
func (r *remote) exchange(ctx context.Context, m message, c *call, sent func()) error {
	switch {
	case m.modern():
		return r.exchangeModern(ctx, m, c, sent)
	case c != nil && c.opening:
		return r.open(ctx, m, c)
	}
	return r.exchangeLegacy(ctx, m, c, sent)
}

// exchangeLegacy posts m within the session. If that is lost, it opens another
// and posts m once more: a server that does not know the session has not
// looked at m.
func (r *remote) exchangeLegacy(ctx context.Context, m message, c *call, sent func()) error {
	now := r.session.state()
	if m.Kind == jsonrpc.Response {
		var asked bool
		if m, asked = r.asked.answer(m, now.generation); !asked {
			return errAskedBefore
		}
	}
	switch {
	case now.left:
		return errLeft
	case !now.broken():
		resp, err := r.post(r.request(ctx, m, now), m, sent)
		if err != nil {
			return err
		}
		if !r.lost(resp, m, now) {
			return r.receive(ctx, resp, c, now)
		}
		resp.Body.Close()
	}
	if m.Kind == jsonrpc.Response {
		return errAskedBefore
	}
	if err := r.renew(ctx, now.generation); err != nil {
		return err
	}
	if now = r.session.state(); now.left {
		return errLeft
	}
	return r.once(ctx, m, c, now, sent)
}

// errAskedBefore is what becomes of an answer whose question died with its
// session.
const errAskedBefore = localError("the session in which the server asked is gone")

// once is exchange within the given session, come what may.
func (r *remote) once(ctx context.Context, m message, c *call, now sessionState, sent func()) error {
	resp, err := r.post(r.request(ctx, m, now), m, sent)
	if err != nil {
		return err
	}
	return r.receive(ctx, resp, c, now)
}

// request is the POST of m within a session.
func (r *remote) request(ctx context.Context, m message, now sessionState) *http.Request {
	req := r.newRequest(ctx, http.MethodPost, m.frame)
	now.setHeaders(req.Header)
	if now.channel != nil {
		req.URL = now.channel.address
		req.Host = now.channel.address.Host
	}
	return req
}

// post sends the request that carries m.
func (r *remote) post(req *http.Request, m message, sent func()) (*http.Response, error) {
	if m.Kind == jsonrpc.Request && m.method() != methodInitialize {
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { sent() },
		}))
	}
	return r.client.Do(req)
}

// receive deals with the response to a POST, and closes its body.
func (r *remote) receive(ctx context.Context, resp *http.Response, c *call, now sessionState) error {
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300:
		return r.failure(resp)
	case c == nil:
		return nil
	case now.channel != nil:
		resp.Body.Close()
		return now.channel.wait(ctx, c)
	}
	c.sessionID = resp.Header.Get(headerSession)
	switch mediaType(resp.Header) {
	case "application/json":
		return r.receiveJSON(resp, c, now)
	case sse.ContentType:
		return r.receiveStream(ctx, resp, c, now)
	}
	return newStatusError(r.name(), resp)
}

// failure is what an HTTP error status means: the JSON-RPC error in the body if
// there is one, or else the status.
func (r *remote) failure(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came is enough
	if m, ok := rpcError(body); ok {
		return &rpcAnswer{message{m, body}}
	}
	return &StatusError{Endpoint: r.name(), Status: resp.StatusCode, Detail: statusDetail(resp, body)}
}

func (r *remote) receiveJSON(resp *http.Response, c *call, now sessionState) error {
	limit := int64(r.limits.MaxMessageBytes)
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
	r.incoming(c, m, now.generation)
	if !c.answered.Load() {
		return localError("the server answered something else than this request")
	}
	return nil
}
