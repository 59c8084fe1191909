// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const legacyVersion = "2025-11-25"

// A sojourn is one session of a visitor.
type sojourn struct {
	*visitor
	ctx     context.Context // of the session
	nonce   string
	id      string
	owner   string // the replica that the id names
	journal journal
	streams sync.WaitGroup
	answers sync.WaitGroup
	leave   context.CancelFunc // closes the streams
	primed  chan struct{}      // closed once the standalone stream can be resumed

	mu       sync.Mutex
	number   int  // guarded by mu; of the last call
	answered int  // guarded by mu
	cut      int  // guarded by mu; calls that may have been made
	gone     bool // guarded by mu; with its replica
}

var (
	errSessionGone = errors.New("the session is gone with its replica")
	errCutAtHop    = errors.New("the request was at a replica that was killed")
	errJudged      = errors.New("reported")
)

// visitLegacy lives through sessions until enough calls were made.
func (v *visitor) visitLegacy() {
	for v.more() {
		s := &sojourn{visitor: v, nonce: rand.Text(), primed: make(chan struct{})}
		s.journal = journal{session: s.nonce, seen: make(map[int]bool), wrong: func(kind, want, got string) { s.violate(kind, 0, want, got) }}
		s.ctx, s.leave = context.WithCancel(v.ctx)
		err := s.live()
		if err == nil {
			s.answers.Wait()
		}
		s.leave()
		s.streams.Wait()
		s.answers.Wait()
		switch {
		case err == nil:
			v.count(sawSurvived, 1)
		case errors.Is(err, errSessionGone):
			v.count(sawGone, 1)
		}
	}
}

func (s *sojourn) violate(kind string, call int, want, got string) {
	s.visitor.wrong(kind, s.nonce, call, want, got)
}

// bad reports what is no excuse, and returns an error that says so.
func (s *sojourn) bad(kind string, call int, want string, got any) error {
	if s.ctx.Err() == nil {
		s.violate(kind, call, want, fmt.Sprintf("%v (session on %s)", got, s.owner))
	}
	return errJudged
}

func (s *sojourn) header(more ...string) []string {
	return append([]string{"Mcp-Session-Id", s.id, "MCP-Protocol-Version", legacyVersion}, more...)
}

func (s *sojourn) live() error {
	if err := s.initialize(); err != nil {
		return err
	}
	s.count(sawSessions, 1)
	s.streams.Go(s.listen)
	select {
	case <-s.primed:
	case <-s.ctx.Done():
		return errJudged
	}
	rounds := 2 + s.roll(4)
	if s.roll(3) == 0 {
		rounds = 1000 // as long as there is something to do
	}
	for range rounds {
		if !s.more() {
			break
		}
		errs := make(chan error, 3)
		calls := 1 + s.roll(cap(errs))
		for range calls {
			go func() { errs <- s.call(false) }()
		}
		var bad error
		for range calls {
			if err := <-errs; err != nil && !errors.Is(err, errCutAtHop) {
				bad = errors.Join(bad, err)
			}
		}
		if bad != nil {
			return bad
		}
		pause(s.ctx, s.roll(40))
	}
	if err := s.call(true); err != nil {
		return err
	}
	if s.roll(5) > 0 {
		return s.delete()
	}
	return nil
}

// initialize starts a session. What was at a killed replica is tried again.
func (s *sojourn) initialize() error {
	body := raw(&frame{Version: "2.0", ID: json.RawMessage("0"), Method: "initialize", Params: raw(map[string]any{
		"protocolVersion": legacyVersion, "clientInfo": info{legacyClient, s.nonce},
		"capabilities": json.RawMessage(`{"elicitation":{}}`),
	})})
	for range 10 {
		h, err := s.send(s.ctx, "", http.MethodPost, body)
		if err != nil {
			return s.bad(badUnanswered, 0, "an answer to initialize", err)
		}
		s.id = h.Header.Get("Mcp-Session-Id")
		s.owner, _, _ = strings.Cut(s.id, ".")
		_, err = io.Copy(io.Discard, h.Body)
		h.Body.Close()
		if h.StatusCode == http.StatusOK && err == nil {
			break
		}
		if !s.excused(s.owner, h.hop, h.begun) {
			return s.bad(badAnswer, 0, "200 for initialize", fmt.Sprintf("%s, %v", refusalOf(h), err))
		}
		s.count(sawWithReplica, 1)
	}
	if s.called(s.owner) == nil {
		return s.bad(badAnswer, 0, "a session that names its replica", s.id)
	}
	return s.tell(raw(&frame{Version: "2.0", Method: "notifications/initialized"}))
}

