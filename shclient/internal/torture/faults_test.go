// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// kill kills the server in mid-call and starts it again. Every call that it
// had is answered with an error, once; the next one works.
func (s *scene) kill() {
	held := s.middle(s.callers / 2)
	stop := s.roam(true)
	m := []mode{passing, refusing, breaking, gateway}[s.dice.IntN(4)]
	s.relay.set(m)
	s.server.kill()
	s.must(s.relay.hangUp(s.dice.IntN(2) == 0))
	if s.dice.IntN(8) == 0 { // a server that stays away for long
		s.fail(held, "the server was killed")
	}
	s.server.restart()
	s.relay.set(passing)
	s.must(s.relay.retire())
	for _, c := range held {
		if c.mute { // a late answer is for nobody
			for _, q := range s.questions(c) {
				s.send(answerTo(string(q.ID), q.Method, "late"))
			}
		}
	}
	s.fail(held, "the server was killed")
	stop()
	s.calm(fmt.Sprint("a kill (", m, ")"))
}

// change puts a server of the other era in the place of one that was killed. A
// call may fail until the bridge has found that out.
func (s *scene) change() {
	held := s.middle(s.callers / 2)
	stop := s.roam(true)
	s.server.kill()
	s.must(s.relay.hangUp(s.dice.IntN(2) == 0))
	if s.cast.server == kindModern {
		s.cast.server = kindLegacy
	} else {
		s.cast.server = kindModern
	}
	s.server.become(s.cast.server)
	s.server.restart()
	s.fail(held, "the server was killed")
	stop()
	s.settleDown(4)
	s.calm("a change of eras")
}

// forget drops the sessions in mid-call.
func (s *scene) forget() {
	held := s.middle(s.callers / 2)
	stop := s.roam(true)
	s.server.tell(orderForget)
	s.fail(held, "the session was dropped")
	stop()
	s.calm("a forgotten session")
}

// forgetIdle drops the sessions while nothing is in flight, which nobody sees.
func (s *scene) forgetIdle() {
	s.server.tell(orderForget)
	s.calm("a session that was forgotten while idle")
}

// revoke takes the access token back: nobody sees that either.
func (s *scene) revoke() {
	stop := s.roam(false)
	s.server.tell(orderRevoke)
	stop()
	s.calm("a revoked token")
}

