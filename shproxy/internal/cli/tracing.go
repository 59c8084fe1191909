// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

// traceCalls makes spans of what goes to the servers, as the semantic conventions
// for MCP have it; nil if nothing is traced.
func traceCalls(t *tracing.Tracer) func(context.Context, shproxy.TracedCall) shproxy.CallSpan {
	if t == nil {
		return nil
	}
	return func(ctx context.Context, c shproxy.TracedCall) shproxy.CallSpan {
		operation := ""
		if c.Tool != "" {
			operation = "execute_tool"
		}
		_, span := t.Begin(ctx, tracing.Begin{
			Name: strings.TrimSpace(c.Method + " " + c.Tool + c.Prompt), Kind: tracing.Client,
			Parent: tracing.Parent(c.Parent),
			Attrs: []tracing.Attr{
				{Key: "mcp.method.name", Value: c.Method}, {Key: "mcp.session.id", Value: c.Session}, {Key: "mcp.protocol.version", Value: c.Version},
				{Key: "gen_ai.operation.name", Value: operation}, {Key: "gen_ai.tool.name", Value: c.Tool}, {Key: "gen_ai.prompt.name", Value: c.Prompt},
				{Key: "jsonrpc.request.id", Value: c.ID}, {Key: "network.transport", Value: "pipe"}, {Key: "shproxy.server", Value: c.Server},
			},
		})
		return shproxy.CallSpan{Context: shproxy.TraceContext(span.Context()), End: func(outcome string, code int) {
			status := ""
			if code != 0 {
				status = strconv.Itoa(code)
			}
			failure := ""
			switch outcome {
			case "ok", "cancelled", "gone": // what a client does is no failure
			case "error":
				if failure = status; failure == "" {
					failure = outcome
				}
			default:
				failure = outcome
			}
			span.End(failure, tracing.Attr{Key: "shproxy.outcome", Value: outcome}, tracing.Attr{Key: "rpc.response.status_code", Value: status})
		}}
	}
}

// routeOf is the path of a request for its span, if it is one that is served.
func (f *fleet) routeOf(r *http.Request) string {
	pattern := strings.TrimSuffix(r.Pattern, "/{$}")
	if pattern == "/" && f.access.embedded != nil {
		return "" // of which the rest is a client's
	}
	return pattern
}
