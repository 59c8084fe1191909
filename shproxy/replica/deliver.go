// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	// lateTime is how long a request is passed on whose client has left.
	lateTime = 5 * time.Second
	// flushTime is what the system may need to take a request that was written.
	flushTime = 250 * time.Millisecond
)

// deliver returns a context to pass a request on with, and what ends it. A
// client that sends a request and leaves at once has said what it wanted: the
// owner would take it as well. So the connection to the owner is not closed
// before the request was written. It is then, for the owner to learn that nobody
// waits for the answer to a call; what has no answer to wait for gets the time
// that it needs.
func deliver(r *http.Request) (context.Context, func()) {
	client := r.Context()
	if r.Method == http.MethodGet { // which asks for nothing but the answer
		return context.WithCancel(client)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(client))
	var once sync.Once
	var when time.Time
	written := make(chan struct{})
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil { // it may be written again otherwise
			once.Do(func() {
				when = time.Now()
				close(written)
			})
		}
	}})
	ended := make(chan struct{})
	stop := context.AfterFunc(client, func() {
		defer close(ended)
		defer cancel()
		late := time.NewTimer(lateTime)
		defer late.Stop()
		if isCall(r) {
			select {
			case <-written:
				late.Reset(time.Until(when.Add(flushTime))) // the trace comes a little early
			case <-late.C:
				return
			case <-ctx.Done():
			}
		}
		select {
		case <-late.C:
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		if !stop() {
			<-ended // since whoever has the body may use it for something else
		}
	}
}

// isCall reports whether a request wants an answer. One that is too long to be
// held is taken for one.
func isCall(r *http.Request) bool {
	if r.Method != http.MethodPost || r.GetBody == nil {
		return r.Method == http.MethodPost
	}
	body, _ := r.GetBody()
	frame, _ := io.ReadAll(body) // from memory
	if m, err := jsonrpc.Scan(frame); err == nil {
		return m.Kind == jsonrpc.Request
	}
	batch, _ := jsonrpc.Elements(frame)
	for _, element := range batch {
		if m, err := jsonrpc.Scan(element.Of(frame)); err == nil && m.Kind == jsonrpc.Request {
			return true
		}
	}
	return false
}
