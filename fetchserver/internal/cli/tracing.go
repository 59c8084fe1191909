// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
)

// tracer is that of --otlp-endpoint; nil if nothing is traced.
func (c *config) tracer(ctx context.Context, o tracing.Options) (*tracing.Tracer, error) {
	o.Endpoint, o.Program, o.Version, o.LookupEnv = c.otlp, "fetchserver", buildinfo.Version(), c.environment.lookup
	t, err := tracing.Start(ctx, o)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return t, nil
}

// traceMethods makes a span of each request and notification, as the semantic
// conventions for MCP have it: within the context that the message names, or that
// of its HTTP request.
func traceMethods(t *tracing.Tracer, transport string) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			operation, tool, prompt := "", "", ""
			switch params := req.GetParams().(type) {
			case *mcp.CallToolParamsRaw:
				operation, tool = "execute_tool", params.Name
			case *mcp.GetPromptParams:
				prompt = params.Name
			}
			tool, prompt = shorten(tool), shorten(prompt)
			ctx, span := t.Begin(ctx, tracing.Begin{
				Name: strings.TrimSpace(method + " " + tool + prompt), Kind: tracing.Server, Parent: metaParent(req),
				Attrs: []tracing.Attr{
					{Key: "mcp.method.name", Value: method}, {Key: "gen_ai.operation.name", Value: operation},
					{Key: "gen_ai.tool.name", Value: tool}, {Key: "gen_ai.prompt.name", Value: prompt}, {Key: "network.transport", Value: transport},
				},
			})
			result, err := next(ctx, method, req)
			failure, code := "", ""
			if rpc, ok := errors.AsType[*jsonrpc.Error](err); ok {
				code = strconv.FormatInt(rpc.Code, 10)
				failure = code
			} else if err != nil {
				failure = "_OTHER"
			} else if called, ok := result.(*mcp.CallToolResult); ok && called.IsError {
				failure = "tool_error"
			}
			span.End(failure, tracing.Attr{Key: "rpc.response.status_code", Value: code})
			return result, err
		}
	}
}

// shorten cuts a name that a client chooses, since it becomes that of a span.
func shorten(name string) string { return name[:min(len(name), 128)] }

// metaParent is the context that a message names in params._meta (MCP 2026-07-28,
// basic protocol, "OpenTelemetry trace context").
func metaParent(req mcp.Request) (p tracing.Parent) {
	params := req.GetParams()
	if v := reflect.ValueOf(params); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return p // of messages without params
	}
	meta := params.GetMeta()
	p.TraceParent, _ = meta["traceparent"].(string)
	p.TraceState, _ = meta["tracestate"].(string)
	return p
}

// trace has a server tell the tracer, if there is one, what it does.
func trace(o *fetchserver.Options, t *tracing.Tracer) {
	if t != nil {
		o.Trace = traceParts(t)
	}
}

// traceParts makes spans of the work on documents.
func traceParts(t *tracing.Tracer) func(context.Context, fetchserver.Part) (context.Context, func(fetchserver.PartEnd)) {
	return func(ctx context.Context, p fetchserver.Part) (context.Context, func(fetchserver.PartEnd)) {
		kind := tracing.Internal
		if p.Name == fetchserver.PartFetch || p.Name == fetchserver.PartRobots {
			kind = tracing.Client
		}
		host, port, err := net.SplitHostPort(p.Host)
		if err != nil {
			host, port = p.Host, ""
		}
		attrs := []tracing.Attr{
			{Key: "server.address", Value: host}, {Key: "url.scheme", Value: p.Scheme}, {Key: "fetchserver.content_type", Value: p.ContentType},
		}
		if n, err := strconv.Atoi(port); err == nil {
			attrs = append(attrs, tracing.Attr{Key: "server.port", Value: n})
		}
		ctx, span := t.Begin(ctx, tracing.Begin{Name: string(p.Name), Kind: kind, Attrs: attrs})
		return ctx, func(e fetchserver.PartEnd) {
			failure := string(e.Result)
			if e.Result == fetchserver.ResultOK || e.Result == fetchserver.ResultCancelled {
				failure = ""
			}
			ended := []tracing.Attr{{Key: "fetchserver.result", Value: string(e.Result)}, {Key: "fetchserver.reason", Value: string(e.Reason)}}
			if e.Status != 0 {
				ended = append(ended, tracing.Attr{Key: "http.response.status_code", Value: e.Status})
			}
			span.End(failure, ended...)
		}
	}
}

// routeOf is the path of a request for its span, if it is one that is served.
func (c *config) routeOf(r *http.Request) string {
	switch c.endpoint(r.URL.Path) {
	case "mcp":
		return c.path
	case "health":
		return r.URL.Path
	case "metadata":
		return "/.well-known"
	}
	return ""
}
