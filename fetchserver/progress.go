// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// maxSteps bounds the notifications of one call, whatever the origin does.
const maxSteps = 100

// progress tells the client of a call how it goes, if the client asked for it
// with a progress token (MCP specification, Progress).
type progress struct {
	session *mcp.ServerSession
	token   any
	total   int // 0 if not known

	mu    sync.Mutex
	steps int
}

func newProgress(req *mcp.CallToolRequest, total int) *progress {
	return &progress{session: req.Session, token: req.Params.GetProgressToken(), total: total}
}

func (p *progress) step(ctx context.Context, message string) {
	if p.token == nil {
		return
	}
	p.mu.Lock() // over the notification: progress must increase on the wire
	defer p.mu.Unlock()
	if p.steps++; p.steps > maxSteps {
		return
	}
	_ = p.session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
		ProgressToken: p.token,
		Progress:      float64(p.steps),
		Total:         float64(p.total),
		Message:       message,
	}) // a client that is gone ends ctx
}

// told are the stages that mean something to a client. The others show what
// the network around the server looks like.
var told = map[string]bool{
	"robots": true, "cache": true, "turn": true, "request": true, "redirect": true, "response": true, "render": true, "convert": true,
}

// reportStages makes the stages of the fetch in ctx the progress of the call,
// until the returned function is called.
func reportStages(ctx context.Context, req *mcp.CallToolRequest) (context.Context, func()) {
	p := newProgress(req, 0)
	if p.token == nil {
		return ctx, func() {}
	}
	var ended sync.Once
	over := make(chan struct{})
	traced := fetch.WithTrace(ctx, func(e fetch.Event) {
		select {
		case <-over: // what goes on for others does not concern this call
		default:
			if told[e.Stage] && e.Err == nil {
				p.step(ctx, e.Stage+": "+e.Detail)
			}
		}
	})
	return traced, func() { ended.Do(func() { close(over) }) }
}
