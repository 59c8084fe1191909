// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"io"
	"net/http"
	"time"

	sdkrpc "github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	// toldTimeout bounds how long a cancelled request waits for the server to
	// get to know.
	toldTimeout = time.Second

	// maxCancelled is larger than any notification that a request is cancelled.
	maxCancelled = 8 << 10
)

// cancels lets a cancelled request return no earlier than the server has been
// told. The SDK tells it in the background, where the end of the session would
// overtake it, and the server go on working.
type cancels struct {
	told chan struct{} // has an entry when a notification was sent
	http bool          // modern servers are told by the end of the request
}

func newCancels(http bool) *cancels { return &cancels{make(chan struct{}, 1), http} }

func (c *cancels) sent() {
	select {
	case c.told <- struct{}{}:
	default: // nobody has waited for the last one
	}
}

// wait is a middleware of the client.
func (c *cancels) wait(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		result, err := next(ctx, method, req)
		session, ok := req.GetSession().(*mcp.ClientSession)
		if err == nil || ctx.Err() == nil || !ok {
			return result, err
		}
		init := session.InitializeResult()
		if init == nil || c.http && !era.IsLegacy(init.ProtocolVersion) {
			return result, err
		}
		timer := time.NewTimer(toldTimeout)
		defer timer.Stop()
		select {
		case <-c.told:
		case <-timer.C:
		}
		return result, err
	}
}

// cancelTransport notices when cancellations have been sent.
type cancelTransport struct {
	base    http.RoundTripper
	cancels *cancels
}

func (t *cancelTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if isCancellation(req) {
		defer t.cancels.sent()
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (t *cancelTransport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func isCancellation(req *http.Request) bool {
	if req.Method != http.MethodPost || req.ContentLength < 1 || req.ContentLength > maxCancelled || req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	if err != nil {
		return false
	}
	defer body.Close()
	frame, err := io.ReadAll(body)
	if err != nil {
		return false
	}
	m, err := jsonrpc.Scan(frame)
	return err == nil && m.Kind == jsonrpc.Notification && jsonrpc.Is(frame, m.Method, methodCancelled)
}

// cancelNoticing is a transport of the SDK that notices the same.
type cancelNoticing struct {
	mcp.Transport
	cancels *cancels
}

func (t *cancelNoticing) Connect(ctx context.Context) (mcp.Connection, error) {
	conn, err := t.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &cancelConn{conn, t.cancels}, nil
}

type cancelConn struct {
	mcp.Connection
	cancels *cancels
}

func (c *cancelConn) Write(ctx context.Context, m sdkrpc.Message) error {
	if req, ok := m.(*sdkrpc.Request); ok && req.Method == methodCancelled {
		defer c.cancels.sent()
	}
	return c.Connection.Write(ctx, m)
}
