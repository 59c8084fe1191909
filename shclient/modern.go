// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

// exchangeModern posts a message of the modern era, which knows no sessions. A
// call whose headers the server refuses was not executed: it is posted once
// more if the list of tools, read again, asks for other headers (MCP
// 2026-07-28, Streamable HTTP, "Client Behavior").
func (r *remote) exchangeModern(ctx context.Context, m message, c *call, sent func()) error {
	if c == nil || m.method() != methodCallTool {
		header, _ := r.modernHeader(m)
		return r.onceModern(ctx, m, c, header, sent)
	}
	r.readTools(ctx, m)
	header, version := r.modernHeader(m)
	err := r.onceModern(ctx, m, c, header, sent)
	if answer, ok := errors.AsType[*rpcAnswer](err); !ok || answer.code() != jsonrpc.HeaderMismatch {
		return err
	}
	r.tools.doubt(version)
	r.readTools(ctx, m)
	better, _ := r.modernHeader(m)
	if maps.EqualFunc(header, better, slices.Equal) {
		return err
	}
	r.logger.LogAttrs(ctx, slog.LevelInfo, "the server's tools have other headers by now: calling again")
	return r.onceModern(ctx, m, c, better, sent)
}

// modernHeader repeats in the header what the body says, for those between us
// and the server who do not read bodies. version is that of the tools.
func (r *remote) modernHeader(m message) (h http.Header, version int) {
	h = http.Header{}
	mcpheader.Derive(h, m.frame, m.Message)
	return h, r.tools.derive(h, m)
}

func (r *remote) onceModern(ctx context.Context, m message, c *call, header http.Header, sent func()) error {
	req := r.newRequest(ctx, http.MethodPost, m.frame)
	maps.Copy(req.Header, header)
	resp, err := r.post(req, m, sent)
	if err != nil {
		return err
	}
	return r.receive(ctx, resp, c, sessionState{})
}