// tell posts a notification or an answer.
func (s *sojourn) tell(message []byte) error {
	for range 10 {
		h, err := s.send(s.ctx, s.owner, http.MethodPost, message, s.header()...)
		if err != nil {
			return s.bad(badUnanswered, 0, "202", err)
		}
		said := refusalOf(h)
		h.Body.Close()
		switch {
		case h.StatusCode == http.StatusAccepted:
			return nil
		case h.StatusCode == http.StatusNotFound && s.mayBeGone(s.owner):
			return errSessionGone
		case h.StatusCode == http.StatusBadGateway && s.excused(s.owner, h.hop, h.begun):
			s.count(sawAtHop, 1) // again: the server takes an answer once
			continue
		}
		return s.bad(badAnswer, 0, "202", said)
	}
	return errSessionGone
}

// call makes one call and reads what comes of it, over several connections if
// need be.
func (s *sojourn) call(last bool) error {
	s.mu.Lock()
	s.number++
	e := s.task(s.nonce, s.number)
	answered, cut := s.answered, s.cut
	s.mu.Unlock()
	if last {
		e.Last, e.Events, e.Later, e.Ask = true, 0, 0, false
	}
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	id := strconv.Itoa(e.Call)
	c := &legacyCall{sojourn: s, ctx: ctx, errand: e, id: id, steps: steps{errand: e, token: `"t` + id + `"`}}
	if s.roll(6) == 0 {
		c.cutAfter = 1 + s.roll(3)
	}
	f, err := c.run()
	switch {
	case errors.Is(err, errCutAtHop):
		s.mu.Lock()
		s.cut++
		s.mu.Unlock()
		s.count(sawAtHop, 1)
		return err
	case errors.Is(err, errSessionGone):
		s.count(sawWithReplica, 1)
		return err
	case err != nil:
		return err
	case f.Error != nil && s.mayBeGone(s.owner):
		s.count(sawWithReplica, 1)
		return errSessionGone
	case f.Error != nil:
		return s.bad(badAnswer, e.Call, "a result", fmt.Sprintf("error %d %q", f.Error.Code, f.Error.Message))
	}
	a := s.check(e, &c.steps, f)
	if a == nil {
		return errJudged
	}
	if a.Unanswered && !s.wasCut() {
		return s.bad(badLost, e.Call, "the server's question", "none, or the answer did not reach the server")
	}
	s.made()
	s.mu.Lock()
	s.answered++
	s.mu.Unlock()
	if last {
		if a.Count < answered+1 || a.Count > answered+1+cut {
			return s.bad(badLost, e.Call, fmt.Sprintf("%d calls at the server, and up to %d more", answered+1, cut), a.Count)
		}
		return s.awaitEvents(a.Events)
	}
	return nil
}

// wasCut reports whether a call was cut on its way through a killed replica.
// What the server asks names no call, so it may have been on that stream, which
// nobody can resume.
func (s *sojourn) wasCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut > 0
}

// awaitEvents waits for what the standalone stream still has to bring.
func (s *sojourn) awaitEvents(upTo int) error {
	for end := time.Now().Add(2 * lateness); ; pause(s.ctx, 10) {
		missing := s.journal.missing(upTo)
		switch {
		case len(missing) == 0:
			s.count(sawEvents, upTo)
			return nil
		case s.isGone() || s.mayBeGone(s.owner):
			return errSessionGone
		case time.Now().After(end):
			return s.bad(badLost, 0, fmt.Sprint(upTo, " events"), fmt.Sprint("all but numbers ", missing[:min(len(missing), 20)]))
		}
	}
}

