// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Since MCP 2026-07-28 there are neither sessions nor a handshake: a request
// says all that the server has to know. The requests of one principal go to
// one child, and to further ones only where a child could not tell whom its
// log messages are for.

const (
	// maxModern bounds the children of one principal.
	maxModern = 4
	// discoverTimeout is how long a server may take to answer
	// server/discover; one that is silent is taken to be legacy.
	discoverTimeout = 10 * time.Second
	// silence is how long an answer that never came counts as one, and
	// slowness how long, if the server may only be slow to start.
	silence  = time.Minute
	slowness = 5 * time.Second
)

const discoverFrame = `{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"shproxy","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`

// era is what is known of the server's protocol versions.
type era struct {
	turn    chan struct{} // has room for the one who finds out
	known   bool          // whether modern says something
	modern  bool
	expires time.Time // of knowledge that came from silence; zero if it lasts
}

// Modern reports whether the server speaks MCP 2026-07-28 or later. The first
// caller finds out by asking a child with his environment; the error tells why
// that failed.
func (m *Manager) Modern(ctx context.Context, env []string) (bool, error) {
	if known, is := m.knownEra(); known {
		return is, nil
	}
	select {
	case m.era.turn <- struct{}{}:
		defer func() { <-m.era.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if known, is := m.knownEra(); known {
		return is, nil
	}
	if err := ctx.Err(); err != nil { // the select takes either when both are there
		return false, err
	}
	return m.discover(ctx, env)
}

func (m *Manager) knownEra() (known, modern bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := &m.era
	return e.known && (e.expires.IsZero() || time.Now().Before(e.expires)), e.modern
}

func (m *Manager) setEra(modern bool, lasts time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.era.known, m.era.modern, m.era.expires = true, modern, time.Time{}
	if lasts > 0 {
		m.era.expires = time.Now().Add(lasts)
	}
}

// discover asks a fresh child, and keeps it if it turns out to be modern.
func (m *Manager) discover(ctx context.Context, env []string) (bool, error) {
	w := m.newWorker(modern, "", env)
	w.trial = true
	l, err := w.launch(ctx)
	if err != nil {
		w.giveUp(err)
		return false, err
	}
	limit, cancel := context.WithTimeout(w.ctx, min(discoverTimeout, m.cfg.StartTimeout))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	f, err := w.ask(limit, l, discoverFrame)
	no, refused := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		m.setEra(m.announced(f.Data), 0)
		f.Release()
	case ctx.Err() != nil: // who asked has left, and nothing was found out
	case refused && w.alive(l):
		is := no.code == jsonrpc.UnsupportedProtocolVersion || no.code == jsonrpc.MissingRequiredClientCapability || no.code == jsonrpc.HeaderMismatch
		lasts := time.Duration(0)
		if !is && len(env) > 0 && no.code != jsonrpc.MethodNotFound { // it may be for the sake of one caller
			lasts = silence
		}
		m.setEra(is, lasts)
	case w.alive(l) && !l.spoken() && !m.hasSpoken():
		m.setEra(false, slowness)
	case len(env) == 0 || w.alive(l): // it was silent, or ended, and not for the sake of one caller
		m.setEra(false, silence)
	}
	_, is := m.knownEra()
	m.log(slog.LevelDebug, "asked the server for its protocol versions", slog.Bool("modern", is))
	w.mu.Lock()
	defer w.mu.Unlock()
	if is && w.link == l {
		w.trial = false
		w.phase = ready
		if m.setSpare(w) {
			return true, nil
		}
	}
	w.close(errClosing)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return is, nil
}

// greetModern waits until a child answers at all. There is no handshake, but
// to know that it has started.
func (w *Worker) greetModern(ctx context.Context, l *link) error {
	f, err := w.ask(ctx, l, discoverFrame)
	if _, refused := errors.AsType[*refusal](err); refused {
		return nil
	}
	if err == nil {
		f.Release()
	}
	return err
}

// announced notes the versions in a DiscoverResult, and reports whether it is
// one: some servers answer whatever they are asked.
func (m *Manager) announced(frame []byte) bool {
	var answer struct {
		Result struct {
			SupportedVersions []string `json:"supportedVersions"`
		} `json:"result"`
	}
	if json.Unmarshal(frame, &answer) != nil {
		return false
	}
	for _, version := range answer.Result.SupportedVersions {
		m.speaks(version)
	}
	return len(answer.Result.SupportedVersions) > 0
}

// hasSpoken reports whether a child has agreed to a version before: then the
// server can start in time, and its silence says something.
func (m *Manager) hasSpoken() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.versions) > 0
}

