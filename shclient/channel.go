// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// endpointTimeout bounds the wait for the first event of an HTTP+SSE stream.
const endpointTimeout = 10 * time.Second

// maxAddress is how many bytes the address in that event may have.
const maxAddress = 8 << 10

// channel is a session of the HTTP+SSE transport of MCP 2024-11-05 ("HTTP with
// SSE"): one stream for all that the server says, and the address of what it
// is told. The session lasts as long as the stream.
type channel struct {
	address *url.URL // holds the session's secret
	close   context.CancelFunc
	ended   chan struct{} // closed after the last message is delivered
	err     error         // why it ended; set before ended is closed
}

func (ch *channel) hasEnded() bool {
	select {
	case <-ch.ended:
		return true
	default:
		return false
	}
}

// wait waits for the answer to a request that the server has taken.
func (ch *channel) wait(ctx context.Context, c *call) error {
	select {
	case <-c.done:
		return nil
	case <-ch.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.answered.Load() {
		return nil
	}
	return ch.err
}

// open carries an initialize, and learns from the response to it which
// transport the server speaks: one that refuses the POST may be of 2024-11-05
// (MCP 2025-11-25, Transports, "Backwards Compatibility"), and is asked so for
// the rest of the run, unless it turns out to be another by now.
func (r *remote) open(ctx context.Context, m message, c *call) error {
	var refused error
	if !r.session.isOld() {
		resp, err := r.post(r.request(ctx, m, sessionState{}), m, func() {})
		if err != nil {
			return err
		}
		err = r.receive(ctx, resp, c, sessionState{})
		if err == nil || !refusesPost(resp.StatusCode, err, m) {
			return err
		}
		refused = err
	}
	ch, err := r.connect(ctx, c)
	r.session.setOld(err == nil)
	if err != nil {
		return r.neither(refused, err)
	}
	c.channel = ch
	err = r.once(ctx, m, c, sessionState{channel: ch}, func() {})
	if r.session.state().channel != ch {
		ch.close() // the server refused
	}
	return err
}

// refusesPost reports whether a server that failed initialize with err may be
// one of HTTP+SSE. Not so one that shows by its error that it has read the
// message, or that it is modern.
func refusesPost(status int, err error, m message) bool {
	answer, ok := errors.AsType[*rpcAnswer](err)
	switch {
	case status == http.StatusMethodNotAllowed:
		return true
	case status != http.StatusBadRequest && status != http.StatusNotFound:
		return false
	case !ok:
		return true
	}
	switch answer.code() {
	case jsonrpc.HeaderMismatch, jsonrpc.MissingRequiredClientCapability, jsonrpc.UnsupportedProtocolVersion, jsonrpc.MethodNotFound:
		return false
	}
	return jsonrpc.Key(answer.id()) != jsonrpc.Key(m.id())
}

// neither puts the failures of both transports into one error. refused is what
// came of the POST, or nil if there was none.
func (r *remote) neither(refused, err error) error {
	_, local := errors.AsType[localError](err)
	_, login := errors.AsType[*AuthError](err)
	if local || login || refused == nil {
		return err
	}
	status, ok := errors.AsType[*StatusError](refused)
	if !ok {
		return refused
	}
	both := *status
	both.Detail = strings.TrimPrefix(both.Detail+"; HTTP+SSE of 2024-11-05 was tried, too: "+r.text(err), "; ")
	return &both
}

// connect opens a channel, on which c is going to be the first call.
func (r *remote) connect(ctx context.Context, c *call) (*channel, error) {
	life, end := context.WithCancel(r.ctx)
	detach := context.AfterFunc(ctx, end)
	defer detach()
	life, limit := withDeadline(life, endpointTimeout)
	defer limit.stop()
	resp, err := r.get(life, sessionState{}, "")
	if err != nil {
		end()
		return nil, slow(life, err)
	}
	events := sse.NewReader(resp.Body, r.limits.MaxMessageBytes+eventOverhead)
	address, err := r.readAddress(resp, events)
	if err != nil {
		resp.Body.Close()
		end()
		return nil, slow(life, err)
	}
	ch := &channel{address: address, close: end, ended: make(chan struct{})}
	r.tasks.Go(func() {
		defer resp.Body.Close()
		r.attend(ch, events, c)
	})
	return ch, nil
}

// slow tells a server that kept silent from one that failed.
func slow(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTooSlow) {
		return fmt.Errorf("no endpoint event within %s", endpointTimeout)
	}
	return err
}

// readAddress reads the first event of a stream, which has to be the endpoint
// event.
func (r *remote) readAddress(resp *http.Response, events *sse.Reader) (*url.URL, error) {
	if !isStream(resp) {
		return nil, newStatusError(r.name(), resp)
	}
	event, err := events.Next()
	switch {
	case err != nil:
		return nil, errors.New("the stream ended before an endpoint event")
	case event.Type != "endpoint":
		return nil, errors.New("the stream does not begin with an endpoint event")
	}
	base := r.url
	if resp.Request != nil {
		base = resp.Request.URL // after redirects
	}
	address, err := base.Parse(string(event.Data))
	switch {
	case err != nil, len(event.Data) > maxAddress:
		return nil, localError("the server's endpoint event holds no usable URL")
	case origin(address) != origin(r.url):
		return nil, localError("the server wants messages to be sent to " + oneLine(origin(address)) + ", which is another server: refused")
	case address.User != nil:
		return nil, localError("the server's endpoint event holds a user name: refused")
	}
	return address, nil
}

// attend takes what the server sends on a channel until it ends, and then
// opens another if this one was in use.
func (r *remote) attend(ch *channel, events *sse.Reader, c *call) {
	var cur cursor
	err := r.readChannel(ch, events, c, &cur)
	cur.note(events)
	ch.err = localError(r.name() + ": the stream of the session ended before the answer came")
	if isFinal(err) {
		ch.err = err
	}
	ch.close()
	close(ch.ended)
	r.reopen(ch, &cur)
}

// readChannel takes messages until the stream ends. c is the initialize that
// opened the channel; once it is answered its id may belong to another call.
func (r *remote) readChannel(ch *channel, events *sse.Reader, c *call, cur *cursor) error {
	for {
		m, err := r.nextMessage(events, cur)
		if err != nil {
			return err
		}
		if c != nil && c.answered.Load() {
			c = nil
		}
		r.incoming(c, m, r.session.generationOf(ch))
	}
}

// reopen renews the session of a channel that broke, so that the server can
// reach the client. A message of the client does not wait for it.
func (r *remote) reopen(ch *channel, cur *cursor) {
	now := r.session.state()
	if now.channel != ch {
		return // it was ended on purpose
	}
	cur.retry = max(cur.retry, defaultRetry) // an initialize is not cheap
	for ; sleep(r.ctx, cur.pause()); cur.fails++ {
		err := r.renew(r.ctx, now.generation)
		if err == nil {
			return
		}
		r.debug(r.ctx, "session not renewed", r.text(err))
		if _, login := errors.AsType[*AuthError](err); login {
			return // nobody is bothered with logins in the background
		}
	}
}
