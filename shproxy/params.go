// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

const (
	// paramsAge is how long the proxy trusts what it knows of a server's
	// tools. A request that it would refuse, and the server's word that they
	// have changed, make it ask again at once.
	paramsAge = 5 * time.Minute
	// maxParamTables bounds the callers whose tools are known.
	maxParamTables = 1000
	// maxPages bounds the pages of one tools/list.
	maxPages = 100
)

// paramTables hold which parameters of which tools a client has to repeat in
// headers, for each caller, since servers may show callers different tools.
type paramTables struct {
	mu  sync.Mutex
	all map[string]paramTable // guarded by mu
}

type paramTable struct {
	params *mcpheader.Params
	at     time.Time
}

func (t *paramTables) get(principal string) (*mcpheader.Params, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.all[principal]
	return found.params, ok && time.Since(found.at) < paramsAge
}

// forget makes the next call of everybody ask again.
func (t *paramTables) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = nil
}

func (t *paramTables) set(principal string, params *mcpheader.Params) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[string]paramTable)
	}
	for other := range t.all {
		if len(t.all) < maxParamTables {
			break
		}
		delete(t.all, other)
	}
	t.all[principal] = paramTable{params, time.Now()}
}

// checkParams compares the Mcp-Param headers of a tools/call with its
// arguments, as far as the tool's schema asks for them.
func (p *Proxy) checkParams(r *http.Request, c session.Caller, frame []byte, m jsonrpc.Message) *problem {
	params, fresh := p.params.get(c.Key())
	if fresh && params.Check(r.Header, frame, m) == nil {
		return nil
	}
	params, err := p.fetchParams(r.Context(), c) // the tools may have changed
	if err != nil {
		return p.startProblem(err)
	}
	if err := params.Check(r.Header, frame, m); err != nil {
		return mismatch(err)
	}
	return nil
}

// fetchParams asks the server for its tools. A server that answers with an
// error has none that ask for headers; the error here is that it could not be
// asked.
func (p *Proxy) fetchParams(ctx context.Context, c session.Caller) (*mcpheader.Params, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.StartTimeout)
	defer cancel()
	params := &mcpheader.Params{}
	cursor, lasts := "", false // whether it will be the same the next time
	for range maxPages {
		f, err := p.listTools(ctx, c, cursor)
		if err != nil {
			return nil, err
		}
		if f.Cause != nil {
			defer f.Release()
			return nil, f.Cause
		}
		m, err := jsonrpc.Scan(f.Data)
		if err == nil {
			cursor, err = params.Add(f.Data, m)
		}
		lasts = err == nil || f.Code == jsonrpc.MethodNotFound
		f.Release()
		if err != nil || cursor == "" {
			break
		}
	}
	for tool, reason := range params.Invalid() {
		p.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the tool's x-mcp-header annotations are invalid; its headers are not checked",
			slog.String("server", p.server.Name), slog.String("tool", tool), slog.String("reason", reason))
	}
	if lasts {
		p.params.set(c.Key(), params)
	}
	return params, nil
}

// listTools asks for one page of the tools, as the caller would.
func (p *Proxy) listTools(ctx context.Context, c session.Caller, cursor string) (*session.Frame, error) {
	frame := []byte(`{"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":`)
	frame = c.Profile.AppendMeta(frame)
	if cursor != "" {
		frame = jsonrpc.AppendString(append(frame, `,"cursor":`...), cursor)
	}
	frame = append(frame, `}}`...)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		return nil, err
	}
	call, err := p.sessions.Call(c, frame, m, jsonrpc.Edit{}, false)
	if err != nil {
		return nil, err
	}
	return await(ctx, call)
}
