// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// modernCall is a request of the client that is not answered.
type modernCall struct {
	id     []byte // the client's, raw
	born   uint64 // orders calls
	method string
	token  string // key of its progress token

	key    uint64        // the id that the server sees; 0 while it has not to answer
	frame  []byte        // what waits for initialize, or may be sent once more with input
	held   int           // bytes
	rounds int           // in which the server asked for input
	round  *inputRound   // the one that the client has to answer
	waits  *subscription // whose acknowledgement the call waits for
}

// admit takes a request into the tables, or answers it.
func (t *ToModern) admit(method string, frame []byte, m jsonrpc.Message, out *Output) *modernCall {
	id := m.ID.Of(frame)
	key := jsonrpc.Key(id)
	if t.byClient[key] != nil {
		out.client(refusal(id, jsonrpc.InvalidRequest, "a request with this id is in flight"), nil)
		return nil
	}
	t.born++
	c := &modernCall{id: bytes.Clone(id), born: t.born, method: method}
	if m.ProgressToken.Present() {
		c.token = jsonrpc.Key(m.ProgressToken.Of(frame))
	}
	if len(t.byClient) == mostCalls || !t.hold(&c.held, len(c.id)+len(c.method)+len(c.token)) {
		out.client(refusal(id, jsonrpc.InternalError, "too many requests are in flight"), nil)
		return nil
	}
	t.byClient[key] = c
	if c.token != "" {
		t.tokens[c.token] = c
	}
	return c
}

// forget removes a call from all tables.
func (t *ToModern) forget(c *modernCall) {
	delete(t.byClient, jsonrpc.Key(c.id))
	delete(t.calls, c.key)
	if c.token != "" && t.tokens[c.token] == c {
		delete(t.tokens, c.token)
	}
	if t.opening == c {
		t.opening = nil
	}
	if i := slices.Index(t.queue, c); i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
	}
	t.release(&c.held)
}

// fail answers a call with an error of ours.
func (t *ToModern) fail(c *modernCall, code int, text string, out *Output) {
	t.forget(c)
	out.client(refusal(c.id, code, text), nil)
}

// forward sends a request on.
func (t *ToModern) forward(method string, frame []byte, m jsonrpc.Message, out *Output) {
	if m.Params.Present() && frame[m.Params.Start] == '[' {
		out.client(refusal(m.ID.Of(frame), jsonrpc.InvalidParams, "params must be an object"), nil)
		return
	}
	c := t.admit(method, frame, m, out)
	if c == nil {
		return
	}
	id := t.nextID()
	down := t.down(id, frame, m)
	// Without a copy the server cannot ask for input, but may not want to.
	if MayBeAsked(method) && t.hold(&c.held, len(down)) {
		c.frame = down
	}
	t.send(c, id, down, out)
}

// Ping asks the server for a sign of life.
func (t *ToModern) Ping(id []byte, out *Output) {
	frame := ownRequest(0, "server/discover")
	if m, err := jsonrpc.Scan(frame); err == nil {
		frame = jsonrpc.AppendSplice(nil, frame, jsonrpc.Edit{Span: m.ID, With: id})
		if m, err = jsonrpc.Scan(frame); err == nil {
			t.forward("server/discover", frame, m, out)
		}
	}
}

// send sends a request whose id is the call's from now on.
func (t *ToModern) send(c *modernCall, id uint64, frame []byte, out *Output) {
	c.key = id
	t.calls[id] = c
	out.server(frame)
}

// cancel passes on that the client gives up a request.
func (t *ToModern) cancel(frame []byte, m jsonrpc.Message, out *Output) {
	span := lookup(frame, m.Params, "requestId")
	c := t.byClient[jsonrpc.Key(span.Of(frame))]
	if c == nil || c == t.opening { // legacy clients must not cancel initialize
		return
	}
	if c.key != 0 {
		out.server(jsonrpc.AppendSplice(nil, frame, jsonrpc.Edit{Span: span, With: strconv.AppendUint(nil, c.key, 10)}))
		delete(t.calls, c.key)
		c.key = 0
	}
	t.abandon(c, nil, out)
}

// abandon ends what is under way for a call, and forgets it. related is the
// id of the call if it is still to be answered.
func (t *ToModern) abandon(c *modernCall, related []byte, out *Output) {
	if c.key != 0 {
		out.server(cancelled(strconv.AppendUint(nil, c.key, 10)))
	}
	if c.round != nil {
		t.withdraw(c, related, out)
	}
	if c.waits != nil {
		t.stopWaiting(c, out)
	}
	t.forget(c)
}

// cancelled is a notification of either side; id is raw JSON.
func cancelled(id []byte) []byte {
	return notification("notifications/cancelled", `{"requestId":`+string(id)+`}`)
}