// regrant takes back all that the person has allowed, who is asked again: once.
func (s *scene) regrant() {
	stop := s.roam(false)
	if err := s.auth.RevokeGrants(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.server.tell(orderRevoke)
	stop()
	s.shown++
	for end := time.Now().Add(patience); len(s.lines(s.windows)) < s.shown; {
		s.calm("a revoked grant") // its last token may live a little
		if time.Now().After(end) {
			s.violate("no browser window after a revoked grant")
			return
		}
	}
	s.calm("a login")
}

// outage takes the token back while the authorization server is out of order.
// That is no reason to bother a person.
func (s *scene) outage() {
	s.auth.SetFaults(oauthdyntest.Faults{Path: "/token", Status: 503})
	s.server.tell(orderRevoke)
	var calls []*call
	for kind := range s.callers {
		calls = append(calls, s.start(s.job(kind), false))
	}
	s.settle(calls)
	s.auth.SetFaults(oauthdyntest.Faults{})
	s.calm("an outage of the authorization server")
}

// cut ends the streams in the middle of an event. Where streams can be resumed,
// no answer is lost.
func (s *scene) cut() {
	held := s.middleOf(s.callers/2, false)
	stop := s.roam(true)
	s.relay.cut()
	s.server.tell(orderRelease)
	if s.resumes() {
		s.succeed(held, "its stream was cut")
	} else {
		s.settle(held)
	}
	stop()
	s.relay.mend()
	s.must(s.relay.hangUp(false))
	s.calm("cut streams")
}

// stall swallows what the server says, and then ends the connections.
func (s *scene) stall() {
	held := s.middleOf(s.callers/2, false)
	resume := s.relay.hold()
	s.relay.set(holding)
	stop := s.roam(true)
	s.server.tell(orderRelease)
	s.relay.set(passing)
	s.must(s.relay.hangUp(s.dice.IntN(2) == 0))
	resume()
	if s.resumes() {
		s.succeed(held, "its stream had stalled")
	} else {
		s.settle(held)
	}
	stop()
	s.must(s.relay.hangUp(false))
	s.calm("a stall")
}

// slow lets bytes come in small pieces, which cut characters in two.
func (s *scene) slow() {
	held := s.middleOf(s.callers/2, false)
	s.relay.slow(true)
	s.server.tell(orderRelease)
	s.succeed(held, "its stream was slow")
	s.calm("slow streams")
	s.relay.mend()
}

// deaf stops reading what the bridge says, although there is much.
func (s *scene) deaf() {
	s.pause.Lock()
	var calls []*call
	for i := range 2 * s.callers {
		j := s.job([]int{1, 4, 4, 5}[i%4])
		calls = append(calls, s.start(j, false))
	}
	s.awaitLog("executed", calls)
	s.pause.Unlock()
	s.succeed(calls, "the program was slow to read")
	s.calm("a program that did not read")
}

// withdraw cancels calls in the middle. The server hears of it.
func (s *scene) withdraw() {
	held := s.middleOf(s.callers/2, false)
	stop := s.roam(false)
	for _, c := range held {
		s.cancel(c)
	}
	s.awaitLog("cancelled", held)
	stop()
	s.calm("cancellations")
}

// middle is middleOf with questions that wait for their answer.
func (s *scene) middle(n int) []*call { return s.middleOf(n, true) }

// middleOf makes calls, and returns when the server is in the middle of each.
func (s *scene) middleOf(n int, asks bool) []*call {
	var held []*call
	for i := range n {
		j := s.job(0)
		j.Hold = true
		if asks && i%4 == 3 && s.cast.program == legacy && s.cast.server != kindModern {
			j = s.job(2 + s.dice.IntN(2))
			c := s.start(j, true)
			if !s.ledger.await(c, "question", c.asked) {
				return held
			}
			held = append(held, c)
			continue
		}
		c := s.start(j, false)
		if !s.ledger.await(c, "progress", c.begun) {
			return held
		}
		held = append(held, c)
	}
	return held
}

// fail expects that each call is answered with an error.
func (s *scene) fail(calls []*call, why string) {
	for _, c := range calls {
		switch m := s.finish(c); {
		case m == nil:
		case m.Error == nil:
			s.violate("a call succeeded, but %s", why)
		default:
			s.count("failed: " + reason(m.Error.Message))
		}
	}
}

// succeed expects that each call is answered with its result.
func (s *scene) succeed(calls []*call, why string) {
	for _, c := range calls {
		if m := s.finish(c); m != nil && m.Error != nil {
			s.violate("a call failed because %s: %s", why, m.Error.Message)
		}
	}
}

// settle waits for whatever becomes of the calls.
func (s *scene) settle(calls []*call) {
	for _, c := range calls {
		if m := s.finish(c); m != nil && m.Error != nil {
			s.count("failed: " + reason(m.Error.Message))
		}
	}
}

// questions are those that came for a call.
func (s *scene) questions(c *call) []*message {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(c.questions)
}

func (s *scene) must(err error) {
	if err != nil {
		s.violate("%v", err)
	}
}

// summary is what happened, on one line.
func (s *scene) summary() string {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	var failed []string
	for what, n := range s.counts {
		failed = append(failed, fmt.Sprintf("%d × %s", n, what))
	}
	_, connections := s.relay.connections()
	return fmt.Sprintf("%d calls, %d results, %d lines, %d kills, %d windows, %d connections; %s\n%s",
		len(s.calls), len(s.ledger.jobs), s.ledger.lines, s.server.kills, s.shown, connections,
		strings.Join(s.notes, "; "), strings.Join(failed, "\n"))
}