// spoken reports whether the child has said anything.
func (l *link) spoken() bool {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.heard
}

func (w *Worker) alive(l *link) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link == l
}

// setSpare keeps a modern worker for the first principal with its environment.
// Its lock is held.
func (m *Manager) setSpare(w *Worker) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.spare != nil {
		return false
	}
	m.spare = w
	w.watch()
	return true
}

// Call sends a request of MCP 2026-07-28 to a child of the principal. The
// caller reads the call's stream; to leave it before the answer cancels the
// request. edit and events are those of [Session.Call].
func (m *Manager) Call(principal string, env []string, frame []byte, msg jsonrpc.Message, edit jsonrpc.Edit, events bool) (*Call, error) {
	if m.draining.Load() {
		return nil, ErrShutdown
	}
	logs := msg.LogLevel.Present()
	key := poolKey(m.cfg.Shared, principal, env)
	for {
		w, last, err := m.modernWorker(key, env, logs)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		if w.phase == closed && w.cause == ErrIdle || logs && w.logging > 0 && !last {
			w.mu.Unlock()
			continue // it ended or was taken just now; there will be another
		}
		w.principal = principal
		c := w.newCall(nil, nil, frame, msg)
		c.attended = events
		c.listen = jsonrpc.Is(frame, msg.Method, "subscriptions/listen")
		if !c.listen {
			c.limit()
		}
		if logs {
			c.logs = true
			w.logging++
		}
		if err := w.dispatch(c, frame, msg, edit); err != nil {
			c.forget()
			w.mu.Unlock()
			return nil, err
		}
		w.mu.Unlock()
		return c, nil
	}
}

// Post sends a notification of MCP 2026-07-28 to the principal's child, if
// there is one. Over HTTP no cancellation is expected, and none is passed on:
// its id would name the request of any client of the principal.
func (m *Manager) Post(principal string, env []string, frame []byte, msg jsonrpc.Message) error {
	if jsonrpc.Is(frame, msg.Method, "notifications/cancelled") {
		return nil
	}
	w := m.firstModern(poolKey(m.cfg.Shared, principal, env))
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.phase {
	case ready:
		return w.link.post(frame)
	case starting:
		return w.enqueue(nil, frame, msg, jsonrpc.Edit{})
	}
	return nil
}

// firstModern returns a worker of a pool, or nil.
func (m *Manager) firstModern(key string) *Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	if all := m.modern[key]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// modernWorker finds the worker of a pool, or makes one. A call that asks for
// log messages gets a worker with no other such call, as long as there may be
// more of them; last says that there may not.
func (m *Manager) modernWorker(key string, env []string, logs bool) (w *Worker, last bool, err error) {
	m.mu.Lock()
	all := m.modern[key]
	if len(all) > 0 && !logs {
		defer m.mu.Unlock()
		return all[0], false, nil
	}
	all = slices.Clone(all)
	m.mu.Unlock()
	for _, w := range all {
		if w.quiet() {
			return w, false, nil
		}
	}
	if len(all) >= maxModern {
		return all[0], true, nil // the log messages of its calls are dropped
	}
	w, err = m.addModern(key, env, len(all))
	return w, false, err
}

func (w *Worker) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logging == 0
}

