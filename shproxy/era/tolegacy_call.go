// SPDX-License-Identifier: Apache-2.0

package era

import (
	"bytes"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// legacyCall is a request that the server has not answered, or whose answer
// the client has not fetched.
type legacyCall struct {
	key    uint64 // the id that the server sees, and the progress token if there is one
	id     []byte // the client's, raw; nil while no request of its own is in flight
	traits traits
	level  int    // severity of the log messages that the client asked for
	shown  []byte // the progress token of the client's request in flight, raw

	frame    []byte // what the server was sent, if it may ask something
	prepared []byte // inputResponses that came with it, raw
	talk     *talk  // once the server has asked something
	missing  string // the capability of the client that the server would have needed, as raw JSON

	ping bool   // the answer passes as it is
	own  answer // takes the answer to a request of ours

	held int // bytes
}

// answer takes what the server answers to a request of ours.
type answer func(now time.Time, frame []byte, m jsonrpc.Message, out *Output)

// forward sends a request on.
func (t *ToLegacy) forward(now time.Time, frame []byte, m jsonrpc.Message, traits traits, out *Output) {
	c := t.newCall()
	c.traits = traits
	t.attach(c, frame, m)
	if c.level > 0 {
		t.setLevel(c.level, out)
	}
	down := down(c.key, frame, m, traits.asks, out)
	if traits.asks {
		t.askable[c.key] = c
		t.prepare(c, down, frame, m)
	}
	if c.frame != nil && len(t.orphans) > 0 {
		t.askFirst(now, c, out)
		return
	}
	out.server(down)
}

// prepare keeps what is needed to let the server ask something. Where that is
// too much, the server cannot, but may not want to.
func (t *ToLegacy) prepare(c *legacyCall, down, frame []byte, m jsonrpc.Message) {
	if !t.asks {
		return
	}
	var responses []byte
	if hasRetry(frame) {
		responses = lookup(frame, m.Params, memberResponses).Of(frame)
	}
	if t.fits(len(down) + len(responses)) {
		c.frame, c.prepared = bytes.Clone(down), bytes.Clone(responses)
		t.weigh(c)
	}
}

// nextID is an id that the server has not seen.
func (t *ToLegacy) nextID() uint64 {
	t.last++
	return t.last
}

func (t *ToLegacy) newCall() *legacyCall {
	c := &legacyCall{key: t.nextID()}
	t.calls[c.key] = c
	return c
}

// attach makes a request of the client the one that the call answers.
func (t *ToLegacy) attach(c *legacyCall, frame []byte, m jsonrpc.Message) {
	c.id = bytes.Clone(m.ID.Of(frame))
	if c.level = severity(jsonrpc.Text(m.LogLevel.Of(frame))); c.level > 0 {
		t.logging++
	}
	if hasToken(frame, m) {
		c.shown = bytes.Clone(m.ProgressToken.Of(frame))
	}
	t.byClient[jsonrpc.Key(c.id)] = c
	t.weigh(c)
}

// detach leaves the call without a request of the client.
func (t *ToLegacy) detach(c *legacyCall) {
	delete(t.byClient, jsonrpc.Key(c.id))
	if c.level > 0 {
		t.logging--
	}
	c.id, c.shown, c.level = nil, nil, 0
	t.weigh(c)
}

// forget removes a call from all tables.
func (t *ToLegacy) forget(c *legacyCall) {
	if c.id != nil {
		t.detach(c)
	}
	delete(t.calls, c.key)
	delete(t.askable, c.key)
	delete(t.asking, c.key)
	delete(t.parked, c.key)
	t.held -= c.held
	c.held = 0
}

// rename gives a call that is made again an id that the server does not know.
func (t *ToLegacy) rename(c *legacyCall) {
	delete(t.calls, c.key)
	delete(t.askable, c.key)
	c.key = t.nextID()
	t.calls[c.key], t.askable[c.key] = c, c
	m, _ := jsonrpc.Scan(c.frame)
	id := strconv.AppendUint(nil, c.key, 10)
	edits := []jsonrpc.Edit{{Span: m.ID, With: id}}
	if hasToken(c.frame, m) {
		edits = append(edits, jsonrpc.Edit{Span: m.ProgressToken, With: id})
	}
	c.frame = splice(c.frame, edits)
	t.weigh(c)
}

// fits reports whether n more bytes may be kept.
func (t *ToLegacy) fits(n int) bool { return t.held+n <= t.cfg.MaxHeld }

// weigh accounts for what is kept with a call that has changed.
func (t *ToLegacy) weigh(c *legacyCall) {
	n := len(c.id) + len(c.shown) + len(c.frame) + len(c.prepared)
	if k := c.talk; k != nil {
		n += len(k.answer) + weight(k.open)
	}
	t.held += n - c.held
	c.held = n
}

const memberToken = "progressToken"

// hasToken reports whether a request has a progress token. Like the id, the
// server sees one of ours: a client may use its own again while the server is
// still at work for it.
func hasToken(frame []byte, m jsonrpc.Message) bool {
	token := m.ProgressToken.Of(frame)
	return len(token) > 0 && (token[0] == '"' || token[0] == '-' || token[0] >= '0' && token[0] <= '9')
}

// down is a request as the server sees it; retry says that members of a retry
// are not the server's.
func down(key uint64, frame []byte, m jsonrpc.Message, retry bool, out *Output) []byte {
	id := strconv.AppendUint(nil, key, 10)
	var room [8]jsonrpc.Edit
	edits := legacyMeta(append(room[:0], jsonrpc.Edit{Span: m.ID, With: id}), frame, m)
	if hasToken(frame, m) {
		edits = append(edits, jsonrpc.Edit{Span: m.ProgressToken, With: id})
	}
	if retry && hasRetry(frame) {
		edits, _ = cut(edits, frame, m.Params, func(name, _ jsonrpc.Span) bool {
			return jsonrpc.Is(frame, name, memberState) || jsonrpc.Is(frame, name, memberResponses)
		})
	}
	return out.splice(frame, edits)
}

// legacyMeta appends the edits that take out of _meta, if there is one, what a
// legacy server learns by initialize.
func legacyMeta(edits []jsonrpc.Edit, frame []byte, m jsonrpc.Message) []jsonrpc.Edit {
	edits, _ = cut(edits, frame, m.Meta, func(name, _ jsonrpc.Span) bool { return isOurs(frame, name) })
	return edits
}

// hasRetry reports whether a frame may have members of a retry.
func hasRetry(frame []byte) bool {
	return bytes.Contains(frame, []byte(memberState)) || bytes.Contains(frame, []byte(memberResponses))
}

// ask sends a request of ours, and returns its id; params is raw JSON.
func (t *ToLegacy) ask(method, params string, take answer, out *Output) uint64 {
	c := t.newCall()
	c.own = take
	out.server(request(c.key, method, params))
	return c.key
}

// tell sends a request of ours whose answer is nothing to us.
func (t *ToLegacy) tell(method, params string, out *Output) {
	out.server(request(t.nextID(), method, params))
}

// request is one of ours; params is raw JSON.
func request(id uint64, method, params string) []byte {
	frame := append([]byte(nil), `{"jsonrpc":"2.0","id":`...)
	frame = strconv.AppendUint(frame, id, 10)
	return append(frame, `,"method":"`+method+`","params":`+params+`}`...)
}
