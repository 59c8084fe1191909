// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

const (
	// toolsTimeout bounds the reading of the whole list of tools.
	toolsTimeout = 10 * time.Second

	// maxToolPages is how many pages are read.
	maxToolPages = 1000
)

// toolTable knows which arguments of the server's tools have to be repeated in
// headers (MCP 2026-07-28, Streamable HTTP, "Custom Headers from Tool
// Parameters"). It learns that from the lists that the client asks for, and
// the bridge asks itself when a call comes first. It is safe for concurrent use.
type toolTable struct {
	reading chan struct{} // a lock that can be waited for with a context

	mu       sync.Mutex // guards the rest
	params   mcpheader.Params
	next     string // the cursor of the page that may complete the list
	complete bool   // every tool was seen, or nothing can be done about it
	version  int    // counts the changes of params
}

// derive sets the headers of a call. It returns the version that they are from.
func (t *toolTable) derive(h http.Header, m message) (version int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.params.Derive(h, m.frame, m.Message)
	return t.version
}

// learn takes a page of the list: m answers the request for it with cursor.
func (t *toolTable) learn(cursor string, m message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	next, err := t.params.Add(m.frame, m.Message)
	if err != nil {
		return err
	}
	if cursor == "" || cursor == t.next {
		t.next = next
		t.complete = t.complete || next == ""
	}
	return nil
}

// forget makes the next call read the list.
func (t *toolTable) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reset()
}

// doubt is forget, unless something was learned since version.
func (t *toolTable) doubt(version int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version == version {
		t.reset()
	}
}

func (t *toolTable) reset() {
	t.params, t.next, t.complete = mcpheader.Params{}, "", false
	t.version++
}

func (t *toolTable) isComplete() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.complete
}

// makeDo keeps calls from reading the list again, whatever came of it. If that
// is wrong a call will be refused, and doubt the list.
func (t *toolTable) makeDo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.complete = true
}

// learn reads what answers c, a request for the list of tools of the modern
// era, and returns it without the tools whose annotations are invalid.
func (r *remote) learn(c *call, m message) message {
	if m.Error.Present() {
		return m
	}
	if err := r.tools.learn(c.request.param("cursor"), m); err != nil {
		r.logger.LogAttrs(r.ctx, slog.LevelWarn, "tools not understood: calls have no Mcp-Param headers", slog.String("error", err.Error()))
		return m
	}
	if c.hidden {
		return m
	}
	var page mcpheader.Params
	_, _ = page.Add(m.frame, m.Message) // it was added before
	valid := m
	for tool, reason := range page.Invalid() {
		r.logger.LogAttrs(r.ctx, slog.LevelWarn, "tool left out of the list",
			slog.String("tool", oneLine(tool)), slog.String("reason", reason))
		if &valid.frame[0] == &m.frame[0] {
			valid, _ = scan(mcpheader.AppendValid(nil, m.frame, m.Message))
		}
	}
	return valid
}

// readTools reads the list of tools if there may be one that was not seen, on
// behalf of the call m. A server that does not list its tools is called anyway.
func (r *remote) readTools(ctx context.Context, m message) {
	if r.tools.isComplete() {
		return
	}
	select {
	case r.tools.reading <- struct{}{}:
		defer func() { <-r.tools.reading }()
	case <-ctx.Done():
		return
	}
	if r.tools.isComplete() {
		return // somebody else has read it
	}
	err := r.listTools(ctx, m)
	switch {
	case ctx.Err() != nil:
		return // the next call tries again
	case err != nil:
		r.logger.LogAttrs(ctx, slog.LevelInfo, "list of tools not read", slog.String("error", r.text(err)))
	}
	r.tools.makeDo()
}

// listTools asks for the list of tools, page by page, as the client that sent m
// would. What it says is learned when it arrives.
func (r *remote) listTools(ctx context.Context, m message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, limit := withDeadline(ctx, toolsTimeout)
	defer limit.stop()
	cursor := ""
	for page := range maxToolPages {
		frame := appendListTools(nil, page, cursor, m)
		next, err := r.listPage(ctx, frame)
		switch {
		case errors.Is(context.Cause(ctx), errTooSlow):
			return fmt.Errorf("no list of tools within %s", toolsTimeout)
		case err != nil || next == "":
			return err
		}
		cursor = next
	}
	return fmt.Errorf("more than %d pages of tools", maxToolPages)
}

func (r *remote) listPage(ctx context.Context, frame []byte) (next string, err error) {
	m, err := scan(frame)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newHiddenCall(m, cancel)
	header, _ := r.modernHeader(m)
	if err := r.onceModern(ctx, m, c, header, func() {}); err != nil {
		return "", err
	}
	if err := c.failure(); err != nil {
		return "", err
	}
	span, _ := jsonrpc.Lookup(c.result.frame, c.result.Result, "nextCursor")
	return jsonrpc.Text(span.Of(c.result.frame)), nil
}

// appendListTools appends a request for a page of the list, with what m says
// about its client. Progress and log messages would find nobody who waits for
// them.
func appendListTools(dst []byte, page int, cursor string, m message) []byte {
	dst = fmt.Appendf(dst, `{"jsonrpc":"2.0","id":"shclient-tools-%d","method":"tools/list","params":{`, page)
	if cursor != "" {
		dst = append(dst, `"cursor":`...)
		dst = append(jsonrpc.AppendString(dst, cursor), ',')
	}
	dst = append(dst, `"_meta":{`...)
	comma := ""
	for name, value := range jsonrpc.Members(m.frame, m.Meta) {
		if value == m.ProgressToken || value == m.LogLevel {
			continue
		}
		dst = append(dst, comma...)
		dst = append(append(append(dst, name.Of(m.frame)...), ':'), value.Of(m.frame)...)
		comma = ","
	}
	return append(dst, `}}}`...)
}
