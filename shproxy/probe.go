// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const probeFrame = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"shproxy-probe","version":"1"}}}`

// Probe starts the server once, sends initialize and ends it again. A server
// that refuses is asked for server/discover instead, since those of MCP
// 2026-07-28 know no initialize. The error tells in one line what is wrong
// with the server: that it cannot be started, ends at once, does not answer
// within StartTimeout, or refuses. It includes what the server wrote to
// stderr last; nothing is logged.
func (p *Proxy) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.StartTimeout)
	defer cancel()
	cfg := p.sessionConfig(slog.New(slog.DiscardHandler))
	cfg.MaxSessions, cfg.Warm, cfg.Shared = 2, 0, false
	m := session.NewManager(cfg)
	err := p.probe(ctx, m)
	if _, refused := errors.AsType[*refusedError](err); refused {
		if modern, failed := m.Modern(ctx, nil); failed == nil && modern {
			err = nil
		}
	}
	// The steps of the ending are short, and nothing must be left.
	if ended := m.Shutdown(context.WithoutCancel(ctx)); err == nil {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("shproxy: %w", err)
	}
	return nil
}

func (p *Proxy) probe(ctx context.Context, m *session.Manager) error {
	s, err := m.Start(ctx, "", nil)
	if err != nil {
		return err
	}
	frame := []byte(probeFrame)
	message, err := jsonrpc.Scan(frame)
	if err != nil {
		return err
	}
	call, err := s.Call(frame, message, jsonrpc.Edit{}, false)
	if err != nil {
		return err
	}
	answer, err := await(ctx, call)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return p.tooSlow(s)
	case err != nil:
		return err
	}
	defer answer.Release()
	return p.judge(s, answer)
}

// await returns the answer to a call.
func await(ctx context.Context, call *session.Call) (*session.Frame, error) {
	reader := call.Reader(true)
	defer reader.Leave()
	for {
		f, _, rest, cause := reader.Next()
		switch {
		case f != nil:
			return f, nil
		case rest == session.Nothing && cause != nil:
			return nil, cause
		case rest == session.Nothing:
			return nil, errors.New("there is no answer")
		}
		select {
		case <-reader.Wake():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// refusedError tells that the server answered initialize with an error.
type refusedError struct{ server, reason string }

func (e *refusedError) Error() string {
	return fmt.Sprintf("server %q refused initialize: %s", e.server, e.reason)
}

// judge reads the answer to the probe's initialize.
func (p *Proxy) judge(s *session.Session, answer *session.Frame) error {
	if answer.Cause != nil {
		return answer.Cause
	}
	if s.Version() != "" {
		return nil
	}
	m, err := jsonrpc.Scan(answer.Data)
	if err != nil {
		return err
	}
	if text, ok := jsonrpc.Lookup(answer.Data, m.Error, "message"); ok {
		return &refusedError{p.server.Name, jsonrpc.Text(text.Of(answer.Data))}
	}
	return fmt.Errorf("server %q answered initialize without a protocol version", p.server.Name)
}

// readyAge is how long an answer of Ready holds.
const readyAge = 10 * time.Second

// readiness is the answer of Ready, found by one caller at a time.
type readiness struct {
	turn chan struct{} // has room for the one who finds out
	at   time.Time     // when it was found; goes with err
	err  error
}

// Ready tells whether the server works: a process that is there answers, or,
// if there is none, a [Proxy.Probe] succeeds. The answer holds for 10 seconds.
// After [Proxy.Retire] it is an error.
func (p *Proxy) Ready(ctx context.Context) error {
	if p.sessions.Retiring() {
		return session.ErrRetiring
	}
	select {
	case p.ready.turn <- struct{}{}:
		defer func() { <-p.ready.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if time.Since(p.ready.at) < readyAge {
		return p.ready.err
	}
	err := p.sessions.Ping(ctx)
	if errors.Is(err, session.ErrNoChild) {
		err = p.Probe(ctx)
	}
	if ctx.Err() == nil {
		p.ready.at, p.ready.err = time.Now(), err
	}
	return err
}
