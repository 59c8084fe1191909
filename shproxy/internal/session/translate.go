// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/child"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// A translator, where there is one, stands between the link and its child: to
// the link it is a child of the clients' era. All of this is guarded by the
// worker's lock.

// introduce makes the child one that serves clients with this profile, in the
// legacy era. w.mu is held.
func (w *Worker) introduce(profile era.Profile) {
	w.profile = &profile
	if w.link != nil { // one that was started before anybody came has yet to be initialized
		w.link.toLegacy()
		w.phase = vacant
	}
}

// toLegacy translates for modern clients.
func (l *link) toLegacy() {
	w := l.w
	l.process = rand.Text()
	l.era = era.NewToLegacy(era.ToLegacyConfig{
		Profile: *w.profile, Self: self, Sealer: w.m.sealer,
		Principal: poolKey(w.m.cfg.Shared, w.starter, w.env), Process: l.process,
		ParkTime: w.m.cfg.InputTimeout,
	})
}

// toModern translates for legacy clients.
func (l *link) toModern() { l.era = era.NewToModern(era.ToModernConfig{Self: self}) }

// tryModern asks a child that has refused initialize whether it speaks modern
// versions, and reports whether the call goes on. w.mu is held.
func (l *link) tryModern(c *Call, refused []byte) bool {
	if l.era != nil {
		l.w.m.setModernOnly(false) // so it is asked as it was at first, the next time
		return false
	}
	if l.w.m.cfg.LegacyOnly {
		return false
	}
	hello := c.s.hello
	m, err := jsonrpc.Scan(hello)
	if err != nil {
		return false
	}
	l.refused = bytes.Clone(refused)
	l.toModern()
	_, err = l.translate(hello, m, jsonrpc.Edit{Span: m.ID, With: appendKey(c.key)})
	return err == nil
}

// hello sends initialize in the name of a client, and waits for the answer.
func (w *Worker) hello(ctx context.Context, l *link, frame string) (*Frame, error) {
	f, err := w.ask(ctx, l, frame)
	if _, refused := errors.AsType[*refusal](err); !refused || l.translated() || w.m.cfg.LegacyOnly {
		return f, err
	}
	w.mu.Lock()
	l.toModern()
	w.mu.Unlock()
	if f, failed := w.ask(ctx, l, frame); failed == nil {
		w.m.setModernOnly(true)
		return f, nil
	}
	return nil, err
}

func (l *link) translated() bool {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.era != nil
}

// self is how the proxy calls itself where a client does not say who it is.
var self = []byte(`{"name":"shproxy","version":"1"}`)

// parked reports whether the child waits for a client to come back. w.mu is
// held.
func (w *Worker) parked() bool { return w.link != nil && w.link.era != nil && w.link.era.Busy() }

// notWritten is the position of what the child has not been sent.
const notWritten = math.MaxInt64

// translation is the memory of one step of a translator.
type translation struct {
	frame []byte // of a client, edited
	out   era.Output
}

var translations = sync.Pool{New: func() any { return new(translation) }}

// translate passes a message of the clients on, with edits of members that m
// names. It returns the position in the child's input behind what came of it.
// w.mu is held.
func (l *link) translate(frame []byte, m jsonrpc.Message, edits ...jsonrpc.Edit) (end int64, err error) {
	t := translations.Get().(*translation)
	t.frame = jsonrpc.AppendSplice(t.frame[:0], frame, edits...)
	l.era.FromClient(time.Now(), t.frame, m.Moved(edits...), &t.out)
	return l.flush(t)
}

// translateUp takes a message of the child. w.mu is held.
func (l *link) translateUp(frame []byte, m jsonrpc.Message, owned bool) {
	t := translations.Get().(*translation)
	l.era.FromServer(time.Now(), frame, m, &t.out)
	_, _ = l.flush(t) // what cannot be sent is the child's loss: it does not read
	if owned {
		child.Recycle(frame)
	}
}

// ping asks the child itself for a sign of life. w.mu is held.
func (l *link) ping(c *Call) (end int64, err error) {
	t := translations.Get().(*translation)
	l.era.Ping(appendKey(c.key), &t.out)
	return l.flush(t)
}

// flush sends what a translator wants to be sent.
func (l *link) flush(t *translation) (end int64, err error) {
	out := &t.out
	end = notWritten
	for _, frame := range out.ToServer {
		to, failed := l.child.Queue(frame)
		if failed != nil {
			err = failed
			continue
		}
		end = to
	}
	for range out.Dropped {
		l.w.drop("there is nobody to tell, or to ask", nil)
	}
	for _, message := range out.ToClient {
		m := message.Scanned
		if m.Kind == jsonrpc.Invalid {
			var failed error
			if m, failed = jsonrpc.Scan(message.Frame); failed != nil {
				continue
			}
		}
		l.take(message.Frame, m, false, message.Related)
	}
	out.Reset()
	if cap(t.frame) > keep {
		t.frame = nil
	}
	translations.Put(t)
	l.wind()
	return end, err
}

// wind sets the alarm to when the translator has something to do.
func (l *link) wind() {
	due := l.era.Due()
	if due.Equal(l.due) {
		return
	}
	l.due = due
	switch {
	case due.IsZero():
		l.alarm.Stop()
	case l.alarm == nil:
		l.alarm = time.AfterFunc(time.Until(due), l.tick)
	default:
		l.alarm.Reset(time.Until(due))
	}
}

func (l *link) tick() {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.link != l || l.stopped {
		return
	}
	l.due = time.Time{}
	t := translations.Get().(*translation)
	l.era.Tick(time.Now(), &t.out)
	_, _ = l.flush(t) // as in translateUp
}

// unsend makes the translator forget a request that could not be sent.
func (l *link) unsend(key uint64) {
	frame := []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + strconv.FormatUint(key, 10) + `}}`)
	if m, err := jsonrpc.Scan(frame); err == nil {
		l.era.FromClient(time.Now(), frame, m, &era.Output{})
	}
}
