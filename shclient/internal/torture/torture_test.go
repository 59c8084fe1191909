// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// casts are the scenes, with the number of kills in the short form.
var casts = []struct {
	cast
	kills int
}{
	{cast{"Streamable HTTP", legacy, kindLegacy, true}, 14},
	{cast{"HTTP+SSE", legacy, kindOld, true}, 8},
	{cast{"2026-07-28", modern, kindModern, true}, 9},
	{cast{"2026-07-28 to Streamable HTTP", modern, kindLegacy, false}, 6},
	{cast{"2025-11-25 to 2026-07-28", legacy, kindModern, false}, 5},
	{cast{"changing eras", modern, kindLegacy, false}, 4},
	{cast{"changing eras, 2025-11-25", legacy, kindLegacy, false}, 4},
}

// Whatever happens to the server, its sessions, its tokens and the way to it,
// each call has one answer, none is executed twice, no answer that can arrive is
// lost, and nobody sees a browser window that need not be.
func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: some 10 s of two processors")
	}
	length, _ := time.ParseDuration(os.Getenv("SHCLIENT_TORTURE"))
	seed, err := strconv.ParseUint(os.Getenv("SHCLIENT_TORTURE_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	for _, c := range casts {
		t.Run(c.name, func(t *testing.T) {
			if length > 0 {
				newScene(t, c.cast, 12, seed).playFor(length / time.Duration(len(casts)))
			} else {
				newScene(t, c.cast, 6, seed).playAll(c.kills)
			}
		})
	}
}

// playAll plays each fault once, and kills the server as often as it says.
func (s *scene) playAll(kills int) {
	s.play(func() {
		others := s.others()
		for n := 0; s.well() && (n < len(others) || s.server.kills < kills); n++ {
			if n < len(others) {
				s.timed(others[n])
			}
			if s.server.kills < kills {
				s.timed(s.killing())
			}
		}
	})
}

// playFor plays faults at random for some time.
func (s *scene) playFor(length time.Duration) {
	s.play(func() {
		for others := s.others(); s.well() && time.Since(s.begun) < length; {
			s.timed(others[s.dice.IntN(len(others))])
			s.timed(s.killing())
		}
	})
}

// changes reports whether the server becomes one of the other era again and
// again.
func (c cast) changes() bool { return strings.HasPrefix(c.name, "changing") }

// play lets faults happen, and checks what is left in the end.
func (s *scene) play(faults func()) {
	s.calm("the start")
	s.timed(fault{"kill", s.kill}) // a bridge that has seen one holds what it needs
	before := s.rest()
	faults()
	if s.well() {
		s.compare(before, s.rest())
	}
	if s.well() {
		s.goodbye()
	}
	s.audit()
	for _, wrong := range s.violations() {
		s.t.Error(wrong)
	}
	if s.t.Failed() {
		s.t.Logf("seed: SHCLIENT_TORTURE_SEED=%d", s.seed)
	}
	s.note("the slowest fault was %s, %s", s.slowestName, s.slowest.Round(time.Millisecond))
	s.t.Log(s.summary())
}

// A fault is what befalls a scene.
type fault struct {
	name string
	play func()
}

// killing is the fault that ends the server.
func (s *scene) killing() fault {
	if s.cast.changes() {
		return fault{"change", s.change}
	}
	return fault{"kill", s.kill}
}

// others are the faults beside that.
func (s *scene) others() []fault {
	if s.cast.changes() {
		return []fault{{"withdraw", s.withdraw}, {"deaf", s.deaf}, {"kill", s.kill}}
	}
	all := []fault{{"cut", s.cut}, {"stall", s.stall}, {"slow", s.slow}, {"deaf", s.deaf}, {"withdraw", s.withdraw}}
	if s.cast.server != kindModern {
		all = append(all, fault{"forget", s.forget}, fault{"forgetIdle", s.forgetIdle})
	}
	if s.auth != nil {
		all = append(all, fault{"revoke", s.revoke}, fault{"regrant", s.regrant}, fault{"outage", s.outage})
	}
	return all
}

// timed plays a fault, and remembers the slowest. That is reported, and never
// judged.
func (s *scene) timed(f fault) {
	begun := time.Now()
	f.play()
	if took := time.Since(begun); took > s.slowest {
		s.slowest, s.slowestName = took, f.name
	}
}

// well reports whether nothing is wrong so far.
func (s *scene) well() bool { return !s.t.Failed() && len(s.violations()) == 0 }

// rest is what the bridge holds when nothing happens. Its connections are ended
// for that, since it keeps some of those that it used.
func (s *scene) rest() vitals {
	s.must(s.relay.hangUp(false))
	if s.auth != nil {
		s.auth.HTTP.CloseClientConnections()
	}
	return s.look()
}

// compare finds what has grown. What is on its way out may take its time.
func (s *scene) compare(before, now vitals) {
	const (
		goroutines = 8 // those of connections that may be there or not
		files      = 5
		heap       = 4 << 20
	)
	grown := func() bool {
		return now.Goroutines > before.Goroutines+goroutines || now.Files > before.Files+files || now.Heap > before.Heap+heap
	}
	for end := time.Now().Add(patience); grown() && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		now = s.look()
	}
	s.note("goroutines %d > %d, files %d > %d, heap %d > %d KB, resident %d > %d KB",
		before.Goroutines, now.Goroutines, before.Files, now.Files, before.Heap>>10, now.Heap>>10, before.Resident>>10, now.Resident>>10)
	if grown() {
		s.violate("the bridge has grown: %d goroutines, %d files, %d bytes; it had %d, %d, %d\n%s",
			now.Goroutines, now.Files, now.Heap, before.Goroutines, before.Files, before.Heap, now.Dump)
	}
}

// goodbye ends the session, of which nothing is left at the server. Servers of
// the modern era have none that clients could end.
func (s *scene) goodbye() {
	sessions := s.cast.server != kindModern
	if sessions {
		s.forgetIdle()
		s.awaitSessions("1")
	}
	s.note("ended in %s", s.leave().Round(time.Millisecond))
	switch {
	case !sessions:
	case s.login && s.cast.server == kindLegacy:
		// The farewell may need a new token, for which a slow machine has no time.
		s.note("%s sessions left", s.server.tell(orderCount))
	default:
		s.awaitSessions("0")
	}
}

// awaitSessions waits until the server has as many sessions.
func (s *scene) awaitSessions(want string) {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		got := s.server.tell(orderCount)
		if got == want {
			return
		}
		if time.Now().After(end) {
			s.violate("the server has %s sessions, want %s", got, want)
			return
		}
	}
}
