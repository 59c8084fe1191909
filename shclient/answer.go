// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const (
	// probeTimeout bounds the question whether the server speaks the modern
	// protocol: one that never answers it is taken for a legacy server.
	probeTimeout = 5 * time.Second

	maxAnswer = 64 << 20
)

// answerTransport lets only answers of MCP servers through to the SDK. It turns
// anything else into an error that says what came: the SDK would keep no more
// than the name of the status, and give up the whole connection.
//
// While the SDK connects, the first failure of the login is the answer to all
// that follows: the SDK would ask again in an older protocol version, and so
// make a person who just let the login pass see it once more.
type answerTransport struct {
	endpoint string
	base     http.RoundTripper

	connecting atomic.Bool
	refused    atomic.Pointer[AuthError]
}

// connect runs the SDK's way of connecting.
func (t *answerTransport) connect(do func() error) error {
	t.connecting.Store(true)
	defer func() {
		t.connecting.Store(false)
		t.refused.Store(nil)
	}()
	return do()
}

func (t *answerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if refused := t.refused.Load(); refused != nil {
		return nil, refused
	}
	resp, err := t.base.RoundTrip(req)
	if auth, ok := errors.AsType[*AuthError](err); ok && t.connecting.Load() {
		t.refused.Store(auth)
	}
	if err != nil || req.Method != http.MethodPost {
		return resp, err
	}
	kind := mediaType(resp.Header)
	switch {
	case resp.StatusCode >= 300:
		return t.failure(resp)
	case resp.StatusCode == http.StatusOK && kind == "application/json":
		return t.answer(resp)
	case resp.StatusCode == http.StatusOK && kind != "" && kind != sse.ContentType:
		return nil, newStatusError(t.endpoint, resp)
	}
	return resp, nil
}

// failure lets an HTTP error pass that carries a JSON-RPC error, unless it is
// that the URL takes no POST: nothing has read the message then.
func (t *answerTransport) failure(resp *http.Response) (*http.Response, error) {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came is enough
	resp.Body.Close()
	if _, ok := rpcError(body); !ok || resp.StatusCode == http.StatusMethodNotAllowed {
		return nil, &StatusError{Endpoint: t.endpoint, Status: resp.StatusCode, Detail: statusDetail(resp, body)}
	}
	return withBody(resp, body), nil
}

// answer lets a JSON-RPC message pass.
func (t *answerTransport) answer(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	resp.Body.Close()
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%s: an answer of more than %d bytes", t.endpoint, maxAnswer)
	}
	if _, err := jsonrpc.Scan(body); err != nil && len(body) > 0 {
		return nil, &StatusError{Endpoint: t.endpoint, Status: resp.StatusCode, Detail: "not an MCP answer: " + err.Error()}
	}
	return withBody(resp, body), nil
}

func withBody(resp *http.Response, body []byte) *http.Response {
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// probeTransport bounds server/discover. It sits behind the login, which may
// take a person minutes.
type probeTransport struct{ base http.RoundTripper }

func (t *probeTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get(mcpheader.Method) != "server/discover" {
		return t.base.RoundTrip(req)
	}
	ctx, cancel := context.WithTimeout(req.Context(), probeTimeout)
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, nil
}

// cancelBody ends the request's context with the body.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
