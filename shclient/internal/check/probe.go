// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Probe is how one rule, in one protocol version, talks to the server and says
// what it found.
type Probe struct {
	// Version is the protocol version that the rule is tried in.
	Version string
	// Transport is HTTP or Stdio.
	Transport Transport
	// CallTools is Options.CallTools.
	CallTools bool

	run       *run
	exchanges []*Exchange // since the last finding, oldest first
	findings  []Finding
	closers   []func()
}

// Modern reports whether the version is one without initialize.
func (p *Probe) Modern() bool { return p.Version >= V20260728 }

// skipped is the error of a rule with nothing to try.
type skipped struct{ reason string }

func (e *skipped) Error() string { return e.reason }

// Skipf ends a rule that has nothing to try: the server does not have what it
// is about.
func Skipf(format string, args ...any) error { return &skipped{fmt.Sprintf(format, args...)} }

// silence is the error that nothing came in time.
type silence struct{ text string }

func (e *silence) Error() string { return e.text }

// IsSilence reports whether a wait for the server has ended without an answer:
// it did not come in time, or the server has closed the connection.
func IsSilence(err error) bool {
	_, ok := errors.AsType[*silence](err)
	return ok
}

const (
	maxFindings  = 20 // of one rule in one version
	maxExchanges = 4  // of one finding: the last ones
)

// Brokenf reports that the server does not do what the rule demands. What was
// sent and received since the last report, or since Forget, goes with it.
func (p *Probe) Brokenf(format string, args ...any) {
	f := Finding{Message: p.run.redact(bound(fmt.Sprintf(format, args...), maxText))}
	known := slices.ContainsFunc(p.findings, func(other Finding) bool { return other.Message == f.Message })
	if known || len(p.findings) == maxFindings {
		return
	}
	for _, e := range p.exchanges[max(0, len(p.exchanges)-maxExchanges):] {
		f.Exchanges = append(f.Exchanges, Exchange{
			Sent:     p.run.redact(bound(e.Sent, maxText)),
			Received: p.run.redact(bound(e.Received, maxText)),
		})
	}
	p.findings = append(p.findings, f)
}

// Forget leaves what was sent and received so far out of the next finding.
func (p *Probe) Forget() { p.exchanges = nil }

// Show puts an exchange of somebody else, such as one of a list that several
// rules look at, into the next finding.
func (p *Probe) Show(e *Exchange) { p.exchanges = append(p.exchanges, e) }

// sent begins an exchange, which counts as a request.
func (p *Probe) sent(text string) (*Exchange, error) {
	if err := p.run.count(); err != nil {
		return nil, err
	}
	e := &Exchange{Sent: text}
	p.exchanges = append(p.exchanges, e)
	return e, nil
}

// onClose runs f when the rule has ended.
func (p *Probe) onClose(f func()) { p.closers = append(p.closers, f) }

func (p *Probe) close() {
	for _, f := range p.closers {
		f()
	}
	p.closers = nil
}

// try runs the rule, and says how it ended.
func (p *Probe) try(ctx context.Context, r *Rule) Result {
	defer p.close()
	err := r.Check(ctx, p)
	result := Result{
		Rule: r.ID, Level: r.Level, Version: p.Version, Demand: r.Demand, Section: r.URL(p.Version),
		Findings: p.findings,
	}
	skip, isSkip := errors.AsType[*skipped](err)
	switch {
	case len(p.findings) > 0:
		result.Outcome = Broken
	case isSkip:
		result.Outcome, result.Detail = Skipped, skip.reason
	case err != nil:
		result.Outcome, result.Detail = Unclear, p.run.redact(bound(err.Error(), maxText))
	default:
		result.Outcome = Kept
	}
	return result
}
