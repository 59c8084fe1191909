// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// run is the state of one Run.
type run struct {
	target    Target
	o         Options
	client    *http.Client
	anonymous *http.Client
	sessions  map[string]*Session // by version
	owners    []*Probe            // of the shared sessions
	memory    map[any]any         // what rules of a version share

	stubborn atomic.Bool // the command does not end by itself

	mu       sync.Mutex // guards the rest
	requests int
	observed map[observedKey][]seen
	tokens   []json.RawMessage // of progress, that were sent
}

// maxRequests bounds a run, whatever the server answers.
const maxRequests = 20_000

// ErrUnauthorized is the error of a server that wants a login which we have not.
var ErrUnauthorized = errors.New("the server wants a login")

// Run tries the rules at the server. The error is that of ctx, or that there is
// no MCP server to be tried; what is broken stands in the report.
func Run(ctx context.Context, target Target, o Options) (*Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.budget(), fmt.Errorf("the check took longer than %v", o.budget()))
	defer cancel()
	r := &run{target: target, o: o, client: target.Client, anonymous: target.Anonymous, sessions: map[string]*Session{}, memory: map[any]any{}, observed: map[observedKey][]seen{}}
	if r.anonymous == nil {
		r.anonymous = http.DefaultClient
	}
	if r.client == nil {
		r.client = r.anonymous
	}
	r.client, r.anonymous = unredirected(r.client), unredirected(r.anonymous)
	rules := o.Rules
	if rules == nil {
		rules = Rules()
	}
	report := &Report{Target: target.Name, Transport: target.Transport().String(), ToolsCalled: o.CallTools}
	defer r.close()
	versions, locked, err := r.versions(ctx, report)
	if err != nil {
		return nil, err
	}
	trials := r.trials(rules, versions, locked)
	for i, t := range trials {
		if o.Progress != nil {
			o.Progress(i, len(trials), t.rule.ID, t.version)
		}
		report.add(r.probe(t.version).try(ctx, t.rule))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	report.Requests = r.requests
	return report, nil
}

// trial is a rule to be tried in a version.
type trial struct {
	version string
	rule    *Rule
}

// trials are what there is to do. locked means that only rules without a session
// can be tried.
func (r *run) trials(rules []Rule, versions []string, locked bool) (list []trial) {
	for _, version := range versions {
		for i := range rules {
			if rules[i].Applies(version, r.target.Transport()) && (!locked || rules[i].Anonymous) {
				list = append(list, trial{version, &rules[i]})
			}
		}
	}
	return list
}

