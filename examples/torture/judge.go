// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// violate reports what must not happen to this client.
func (c *client) violate(kind string, call int, want, got string) {
	c.load.report(violation{
		Kind: kind, Client: c.plan.number, Role: c.plan.kind, Session: c.nonce, Call: call, Want: want, Got: got,
	})
}

func (c *client) wrong(call int, want, got string) { c.violate(badAnswer, call, want, got) }

// excused reports whether the session may be in trouble: by what this client
// does, or since the phase ends the proxy.
func (c *client) excused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx.Err() != nil || c.load.ending.Load() || c.crashed || c.ended
}

// expired reports whether the session may have ended because this client was
// slow: between two requests, and without a stream. That a request took long
// counts as slow, too: its end at the proxy is not known here.
func (c *client) expired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listening == 0 && time.Since(c.used) > c.load.idle*8/10
}

// failed judges a request that should have been accepted.
func (c *client) failed(call int, want string, err error) {
	switch {
	case c.excused():
	case errors.Is(err, errGone) && (c.expired() || c.collateral()):
		c.stats.count("ending", "expired between requests")
	default:
		c.wrong(call, want, err.Error())
	}
}

// collateral reports whether somebody else made the server crash that this
// session shares, and that it is not well yet.
func (c *client) collateral() bool {
	return c.mix.shared && time.Since(time.Unix(0, c.load.crashed.Load())) < crashTime
}

const crashTime = 5 * time.Second // for a shared server to be restarted

// judge compares what came of a call with what had to. The error ends the
// client's plan.
func (c *client) judge(p *callPlan, out outcome) error {
	switch {
	case out.kind == gotLeft || c.load.ending.Load():
		return errVanished
	case out.kind == gotTimeout:
		c.violate(badUnanswered, p.Number, "an answer, or an error, within "+callTimeout.String(), "none")
		return errVanished
	case out.kind == gotGone && c.expired():
		c.stats.count("ending", "expired between requests")
		c.end()
		c.ledger.excuseAll()
		return errGone
	case out.kind != gotResult && c.collateral():
		c.ledger.excuse(p.Number)
	}
	switch p.want {
	case wantResult:
		return c.judgeResult(p, out)
	case wantError:
		return c.judgeError(p, out)
	case wantEnd:
		if out.kind != gotEnd && out.kind != gotResult && out.kind != gotError {
			c.wrong(p.Number, "the end of the stream after a cancellation", out.String())
		}
	case wantSome:
		switch out.kind {
		case gotResult, gotError:
		case gotGone:
			c.end()
			return errGone
		default:
			c.wrong(p.Number, "a result, a JSON-RPC error or 404", out.String())
			return errGone
		}
	}
	return nil
}

func (c *client) judgeResult(p *callPlan, out outcome) error {
	switch {
	case out.kind == gotResult:
		c.checkResult(p, out.m)
		return nil
	case c.collateral():
		c.stats.count("ending", "failed by the crash of another session")
	default:
		c.wrong(p.Number, "a result", out.String())
	}
	c.end()
	c.ledger.excuseAll()
	return errGone
}

// checkResult looks into a result that has the right tag.
func (c *client) checkResult(p *callPlan, m *message) {
	t := m.tag()
	if t == nil || t.Session != c.nonce {
		return // the ledger has reported it
	}
	if t.Wrong != "" {
		kind := badAltered
		if strings.Contains(t.Wrong, "answered") {
			kind = badMisrouted
		}
		c.violate(kind, p.Number, "the server to get what the client sent", t.Wrong)
	}
	// A bridge may answer a shared server's ping, and refuse what it cannot
	// attribute.
	asked, answered := p.Script.numbered(doAsk), t.Answered
	if c.mix.shared {
		answered += t.Unsigned + t.Refused
	}
	if answered != asked {
		c.violate(badLost, p.Number, fmt.Sprintf("%d requests of the server answered", asked),
			fmt.Sprintf("%d answered, %d refused, %d answered by somebody else", t.Answered, t.Refused, t.Unsigned))
	}
	for range t.Refused {
		c.stats.count("answer", "refused by the proxy")
	}
	for range t.Unsigned {
		c.stats.count("answer", "given by the proxy")
	}
	want := padding(c.nonce, p.Number, p.Script.resultBytes())
	if len(m.Result.Content) != 1 || m.Result.Content[0].Text != want {
		c.violate(badAltered, p.Number, fmt.Sprintf("a text of %d bytes", len(want)), "another one")
	}
	c.checkProcess(p.Number, t)
}

// checkProcess notes which process has answered, and checks that it is the
// session's own.
func (c *client) checkProcess(call int, t *tag) {
	c.mu.Lock()
	before, may := c.child, c.crashed
	c.child = t.Child
	c.mu.Unlock()
	if c.mix.shared {
		return // it is everybody's
	}
	if before != "" && before != t.Child && !may {
		c.wrong(call, "the same process to answer all calls", "another one, without a crash")
	}
	if other, known := c.load.children.LoadOrStore(t.Child, c.nonce); known && other != c.nonce {
		c.violate(badMisrouted, call, "a process of the session's own", fmt.Sprintf("that of session %v", other))
	}
	if t.Owner != c.nonce && !c.mix.warm {
		c.wrong(call, "a process that was initialized for this session", "one initialized for "+t.Owner)
	}
}

func (c *client) judgeError(p *callPlan, out outcome) error {
	switch {
	case out.kind == gotError && !strings.Contains(out.m.Error.Message, p.says):
		c.wrong(p.Number, fmt.Sprintf("an error that tells %q", p.says), out.String())
	case out.kind == gotError:
	default:
		c.wrong(p.Number, "a JSON-RPC error", out.String())
		c.ledger.excuseAll()
	}
	return nil
}

// fail notes when an error came.
func (c *client) fail(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, at)
}

// judgeInitialize reports whether the session has begun.
func (c *client) judgeInitialize(out outcome) bool {
	init := c.plan.init
	switch {
	case out.kind == gotLeft || c.load.ending.Load():
		return false
	case out.kind == gotBusy:
		c.stats.count("initialize", "turned away")
		return false
	case c.collateral() && out.kind != gotResult:
		c.stats.count("initialize", "failed by the crash of another session")
		return false
	case init == initCrash || init == initRefuse || init == initHang:
		c.stats.count("initialize", init)
		if out.kind != gotError {
			c.wrong(0, "a JSON-RPC error for initialize ("+init+")", out.String())
		}
		return false
	case out.kind != gotResult:
		c.wrong(0, "a result for initialize", out.String())
		return false
	case c.id == "":
		c.wrong(0, "a session id", "none")
		return false
	}
	if t := out.m.tag(); !c.mix.shared && !c.mix.warm {
		if t == nil || t.Session != c.nonce {
			c.violate(badMisrouted, 0, "the answer to this client's initialize", describe(out.m))
			return false
		}
		c.checkProcess(0, &tag{Child: t.Child, Owner: t.Session})
	}
	return true
}
