// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const probeFrame = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"shproxy-probe","version":"1"}}}`

// Probe starts the server once, sends initialize and ends it again. The error
// tells in one line what is wrong with the server: that it cannot be started,
// ends at once, does not answer within StartTimeout, or refuses. It includes
// what the server wrote to stderr last; nothing is logged.
func (p *Proxy) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.StartTimeout)
	defer cancel()
	cfg := p.sessionConfig(slog.New(slog.DiscardHandler))
	cfg.MaxSessions = 1
	m := session.NewManager(cfg)
	err := p.probe(ctx, m)
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
	s, err := m.Start("")
	if err != nil {
		return err
	}
	frame := []byte(probeFrame)
	message, err := jsonrpc.Scan(frame)
	if err != nil {
		return err
	}
	call, err := s.Call(frame, message, false)
	if err != nil {
		return err
	}
	defer call.Close()
	for {
		answer, rest, cause := call.Next()
		switch {
		case answer != nil:
			defer answer.Release()
			return p.judge(s, answer.Data)
		case rest == session.Nothing:
			return cause
		}
		select {
		case <-call.Wake():
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return p.tooSlow(s)
			}
			return ctx.Err()
		}
	}
}

// judge reads the answer to the probe's initialize.
func (p *Proxy) judge(s *session.Session, answer []byte) error {
	if cause := s.Cause(); cause != nil {
		return cause
	}
	if s.Version() != "" {
		return nil
	}
	m, err := jsonrpc.Scan(answer)
	if err != nil {
		return err
	}
	if text, ok := jsonrpc.Lookup(answer, m.Error, "message"); ok {
		return fmt.Errorf("server %q refused initialize: %s", p.server.Name, jsonrpc.Text(text.Of(answer)))
	}
	return fmt.Errorf("server %q answered initialize without a protocol version", p.server.Name)
}
