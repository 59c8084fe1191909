// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const probeFrame = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"shproxy-probe","version":"1"}}}`

var errProbed = errors.New("the probe is over")

// Probe starts the server once, sends initialize and ends it again. The error
// tells in one line what is wrong with the server: that it cannot be started,
// ends at once, does not answer within StartTimeout, or refuses.
func (p *Proxy) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.StartTimeout)
	defer cancel()
	s, err := p.sessions.Start("")
	if err != nil {
		return fmt.Errorf("shproxy: %w", err)
	}
	err = p.probe(ctx, s)
	s.End(errProbed)
	if waited := s.Wait(context.WithoutCancel(ctx)); err == nil {
		err = waited
	}
	if err != nil {
		return fmt.Errorf("shproxy: %w", err)
	}
	return nil
}

func (p *Proxy) probe(ctx context.Context, s *session.Session) error {
	frame := []byte(probeFrame)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		return err
	}
	call, err := s.Call(frame, m, false)
	if err != nil {
		return err
	}
	defer call.Close()
	for {
		answer, more, cause := call.Next()
		switch {
		case answer != nil:
			defer answer.Release()
			return p.judge(s, answer.Data)
		case !more:
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
	if s.Version() != "" {
		return nil
	}
	m, err := jsonrpc.Scan(answer)
	if err != nil {
		return err
	}
	if text, ok := jsonrpc.Lookup(answer, m.Error, "message"); ok {
		return fmt.Errorf("initialize failed: %s", jsonrpc.Text(text.Of(answer)))
	}
	return fmt.Errorf("server %q answered initialize without a protocol version", p.server.Name)
}
