// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

func sessionRules() []Rule {
	const management = "basic/transports#session-management"
	rule := func(id string, level Level, demand string, check func(context.Context, *Probe) error) Rule {
		return Rule{ID: id, Level: level, Since: V20250326, Until: V20251125, Transports: HTTP, Section: management, Demand: demand, Check: check}
	}
	return []Rule{
		rule("session.id-characters", Must, "a session id has visible ASCII characters alone", sessionCharacters),
		rule("session.id-secure", Should, "session ids are unique, and cannot be guessed", sessionSecure),
		rule("session.missing", Should, "a request without the session id is answered with 400", sessionMissing),
		rule("session.unknown", Should, "a request with a session id that was never given is answered with 404", sessionUnknown),
		rule("session.delete", Must, "DELETE ends the session, or is answered with 405", sessionDelete),
		rule("session.ended", Must, "a request with the id of a session that was ended is answered with 404", sessionEnded),
	}
}

// withID opens a session that has an id, which is not closed.
func (p *Probe) withID(ctx context.Context) (*Session, error) {
	s, err := p.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	p.Forget()
	if s.ID == "" {
		return nil, Skipf("the server has no sessions")
	}
	return s, nil
}

func sessionCharacters(ctx context.Context, p *Probe) error {
	s, err := p.withID(ctx)
	if err != nil {
		return err
	}
	p.Show(s.Initialize.Exchange)
	if strings.ContainsFunc(s.ID, func(r rune) bool { return r < 0x21 || r > 0x7E }) {
		p.Brokenf("the session id %q has other characters", shortID(s.ID))
	}
	return nil
}

const shortestID = 16 // characters of a session id that cannot be guessed

func sessionSecure(ctx context.Context, p *Probe) error {
	first, err := p.withID(ctx)
	if err != nil {
		return err
	}
	second, err := p.withID(ctx)
	if err != nil {
		return err
	}
	p.Show(first.Initialize.Exchange)
	p.Show(second.Initialize.Exchange)
	switch {
	case first.ID == second.ID:
		p.Brokenf("two sessions have the same id")
	case counted(first.ID, second.ID):
		p.Brokenf("session ids are counted")
	case len(first.ID) < shortestID:
		p.Brokenf("a session id has %d characters", len(first.ID))
	}
	return nil
}

// counted reports whether two texts differ in a small number alone.
func counted(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	m, erra := strconv.Atoi("0" + a)
	n, errb := strconv.Atoi("0" + b)
	return erra == nil && errb == nil && n-m < 16 && m-n < 16
}

// pingWith makes a request with a session id, or without.
func (p *Probe) pingWith(ctx context.Context, s *Session, id string) (*HTTPResponse, error) {
	raw := requestBytes(s.NewID(), "ping", nil)
	h := s.Header(p, raw)
	if h.Del(headerSession); id != "" {
		h.Set(headerSession, id)
	}
	return p.Do(ctx, HTTPRequest{Body: raw, Header: h, Until: Message.IsResponse})
}

func sessionMissing(ctx context.Context, p *Probe) error {
	s, err := p.withID(ctx)
	if err != nil {
		return err
	}
	resp, err := p.pingWith(ctx, s, "")
	if err == nil && resp.Status != http.StatusBadRequest {
		p.Brokenf("a request without the session id is answered with HTTP status %d", resp.Status)
	}
	return err
}

func sessionUnknown(ctx context.Context, p *Probe) error {
	s, err := p.withID(ctx)
	if err != nil {
		return err
	}
	resp, err := p.pingWith(ctx, s, "3b7f5c1e-0000-4000-8000-shclientcheck")
	if err == nil && resp.Status != http.StatusNotFound {
		p.Brokenf("a request with an unknown session id is answered with HTTP status %d", resp.Status)
	}
	return err
}

// deleted ends a session.
func (p *Probe) deleted(ctx context.Context) (*Session, *HTTPResponse, error) {
	s, err := p.withID(ctx)
	if err != nil {
		return nil, nil, err
	}
	resp, err := p.Do(ctx, HTTPRequest{Method: http.MethodDelete, Header: s.Header(p, nil)})
	return s, resp, err
}

func sessionDelete(ctx context.Context, p *Probe) error {
	_, resp, err := p.deleted(ctx)
	if err == nil && resp.Status >= 300 && resp.Status != http.StatusMethodNotAllowed {
		p.Brokenf("DELETE is answered with HTTP status %d", resp.Status)
	}
	return err
}

func sessionEnded(ctx context.Context, p *Probe) error {
	s, resp, err := p.deleted(ctx)
	if err != nil {
		return err
	}
	if resp.Status >= 300 {
		return Skipf("the session cannot be ended: HTTP status %d", resp.Status)
	}
	id := s.ID
	s.ID = "" // it need not be closed again
	if resp, err = p.pingWith(ctx, s, id); err == nil && resp.Status != http.StatusNotFound {
		p.Brokenf("a request in a session that was ended is answered with HTTP status %d", resp.Status)
	}
	return err
}
