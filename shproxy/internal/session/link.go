// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// link is the conversation with one child, from its start to its end. It
// gives each request an id of its own and knows who waits for the answer.
// Everything is guarded by the worker's lock.
type link struct {
	w       *Worker
	child   *child.Child
	born    time.Time
	starter string // whose place among those that are starting it has
	counted bool   // among those
	silent  *time.Timer
	lastKey uint64
	pending map[uint64]*Call
	tokens  map[string]*Call // by progress token as the child sees it
	left    leftCalls
	givenUp bool // a call was given up before it was answered

	heard   bool // the child has said something valid
	stopped bool // we ended it
	over    bool // the child says nothing any more

	era     era.Translator // nil if the child speaks as its clients do
	process string         // names the conversation in a requestState
	refused []byte         // the child's answer to initialize, after which it was tried in the modern era
	alarm   *time.Timer    // for the translator, at due
	due     time.Time
}

// maxEdits is how many spans of one request are replaced: id, progress token,
// trace context.
const maxEdits = 3

// send passes a request on, under an id of the link's. Edits are further
// changes to it. w.mu is held.
func (l *link) send(c *Call, frame []byte, m jsonrpc.Message, edit jsonrpc.Edit) error {
	if l.era != nil && edit.With != nil { // a translator has to know what else is in the message
		var err error
		frame = jsonrpc.AppendSplice(nil, frame, edit)
		if m, err = jsonrpc.Scan(frame); err != nil {
			return err
		}
		edit = jsonrpc.Edit{}
	}
	l.lastKey++
	c.l, c.key = l, l.lastKey
	var digits [20]byte
	var all [maxEdits]jsonrpc.Edit
	edits := append(all[:0], jsonrpc.Edit{Span: m.ID, With: strconv.AppendUint(digits[:0], c.key, 10)})
	if m.ProgressToken.Present() {
		if replaced := l.claimToken(c, m.ProgressToken.Of(frame)); replaced != nil {
			edits = append(edits, jsonrpc.Edit{Span: m.ProgressToken, With: replaced})
		}
	}
	if edit.With != nil {
		edits = append(edits, edit)
	}
	l.pending[c.key] = c
	c.end = notWritten
	key := c.key // a translator may answer at once, after which c is not ours
	var end int64
	var err error
	if l.era != nil && c.ours && jsonrpc.Is(frame, m.Method, "ping") {
		end, err = l.ping(c)
	} else {
		end, err = l.queue(frame, m, inOrder(edits)...)
	}
	if err != nil && l.pending[key] == c {
		l.unsent(c)
		return err
	}
	if l.pending[key] == c {
		c.end = end
	}
	return nil
}

// queue passes a message on, translated if need be, with edits of members that
// m names. It returns the position in the child's input behind it. w.mu is held.
func (l *link) queue(frame []byte, m jsonrpc.Message, edits ...jsonrpc.Edit) (end int64, err error) {
	if l.era != nil {
		return l.translate(frame, m, edits...)
	}
	return l.child.Queue(frame, edits...)
}

// unsent takes a call out of the tables that the child did not get. w.mu is
// held.
func (l *link) unsent(c *Call) {
	if l.era != nil {
		l.unsend(c.key)
	}
	delete(l.pending, c.key)
	if c.token != "" {
		delete(l.tokens, c.token)
		c.token = ""
	}
	c.l = nil
}

// post passes a notification or a response on. w.mu is held.
func (l *link) post(frame []byte, edits ...jsonrpc.Edit) error {
	var m jsonrpc.Message
	if l.era != nil {
		var err error
		if m, err = jsonrpc.Scan(frame); err != nil {
			return err
		}
	}
	_, err := l.queue(frame, m, edits...)
	return err
}