// unredirected is the client without following redirects: they are answers.
func unredirected(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

func (r *run) probe(version string) *Probe {
	return &Probe{Version: version, Transport: r.target.Transport(), CallTools: r.o.CallTools, run: r}
}

// versions asks the server which versions it speaks, and returns those to try.
// locked means that it wants a login, so that only rules without a session can
// be tried.
func (r *run) versions(ctx context.Context, report *Report) (versions []string, locked bool, err error) {
	var last error
	for _, version := range Versions() {
		if len(r.o.Versions) > 0 && !slices.Contains(r.o.Versions, version) {
			continue
		}
		spoken := Spoken{Version: version}
		why, err := r.asks(ctx, version, report)
		switch {
		case ctx.Err() != nil:
			return nil, false, context.Cause(ctx)
		case err != nil:
			last, why = err, err.Error()
		}
		if status, ok := errors.AsType[*StatusError](err); ok && status.Response.Status == http.StatusUnauthorized {
			locked = true
		}
		if spoken.Spoken = why == ""; spoken.Spoken {
			versions = append(versions, version)
		}
		spoken.Why = r.redact(bound(why, maxText))
		report.Versions = append(report.Versions, spoken)
	}
	switch {
	case len(versions) > 0:
		return versions, false, nil
	case locked && r.hasAnonymous():
		return slices.DeleteFunc(Versions(), func(v string) bool {
			return len(r.o.Versions) > 0 && !slices.Contains(r.o.Versions, v) || len(r.o.Versions) == 0 && v != V20251125
		}), true, nil
	case locked:
		return nil, false, ErrUnauthorized
	case last != nil:
		return nil, false, last
	case len(r.o.Versions) > 0:
		return nil, false, fmt.Errorf("the server does not speak %s: %s", strings.Join(r.o.Versions, ", "), report.Versions[0].Why)
	}
	return nil, false, fmt.Errorf("the server speaks no version of MCP: %s", report.Versions[0].Why)
}

func (r *run) hasAnonymous() bool {
	return r.o.Rules == nil || slices.ContainsFunc(r.o.Rules, func(rule Rule) bool { return rule.Anonymous })
}

// asks opens a session in a version. It returns why the server does not speak
// it, as far as the server says so; else an error.
func (r *run) asks(ctx context.Context, version string, report *Report) (why string, err error) {
	p := r.probe(version)
	defer p.close()
	s := &Session{probe: p}
	if p.Transport == Stdio {
		if s.Process, err = p.Start(ctx); err != nil {
			return "", err
		}
	}
	method, params := "initialize", InitializeParams(version)
	if p.Modern() {
		method, params = "server/discover", nil
	}
	answer, err := s.Request(ctx, p, method, params)
	if err != nil {
		return "", err
	}
	if answer.HTTP != nil {
		s.ID = answer.HTTP.Header.Get(headerSession)
		defer s.close()
	}
	if e := answer.Error(); e != nil {
		if p.Modern() && s.serves(ctx, p) {
			return "", nil // discover.result tells
		}
		return e.Error(), nil
	}
	var result struct {
		ProtocolVersion   string
		SupportedVersions []string
		ServerInfo        struct{ Name, Version string }
		Meta              struct {
			ServerInfo struct{ Name, Version string } `json:"io.modelcontextprotocol/serverInfo"`
		} `json:"_meta"`
	}
	_ = json.Unmarshal(answer.Result(), &result) // what is missing is told below
	info := result.ServerInfo
	if p.Modern() {
		info = result.Meta.ServerInfo
		if len(result.SupportedVersions) > 0 && !slices.Contains(result.SupportedVersions, version) && !s.serves(ctx, p) {
			return "it supports " + strings.Join(result.SupportedVersions, ", "), nil
		}
	} else if result.ProtocolVersion != version && result.ProtocolVersion != "" {
		return fmt.Sprintf("it answers with %q", result.ProtocolVersion), nil
	}
	if info.Name != "" {
		report.Server = r.redact(bound(strings.TrimSpace(info.Name+" "+info.Version), 200))
	}
	return "", nil
}

// serves reports whether the server answers a request in a modern version, as no
// legacy server does, though server/discover did not say so.
func (s *Session) serves(ctx context.Context, p *Probe) bool {
	answer, err := s.Request(ctx, p, "tools/list", nil)
	return err == nil && members(answer.Result())["resultType"] != nil
}

// shared opens the session that the rules of a version share, or returns it.
func (r *run) shared(ctx context.Context, p *Probe) (*Session, error) {
	if s := r.sessions[p.Version]; s != nil {
		return s, nil
	}
	owner := r.probe(p.Version)
	s, err := owner.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("no session: %w", err)
	}
	owner.onClose(s.close)
	r.owners = append(r.owners, owner)
	r.sessions[p.Version] = s
	return s, nil
}

// Once returns what f made of the server in a version, and calls it if that has
// not happened yet. Errors are kept as well.
func Once[T any](p *Probe, name string, f func() (T, error)) (T, error) {
	type key struct{ version, name string }
	type outcome struct {
		value T
		err   error
	}
	k := key{p.Version, name}
	if known, ok := p.run.memory[k].(outcome); ok {
		return known.value, known.err
	}
	value, err := f()
	p.run.memory[k] = outcome{value, err}
	return value, err
}

func (r *run) close() {
	for _, p := range r.owners {
		p.close()
	}
	r.client.CloseIdleConnections()
	r.anonymous.CloseIdleConnections()
}

// count takes one request from the budget.
func (r *run) count() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests == maxRequests {
		return fmt.Errorf("more than %d requests", maxRequests)
	}
	r.requests++
	return nil
}

func (r *run) redact(text string) string { return r.target.Secrets.redact(text) }