// delete ends the session through some replica, and looks through another.
func (s *sojourn) delete() error {
	s.answers.Wait()
	s.leave()
	s.streams.Wait()
	s.ctx, s.leave = context.WithCancel(s.visitor.ctx)
	again := false // the request before was cut off, maybe after it was done
	for range 10 {
		h, err := s.send(s.ctx, s.owner, http.MethodDelete, nil, s.header()...)
		if err != nil {
			return s.bad(badUnanswered, 0, "an answer to DELETE", err)
		}
		said := refusalOf(h)
		h.Body.Close()
		for _, hop := range h.tried { // the balancer repeats a DELETE by itself
			again = again || s.killedAt(hop, h.begun)
		}
		switch {
		case h.StatusCode/100 == 2:
		case h.StatusCode == http.StatusNotFound && again:
		case h.StatusCode == http.StatusNotFound && s.mayBeGone(s.owner):
			return errSessionGone
		case h.StatusCode == http.StatusBadGateway && s.excused(s.owner, h.hop, h.begun):
			again = true
			continue
		default:
			return s.bad(badAnswer, 0, "2xx for DELETE", said)
		}
		break
	}
	h, err := s.send(s.ctx, s.owner, http.MethodPost, []byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), s.header()...)
	if err != nil {
		return s.bad(badUnanswered, 0, "404 after DELETE", err)
	}
	defer h.Body.Close()
	if h.StatusCode != http.StatusNotFound && !s.excused(s.owner, h.hop, h.begun) {
		return s.bad(badAnswer, 0, "404 after DELETE", refusalOf(h))
	}
	s.count(sawDeleted, 1)
	return nil
}

func (s *sojourn) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// open opens a stream, after the event of that id if there is one. A GET may be
// made again as often as need be.
func (s *sojourn) open(ctx context.Context, lastID string) (*hopped, error) {
	var header []string
	if lastID != "" {
		header = []string{"Last-Event-ID", lastID}
	}
	for range 50 {
		h, err := s.send(ctx, s.owner, http.MethodGet, nil, s.header(header...)...)
		if err != nil {
			return nil, err
		}
		if h.StatusCode == http.StatusOK && mediaType(h.Response) == sse.ContentType {
			if lastID != "" {
				s.count(sawResumed, 1)
			}
			return h, nil
		}
		said := refusalOf(h)
		h.Body.Close()
		switch {
		case h.StatusCode == http.StatusNotFound && s.mayBeGone(s.owner):
			return nil, errSessionGone
		case h.StatusCode == http.StatusBadGateway && s.excused(s.owner, h.hop, h.begun):
			pause(ctx, 20)
			continue
		}
		return nil, errors.New(said)
	}
	return nil, errSessionGone
}

// listen keeps the standalone stream open, and loses it now and then.
func (s *sojourn) listen() {
	lastID, last, primed := "", 0, false
	defer func() {
		if !primed {
			close(s.primed)
		}
	}()
	for s.ctx.Err() == nil {
		ctx, cancel := context.WithCancel(s.ctx)
		h, err := s.open(ctx, lastID)
		if err != nil {
			cancel()
			if errors.Is(err, errSessionGone) {
				s.mu.Lock()
				s.gone = true
				s.mu.Unlock()
			} else {
				_ = s.bad(badUnanswered, 0, "a standalone stream", err)
			}
			return
		}
		cutAfter := 5 + s.roll(40)
		events := sse.NewReader(h.Body, maxMessage)
		for {
			event, err := events.Next()
			if id := events.LastEventID(); id != "" {
				lastID = id
				if !primed {
					primed = true
					close(s.primed)
				}
			}
			if err != nil {
				break
			}
			var f frame
			if len(event.Data) == 0 {
				continue
			}
			if err := json.Unmarshal(event.Data, &f); err != nil {
				s.violate(badAltered, 0, "JSON", fmt.Sprintf("%v in %.200q", err, event.Data))
				continue
			}
			if f.Method == "elicitation/create" { // of a call whose stream is away
				s.answer(&f)
			} else {
				last = s.journal.take(&f, last)
			}
			if cutAfter--; cutAfter == 0 {
				break
			}
		}
		cancel()
		h.Body.Close()
	}
}

// A legacyCall reads the messages of one call.
type legacyCall struct {
	*sojourn
	ctx      context.Context
	errand   *errand
	id       string
	steps    steps
	cutAfter int // messages; 0: never
}