// cancel tells the child that nobody waits for an answer. w.mu is held.
func (l *link) cancel(key uint64, reason string) {
	frame := append([]byte(nil), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`...)
	frame = strconv.AppendUint(frame, key, 10)
	frame = append(frame, `,"reason":`...)
	frame = jsonrpc.AppendString(frame, reason)
	_ = l.post(append(frame, `}}`...)) // if it cannot be sent, the answer is dropped all the same
}

// find returns the call in flight with the id that the child uses, or nil.
// w.mu is held.
func (l *link) find(id []byte) *Call {
	key, err := strconv.ParseUint(string(id), 10, 64)
	if err != nil {
		return nil
	}
	return l.pending[key]
}

// written reports whether the child may have read the whole request.
func (l *link) written(c *Call) bool { return c.end <= l.child.Written() }

// stop ends the child. w.mu is held.
func (l *link) stop() {
	l.stopped = true
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.child.Stop()
}

// Receive takes one message of the child.
func (l *link) Receive(frame []byte, m jsonrpc.Message, owned bool) {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if !l.heard {
		w.m.spoke(l)
	}
	switch {
	case w.link != l:
	case l.era != nil:
		l.translateUp(frame, m, owned)
	default:
		l.take(frame, m, owned, nil)
	}
}

// take takes one message in the era of the clients. related is the id of the
// request that it belongs to, if that is known. w.mu is held.
func (l *link) take(frame []byte, m jsonrpc.Message, owned bool, related []byte) {
	w := l.w
	switch {
	case m.Kind == jsonrpc.Response:
		l.answer(frame, m, owned)
	case m.Kind == jsonrpc.Notification && jsonrpc.Is(frame, m.Method, "notifications/progress"):
		l.progress(frame, m, owned)
	case w.kind == modern:
		l.receiveModern(frame, m, owned, related)
	case w.kind == shared:
		l.receiveShared(frame, m, owned)
	case len(w.sessions) == 0: // a warm child
		if m.Kind == jsonrpc.Request {
			l.refuseRequest(m.ID.Of(frame), jsonrpc.InternalError, "no client is there yet")
		}
	default:
		for s := range w.sessions { // there is just one
			s.receive(l, frame, m, owned, related)
		}
	}
}

// maxJudged bounds the results that are looked into to count failed tools.
const maxJudged = 16 << 10

// answer ends the call that the response belongs to. w.mu is held.
func (l *link) answer(frame []byte, m jsonrpc.Message, owned bool) {
	c := l.find(m.ID.Of(frame))
	if c == nil {
		if key, err := strconv.ParseUint(string(m.ID.Of(frame)), 10, 64); err != nil || !l.left.answered(key) {
			l.w.drop("an answer to no request in flight", m.ID.Of(frame))
		}
		return
	}
	edits := make([]jsonrpc.Edit, 0, maxEdits)
	if c.initialize && c.s != nil {
		if m.Error.Present() && l.tryModern(c, frame) {
			return
		}
		if l.refused != nil && m.Error.Present() { // what it said in its own era is closer to the truth
			frame, owned = l.refused, false
			m, _ = jsonrpc.Scan(frame)
		}
		edits = append(edits, l.agreed(c.s, frame, m)...)
	}
	// The frame may be changed in place, so it is read before.
	code, toolError := 0, false
	switch {
	case m.Error.Present():
		code = errorCode(frame, m)
	case c.tool && len(frame) <= maxJudged:
		isError, _ := jsonrpc.Lookup(frame, m.Result, "isError")
		toolError = string(isError.Of(frame)) == "true"
	}
	edits = append(edits, jsonrpc.Edit{Span: m.ID, With: c.id})
	if span, ok := l.subscription(c, frame, m); ok {
		edits = append(edits, jsonrpc.Edit{Span: span, With: c.id})
	}
	f := newFrame(frame, owned, inOrder(edits)...)
	f.Code, f.ToolError = code, toolError
	c.finish(f)
}

// agreed notes the protocol version in the answer to initialize, and returns
// the edit that makes it one that the client knows. w.mu is held.
func (l *link) agreed(s *Session, frame []byte, m jsonrpc.Message) []jsonrpc.Edit {
	span, ok := jsonrpc.Lookup(frame, m.Result, "protocolVersion")
	if !ok {
		return nil
	}
	answered := jsonrpc.Text(span.Of(frame))
	s.version = era.Agree(s.offered, answered)
	if l.refused != nil {
		l.w.m.setModernOnly(true)
	}
	l.w.m.speaks(answered)
	if s.version == answered {
		return nil
	}
	return []jsonrpc.Edit{{Span: span, With: jsonrpc.AppendString(nil, s.version)}}
}

func errorCode(frame []byte, m jsonrpc.Message) int {
	if code, ok := jsonrpc.ErrorCode(frame, m); ok {
		return code
	}
	return jsonrpc.InternalError
}

// progress goes to the stream of the call that named its token. w.mu is held.
func (l *link) progress(frame []byte, m jsonrpc.Message, owned bool) {
	span, _ := jsonrpc.Lookup(frame, m.Params, "progressToken")
	token := span.Of(frame)
	c := l.tokens[jsonrpc.Key(token)]
	if c == nil {
		l.w.drop("progress of no request in flight", token)
		return
	}
	if c.ownToken != nil {
		token = c.ownToken
	}
	out := c.out
	if !out.attended && out.number == 0 {
		if c.s == nil {
			l.w.drop(answerOnly, token)
			return
		}
		out = &c.s.stream
	}
	l.w.deliver(out, newFrame(frame, owned, jsonrpc.Edit{Span: span, With: token}))
}

// Broken fails the call whose answer was unreadable, or every call in flight
// if it is not known which one it was.
func (l *link) Broken(id []byte, reason error) {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link != l {
		return
	}
	err := w.m.serverError("sent an unusable answer: %w", reason)
	switch {
	case id == nil:
	case l.era != nil: // which knows whose answer it was
		frame := jsonrpc.AppendError(nil, id, jsonrpc.InternalError, err.Error(), nil)
		if m, err := jsonrpc.Scan(frame); err == nil {
			l.translateUp(frame, m, false)
		}
		return
	default:
		if c := l.find(id); c != nil {
			c.fail(err, nil)
		}
		return
	}
	for _, c := range l.pending {
		c.fail(err, nil)
	}
}

// Closed is the end of the conversation with a child that runs on.
func (l *link) Closed(err *child.ExitError) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.lost(l, err)
}

// Exited is the child's last call.
func (l *link) Exited(err *child.ExitError) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.m.childEnded(l)
	l.w.lost(l, err)
}

var _ child.Receiver = (*link)(nil)

func inOrder(edits []jsonrpc.Edit) []jsonrpc.Edit {
	if len(edits) > 1 {
		slices.SortFunc(edits, func(a, b jsonrpc.Edit) int { return cmp.Compare(a.Span.Start, b.Span.Start) })
	}
	return edits
}
