// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
)

// maxTools bounds what ListTools collects over all pages.
const maxTools = 10_000

// discoverLimit is how long a server on a transport of the SDK may take to start
// and to answer server/discover; one that is silent is taken to be legacy.
const discoverLimit = 20 * time.Second

// A Client makes typed calls to one server. It connects at the first call, in
// the newest protocol version that the server speaks. It is safe for concurrent
// use.
//
// Errors wrap what happened, for errors.As: a *jsonrpc.Error of the SDK is what the
// server has reported, a [*StatusError] a response that no MCP server would give,
// an [*AuthError] a failed login.
type Client struct {
	client    *mcp.Client
	transport mcp.Transport
	endpoint  *endpoint        // nil over a transport of the caller
	answers   *answerTransport // nil over a transport of the caller

	mu      sync.Mutex
	session *mcp.ClientSession // mu guards it
	closed  bool               // mu guards it
}

// New returns a client for the server that o names. It does not connect.
//
// client says who calls, and handles what the server asks and tells: progress,
// log messages, elicitation, sampling, changes; of a legacy server what belongs
// to no call is listened to as well. Nil means a client named shclient without
// capabilities, which listens to nothing.
func New(o Options, client *mcp.Client) (*Client, error) {
	e, err := o.endpoint(func(base http.RoundTripper) http.RoundTripper {
		return &probeTransport{base}
	})
	if err != nil {
		return nil, err
	}
	cancels := newCancels(true)
	answers := &answerTransport{endpoint: e.name(), base: e.client.Transport}
	e.client.Transport = &cancelTransport{answers, cancels}
	transport := &mcp.StreamableClientTransport{
		Endpoint:             e.url.String(),
		HTTPClient:           e.client,
		DisableStandaloneSSE: client == nil,
	}
	inner := orDefault(client, e.logger)
	inner.AddSendingMiddleware(cancels.wait)
	return &Client{client: inner, transport: transport, endpoint: e, answers: answers}, nil
}

// NewOver returns a client for the server at the other end of a transport of
// the SDK, such as an [mcp.CommandTransport]. client is that of [New], and gets
// a middleware: a server that does not answer server/discover within 20 seconds
// is taken to be legacy. It does not connect.
func NewOver(transport mcp.Transport, client *mcp.Client) *Client {
	client = orDefault(client, nil)
	cancels := newCancels(false)
	client.AddSendingMiddleware(limitDiscover, cancels.wait)
	return &Client{client: client, transport: &cancelNoticing{transport, cancels}}
}

func orDefault(client *mcp.Client, logger *slog.Logger) *mcp.Client {
	if client != nil {
		return client
	}
	return mcp.NewClient(
		&mcp.Implementation{Name: "shclient", Version: buildinfo.Version()},
		&mcp.ClientOptions{Logger: logger, Capabilities: &mcp.ClientCapabilities{}},
	)
}

// limitDiscover bounds the question whether the server speaks the modern era.
func limitDiscover(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if method == "server/discover" {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, discoverLimit)
			defer cancel()
		}
		return next(ctx, method, req)
	}
}

// Session returns the SDK's session, for everything else that MCP offers. It
// connects if that has not happened yet. Client.Close closes it.
func (c *Client) Session(ctx context.Context) (*mcp.ClientSession, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("shclient: the client is closed")
	}
	if c.session != nil {
		return c.session, nil
	}
	err := c.connect(func() (err error) {
		c.session, err = c.client.Connect(ctx, c.transport, nil)
		return err
	})
	if err != nil {
		c.session = nil
		return nil, c.failed("connecting", err)
	}
	return c.session, nil
}

func (c *Client) connect(do func() error) error {
	if c.answers == nil {
		return do()
	}
	return c.answers.connect(do)
}

// ListTools returns all tools of the server, page by page until the last. More
// than 10,000 are an error.
func (c *Client) ListTools(ctx context.Context) ([]*mcp.Tool, error) {
	session, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	var tools []*mcp.Tool
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, c.failed("listing tools", err)
		}
		if len(tools) == maxTools {
			return nil, fmt.Errorf("shclient: the server lists more than %d tools", maxTools)
		}
		tools = append(tools, tool)
	}
	return tools, nil
}

// CallTool calls a tool. arguments is what encodes to the JSON object of its
// arguments, such as a map, a struct or a json.RawMessage; nil means none. An
// error that the tool itself reports is a result with IsError set.
//
// A server that misses the headers for some of the arguments (MCP 2026-07-28)
// has not executed the call: the client lists its tools, to learn of the
// headers, and calls again.
func (c *Client) CallTool(ctx context.Context, name string, arguments any) (*mcp.CallToolResult, error) {
	session, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
	if rpc, ok := errors.AsType[*jsonrpc.Error](err); ok && rpc.Code == mcp.CodeHeaderMismatch {
		if _, err := c.ListTools(ctx); err != nil {
			return nil, err
		}
		result, err = session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
	}
	if err != nil {
		return nil, c.failed("calling "+name, err)
	}
	return result, nil
}

// failed wraps an error of the SDK. An error that the server reported stays as
// it is; of a request that failed the SDK's own wrapping is taken off.
func (c *Client) failed(doing string, err error) error {
	_, answered := errors.AsType[*StatusError](err)
	_, login := errors.AsType[*AuthError](err)
	_, request := errors.AsType[*url.Error](err)
	if c.endpoint != nil && (answered || login || request) {
		err = c.endpoint.explain(err)
	}
	return fmt.Errorf("shclient: %s: %w", doing, err)
}

// Close ends the session, also at the server. The client cannot be used again.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.session == nil {
		return nil
	}
	err := c.session.Close()
	c.session = nil
	if c.endpoint != nil {
		c.endpoint.client.CloseIdleConnections()
	}
	if err != nil {
		return fmt.Errorf("shclient: closing the session: %w", err)
	}
	return nil
}
