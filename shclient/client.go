// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
)

// maxTools bounds what ListTools collects over all pages.
const maxTools = 10_000

// A Client makes typed calls to one server. It connects at the first call, in
// the newest protocol version that the server speaks. It is safe for concurrent
// use.
//
// Errors that the server reports are *jsonrpc.Error of the SDK; a response that
// no MCP server would give is a [*StatusError]; a failed login is an
// [*AuthError].
type Client struct {
	endpoint *endpoint
	answers  *answerTransport

	mu      sync.Mutex
	session *mcp.ClientSession // mu guards it
	closed  bool               // mu guards it
}

// New returns a client for the server that o names. It does not connect.
func New(o Options) (*Client, error) {
	e, err := o.endpoint(func(base http.RoundTripper) http.RoundTripper {
		return &probeTransport{base}
	})
	if err != nil {
		return nil, err
	}
	answers := &answerTransport{endpoint: e.name(), base: e.client.Transport}
	e.client.Transport = answers
	return &Client{endpoint: e, answers: answers}, nil
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
	client := mcp.NewClient(
		&mcp.Implementation{Name: "shclient", Version: buildinfo.Version()},
		&mcp.ClientOptions{Logger: c.endpoint.logger, Capabilities: &mcp.ClientCapabilities{}},
	)
	err := c.answers.connect(func() (err error) {
		c.session, err = client.Connect(ctx, &mcp.StreamableClientTransport{
			Endpoint:             c.endpoint.url.String(),
			HTTPClient:           c.endpoint.client,
			DisableStandaloneSSE: true,
		}, nil)
		return err
	})
	if err != nil {
		c.session = nil
		return nil, c.failed("connecting", err)
	}
	return c.session, nil
}

// ListTools returns all tools of the server, page by page until the last.
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
	if answered || login || request {
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
	c.endpoint.client.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("shclient: closing the session: %w", err)
	}
	return nil
}