// addModern makes a worker, unless somebody else has in the meantime.
func (m *Manager) addModern(key string, env []string, found int) (*Worker, error) {
	if err := m.makeRoom(); err != nil {
		return nil, err
	}
	w := m.takeSpare(env)
	if w == nil {
		w = m.takeWarm(env)
	}
	if w == nil {
		w = m.newWorker(modern, key, env)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind, w.key = modern, key
	if w.idle == nil {
		w.watch()
	}
	m.mu.Lock()
	all, closed := slices.Clone(m.modern[key]), m.closed
	if !closed && len(all) <= found {
		m.modern[key] = append(all, w)
	}
	m.mu.Unlock()
	switch {
	case closed:
		w.close(ErrShutdown)
		return nil, ErrShutdown
	case len(all) > found:
		w.close(errClosing)
		return all[len(all)-1], nil
	}
	return w, nil
}

func (m *Manager) takeSpare(env []string) *Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.spare
	if w == nil || !slices.Equal(w.env, env) {
		return nil
	}
	m.spare = nil
	return w
}

// subscription finds the id of a subscription in the answer to
// subscriptions/listen, where it stands for the call's. w.mu is held.
func (l *link) subscription(c *Call, frame []byte, m jsonrpc.Message) (jsonrpc.Span, bool) {
	if !c.listen {
		return jsonrpc.Span{}, false
	}
	meta, _ := jsonrpc.Lookup(frame, m.Result, "_meta")
	return jsonrpc.Lookup(frame, meta, jsonrpc.MetaSubscriptionID)
}

// receiveModern takes a notification to the call that it belongs to. w.mu is
// held.
func (l *link) receiveModern(frame []byte, m jsonrpc.Message, owned bool) {
	w := l.w
	switch {
	case m.Kind == jsonrpc.Request: // there are none in these versions
		l.refuseRequest(m.ID.Of(frame), jsonrpc.MethodNotFound, "a server must not send requests; see input_required")
	case m.SubscriptionID.Present():
		c := l.find(m.SubscriptionID.Of(frame))
		if c == nil || !c.listen {
			w.drop("a notification of no subscription", m.SubscriptionID.Of(frame))
			return
		}
		if tell := w.m.cfg.ToolsChanged; tell != nil && jsonrpc.Is(frame, m.Method, "notifications/tools/list_changed") {
			tell()
		}
		w.deliver(c.out, newFrame(frame, owned, jsonrpc.Edit{Span: m.SubscriptionID, With: c.id}))
	case jsonrpc.Is(frame, m.Method, "notifications/cancelled"):
		l.tornDown(frame, m, owned)
	default:
		switch c := l.only(jsonrpc.Is(frame, m.Method, "notifications/message")); {
		case c == nil:
			w.drop("nobody can be told whom "+jsonrpc.Text(m.Method.Of(frame))+" is for", nil)
		case !c.out.attended:
			w.drop(answerOnly, c.id)
		default:
			w.deliver(c.out, newFrame(frame, owned))
		}
	}
}

const answerOnly = "the client takes no more than the answer"

// tornDown ends a subscription that the server gave up. w.mu is held.
func (l *link) tornDown(frame []byte, m jsonrpc.Message, owned bool) {
	span, _ := jsonrpc.Lookup(frame, m.Params, "requestId")
	c := l.find(span.Of(frame))
	if c == nil || !c.listen {
		l.w.drop("a cancellation of no subscription", span.Of(frame))
		return
	}
	l.w.deliver(c.out, newFrame(frame, owned, jsonrpc.Edit{Span: span, With: c.id}))
	c.forget()
	c.out.end(nil)
}

// only returns the one call that a notification without an address can belong
// to, or nil. w.mu is held.
func (l *link) only(logs bool) (found *Call) {
	for _, c := range l.pending {
		if c.listen || logs && !c.logs {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}

// completeFrame is the graceful end of a subscription.
func completeFrame(c *Call) *Frame {
	return resultFrame(c.id, `{"resultType":"complete","_meta":{"`+jsonrpc.MetaSubscriptionID+`":`+string(c.id)+`}}`)
}

// poolKey names those who may share a child.
func poolKey(shared bool, principal string, env []string) string {
	if shared {
		principal = ""
	}
	var key strings.Builder
	key.WriteString(strconv.Quote(principal))
	for _, e := range env {
		key.WriteString(strconv.Quote(e))
	}
	return key.String()
}