// run returns the response.
func (c *legacyCall) run() (*frame, error) {
	h, err := c.send(c.ctx, c.owner, http.MethodPost, raw(&frame{
		Version: "2.0", ID: json.RawMessage(c.id), Method: "tools/call",
		Params: raw(map[string]any{"name": "count", "arguments": c.errand, "_meta": map[string]any{"progressToken": json.RawMessage(c.steps.token)}}),
	}), c.header()...)
	if err != nil {
		return nil, c.bad(badUnanswered, c.errand.Call, "an answer", err)
	}
	switch {
	case h.StatusCode == http.StatusOK:
	case h.StatusCode == http.StatusNotFound && c.mayBeGone(c.owner):
		h.Body.Close()
		return nil, errSessionGone
	case h.StatusCode == http.StatusBadGateway && c.excused(c.owner, h.hop, h.begun):
		h.Body.Close()
		return nil, c.cutAt()
	default:
		defer h.Body.Close()
		return nil, c.bad(badAnswer, c.errand.Call, "200", refusalOf(h))
	}
	if mediaType(h.Response) == typeJSON {
		defer h.Body.Close()
		body, err := io.ReadAll(io.LimitReader(h.Body, maxMessage))
		if err != nil {
			if c.excused(c.owner, h.hop, h.begun) {
				return nil, c.cutAt()
			}
			return nil, c.bad(badUnanswered, c.errand.Call, "the response to its end", err)
		}
		f, _ := c.take(body)
		return f, nil
	}
	return c.follow(h)
}

// cutAt tells what became of a call whose answer is lost for good.
func (c *legacyCall) cutAt() error {
	if inc := c.called(c.owner); inc != nil && inc.killedSince(time.Time{}) {
		return errSessionGone
	}
	return errCutAtHop
}

// follow reads an event stream to the response, and resumes it as needed.
func (c *legacyCall) follow(h *hopped) (*frame, error) {
	lastID := ""
	for range 20 {
		f, err := c.connection(h, &lastID)
		h.Body.Close()
		if err == nil {
			return f, nil
		}
		if lastID == "" {
			if c.excused(c.owner, h.hop, h.begun) {
				return nil, c.cutAt()
			}
			return nil, c.bad(badUnanswered, c.errand.Call, "a stream that can be resumed", err)
		}
		hop, begun := h.hop, h.begun
		if h, err = c.open(c.ctx, lastID); err != nil {
			if errors.Is(err, errSessionGone) {
				return nil, err
			}
			return nil, c.bad(badUnanswered, c.errand.Call, fmt.Sprintf("the stream from %s to go on after %v", hop, time.Since(begun)), err)
		}
	}
	return nil, c.bad(badUnanswered, c.errand.Call, "a response", "20 resumptions")
}

func (c *legacyCall) connection(h *hopped, lastID *string) (*frame, error) {
	events := sse.NewReader(h.Body, maxMessage)
	for {
		event, err := events.Next()
		if id := events.LastEventID(); id != "" {
			*lastID = id
		}
		if err != nil {
			return nil, err
		}
		if len(event.Data) == 0 {
			continue
		}
		f, response := c.take(event.Data)
		if response {
			return f, nil
		}
		if c.cutAfter--; c.cutAfter == 0 && *lastID != "" {
			return nil, errCut
		}
	}
}

// take takes one message, and reports whether it is the response.
func (c *legacyCall) take(data []byte) (*frame, bool) {
	f := new(frame)
	if err := json.Unmarshal(data, f); err != nil {
		c.violate(badAltered, c.errand.Call, "JSON", fmt.Sprintf("%v in %.200q", err, data))
		return f, false
	}
	switch {
	case f.Method == "":
		if string(f.ID) != c.id {
			c.violate(badMisrouted, c.errand.Call, "the response to "+c.id, fmt.Sprintf("%.300s", data))
		}
		return f, true
	case f.Method == "notifications/progress":
		if kind, want := c.steps.take(f); kind != "" {
			c.violate(kind, c.errand.Call, want, fmt.Sprintf("%.300s", data))
		}
	case f.Method == "elicitation/create":
		c.answer(f)
	default:
		c.journal.take(f, 0)
	}
	return f, false
}

// answer answers the server's question on a connection of its own.
func (s *sojourn) answer(f *frame) {
	var p struct{ Message string }
	_ = json.Unmarshal(f.Params, &p)
	// On stdio a question does not tell which call it belongs to.
	if nonce, _, _ := strings.Cut(p.Message, "/"); nonce != s.nonce {
		s.violate(badMisrouted, 0, "a question of this session", p.Message)
	}
	s.answers.Go(func() {
		// What is wrong with it was reported.
		_ = s.tell(raw(&frame{Version: "2.0", ID: f.ID, Result: raw(map[string]any{
			"action": "accept", "content": map[string]string{"echo": p.Message},
		})}))
		s.count(sawAsked, 1)
	})
}
