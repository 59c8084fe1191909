// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// dice make a client's plan.
type dice struct {
	*rand.Rand
	*plan
	solo      bool    // the session has a server of its own
	rude      float64 // percent of the steps that make the server hard to end
	calls     int
	idStyle   int
	sameToken bool
}

func (d *dice) chance(percent float64) bool { return d.Float64()*100 < percent }

func (d *dice) between(low, high int) int { return low + d.IntN(high-low+1) }

func pick[T any](d *dice, from ...T) T { return from[d.IntN(len(from))] }

// newPlan throws the dice for one client: the same seed, the same plan.
func newPlan(seed uint64, phase, number int, m *mix) *plan {
	d := &dice{
		Rand: rand.New(rand.NewPCG(seed, uint64(phase)<<32|uint64(number))),
		plan: &plan{number: number}, solo: !m.shared, rude: m.rude,
	}
	d.kind = m.kind(d)
	d.version = pick(d, "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
	d.idStyle, d.sameToken = d.IntN(4), d.chance(10)
	d.listen, d.reset, d.delete = d.chance(40), d.chance(30), d.chance(30)
	d.relisten = d.listen && d.chance(15)
	switch d.kind {
	case survivor:
		d.gentle(d.between(1, 4))
	case vanisher:
		d.vanisher()
	case crasher:
		d.crasher()
	case hanger:
		d.hanger()
	case starter:
		d.init = pick(d, initCrash, initRefuse, initHang, initSlow, initNoise)
		d.gentle(1)
	}
	return d.plan
}

// gentle adds rounds in which nothing goes wrong.
func (d *dice) gentle(rounds int) {
	for range rounds {
		var r round
		for range pick(d, 1, 1, 1, 2, 3) {
			c := d.call(d.gentleScript())
			switch {
			case d.chance(5):
				c.leave, c.after, c.want = leaveCancel, d.between(0, 3), wantEnd
			case d.chance(10):
				c.leave, c.after = leaveCut, d.between(0, 6)
			}
			r.calls = append(r.calls, c)
		}
		d.rounds = append(d.rounds, r)
	}
}

func (d *dice) vanisher() {
	switch moment := d.IntN(6); moment {
	case 0, 1:
		d.leaveInit, d.leaveTime = pick(d, leaveBody, leaveTimer), d.IntN(20)
		return
	case 2: // with nothing but the standalone stream, or nothing at all
		d.gentle(d.between(0, 2))
	default:
		d.gentle(d.between(0, 2))
		s := d.gentleScript()
		if d.chance(50) { // what the server says comes when nobody waits for it any more
			s = script{{Do: doSleep, Pause: d.between(50, 300)}}
		}
		s = append(s, step{Do: doProgress, N: 10, Pause: d.IntN(4)}, step{Do: doSleep, Pause: d.IntN(200)})
		c := d.call(s)
		c.want = wantNothing
		c.leave = [...]leave{leaveBody, leaveTimer, leaveStream}[moment-3]
		c.after = d.between(1, 12)
		d.rounds = append(d.rounds, round{calls: []*callPlan{c}})
	}
	d.delete = false
}

func (d *dice) crasher() {
	d.gentle(d.between(0, 1))
	var r round
	for range d.between(0, 2) {
		c := d.call(script{{Do: doProgress, N: d.between(1, 3)}, {Do: doHang}})
		c.want = wantError
		r.calls = append(r.calls, c)
	}
	s := d.gentleScript()
	switch how := pick(d, crashExit, crashExit, crashKill, crashHalf, doCloseOut); how {
	case doCloseOut:
		r.last = d.call(append(s, step{Do: doCloseOut}))
		d.letGo(append(d.rounds, r))
	case crashKill:
		r.last = d.call(append(s, step{Do: doCrash, How: how}))
		r.last.says = "signal: killed"
	default:
		r.last = d.call(append(s, step{Do: doCrash, How: how}))
		r.last.says = "exit status " + strconv.Itoa(crashStatus)
	}
	r.last.want = wantError
	d.rounds, d.crash = append(d.rounds, r), true
	d.afterwards()
}

// letGo takes the pipes from the processes that the server forks: with them,
// nobody can see that the server has closed its own.
func (d *dice) letGo(rounds []round) {
	for _, r := range rounds {
		for _, c := range append(r.calls, r.last) {
			for i := range c.steps() {
				c.Script[i].Hold = false
			}
		}
	}
}

// afterwards plans what follows if the session has survived.
func (d *dice) afterwards() {
	before := d.rounds
	d.rounds = nil
	d.gentle(1)
	d.after, d.rounds = d.rounds, before
}

func (d *dice) hanger() {
	d.gentle(d.between(0, 1))
	hang := d.call(script{{Do: doProgress, N: 1}, {Do: doHang}})
	hang.after = 1
	r := round{calls: []*callPlan{hang}}
	ways := 6
	if !d.solo {
		ways = 3 // the others are the end of the server
	}
	switch d.IntN(ways) {
	case 0:
		hang.leave, hang.want = leaveCancel, wantEnd
		d.rounds = append(d.rounds, r)
		d.gentle(1)
	case 1:
		hang.leave, hang.want = leaveStream, wantNothing
		d.rounds = append(d.rounds, r)
	case 2:
		hang.want, r.delete = wantError, true
		d.rounds = append(d.rounds, r)
	case 3:
		d.deaf(hang)
	case 4: // what is written after the server has closed its input is lost
		hang.Script, hang.want = script{{Do: doCloseIn}}, wantResult
		c := d.call(nil)
		c.want = wantSome
		d.rounds, d.crash = append(d.rounds, r, round{calls: []*callPlan{c}}), true
		d.afterwards()
	case 5:
		hang.Script, hang.want = script{{Do: doProgress, N: 2}, {Do: doGarble}}, wantError
		d.rounds = append(d.rounds, r)
		d.gentle(1)
	}
}

// deaf makes the server read no more, and sends it large calls.
func (d *dice) deaf(first *callPlan) {
	first.Script, first.want = script{{Do: doProgress, N: 1}, {Do: doDeaf}}, wantNothing
	r := round{calls: []*callPlan{first}, vanish: d.between(50, 400)}
	for range d.between(1, 4) {
		c := d.call(nil)
		c.want, c.Pad = wantNothing, d.between(100_000, 3_000_000)
		r.calls = append(r.calls, c)
	}
	d.rounds, d.delete = append(d.rounds, r), false
}

// call makes the next call of the session.
func (d *dice) call(s script) *callPlan {
	d.calls++
	c := &callPlan{Number: d.calls, Script: s, Pad: d.size(4<<20, 100)}
	switch d.idStyle {
	case 0:
		c.ID = strconv.Itoa(d.calls)
	case 1:
		c.ID = strconv.Quote(strconv.Itoa(d.calls))
	case 2:
		c.ID = strconv.Itoa(9_007_199_254_740_993 + d.calls) // more than a double can tell apart
	case 3:
		c.ID = fmt.Sprintf("%q", fmt.Sprintf("call %d of %d", d.calls, d.number))
	}
	switch {
	case d.sameToken:
		c.Token = `"token"`
	case d.calls%2 == 0:
		c.Token = strconv.Itoa(1000 + d.calls)
	default:
		c.Token = strconv.Quote("p" + strconv.Itoa(d.calls))
	}
	return c
}

// size is mostly small, sometimes large, and rarely up to the limit.
func (d *dice) size(limit, small int) int {
	switch {
	case d.chance(0.6):
		return d.between(1<<20, limit)
	case d.chance(5):
		return d.between(10_000, 200_000)
	}
	return d.IntN(small)
}

// gentleScript makes a script after which the server is well.
func (d *dice) gentleScript() script {
	if d.chance(35) {
		return nil // a plain echo
	}
	var s script
	for range d.between(1, 4) {
		s = append(s, d.gentleStep())
	}
	return append(s, step{Do: doResult, Bytes: d.size(10<<20, 300)})
}

func (d *dice) gentleStep() step {
	if d.chance(d.rude) {
		return d.rudeStep()
	}
	pause := d.IntN(4)
	switch d.IntN(9) {
	case 0, 1, 2:
		return step{Do: doProgress, N: d.between(1, 12), Pause: pause}
	case 3:
		return step{Do: doLog, N: d.between(1, 6), Pause: pause}
	case 4:
		return step{Do: doChanged, N: d.between(1, 5)}
	case 5:
		methods := []string{"sampling/createMessage", "roots/list", "ping"}
		if d.version >= "2025-06-18" {
			methods = append(methods, "elicitation/create")
		}
		return step{Do: doAsk, How: pick(d, methods...), N: d.between(1, 2)}
	case 6:
		return step{Do: doSleep, Pause: d.between(1, 30)}
	case 7:
		return step{Do: pick(d, doNoise, doNoise, doMalformed), N: d.between(1, 12)}
	}
	return step{Do: pick(d, doStderr, doStderr, doStdout), Bytes: d.size(4<<20, 10_000)}
}

// rudeStep is one that makes the server hard to end.
func (d *dice) rudeStep() step {
	if d.chance(50) {
		return step{Do: doStubborn}
	}
	return step{Do: doFork, How: pick(d, forkGroup, forkGroup, forkSession, forkDaemon), N: d.between(1, 2), Hold: d.chance(50)}
}

// A mix is how often the kinds of clients occur, and what they meet.
type mix struct {
	shared  bool    // sessions share a server
	warm    bool    // the server was initialized by somebody else
	rude    float64 // percent of the steps that make a server hard to end
	weights []weight
}

type weight struct {
	kind   string
	weight int
}

// kind throws the dice for a kind.
func (m *mix) kind(d *dice) string {
	total := 0
	for _, w := range m.weights {
		total += w.weight
	}
	n := d.IntN(total)
	for _, w := range m.weights {
		if n -= w.weight; n < 0 {
			return w.kind
		}
	}
	return survivor
}
