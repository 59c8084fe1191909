// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync"
	"time"
)

// What can be wrong. The first four are the classes that a bridge must never
// produce.
const (
	badLost       = "lost"
	badDuplicated = "duplicated"
	badReordered  = "reordered"
	badMisrouted  = "misrouted"
	badAltered    = "altered"
	badUnanswered = "unanswered"
	badAnswer     = "wrong answer"
	badEnding     = "bad ending"
	badLeak       = "leaked"
	badMemory     = "memory"
	badAlarm      = "alarm" // a panic or a data race
)

// A violation is something that must not happen, with what is needed to find
// it again.
type violation struct {
	Kind    string `json:"kind"`
	Phase   string `json:"phase"`
	Client  int    `json:"client,omitempty"`
	Role    string `json:"client_kind,omitempty"`
	Session string `json:"session,omitempty"` // the nonce in the session's messages
	Call    int    `json:"call,omitempty"`
	Want    string `json:"want"`
	Got     string `json:"got"`
}

func (v violation) String() string {
	where := v.Phase
	if v.Client > 0 {
		where += fmt.Sprintf(", client %d (%s), session %s", v.Client, v.Role, v.Session)
	}
	if v.Call > 0 {
		where += fmt.Sprintf(", call %d", v.Call)
	}
	return fmt.Sprintf("%s: %s: want %s; got %s", v.Kind, where, v.Want, v.Got)
}

// A ledger checks every message that reaches one session.
type ledger struct {
	session string
	shared  bool // the server has other sessions, too
	violate func(kind string, call int, want, got string)

	mu    sync.Mutex
	calls map[int]*record // guarded by mu
	taken int             // guarded by mu; messages
	crash time.Time       // guarded by mu; when the server said that it ends
}

// A record is what came of one call.
type record struct {
	plan     *callPlan
	seen     []bool         // by number, from 1
	last     map[string]int // by stream, the highest number
	answered bool
	exempt   bool // its messages may be lost: the client asked for it
}

func newLedger(session string, shared bool, violate func(kind string, call int, want, got string)) *ledger {
	return &ledger{session: session, shared: shared, violate: violate, calls: make(map[int]*record)}
}

// open says that a call is about to be made.
func (l *ledger) open(p *callPlan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[p.Number] = &record{
		plan: p, seen: make([]bool, p.Script.numbered()+2), last: make(map[string]int),
	}
}

// excuse says that messages of the call need not arrive any more.
func (l *ledger) excuse(call int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.calls[call]; r != nil {
		r.exempt = true
	}
}

// excuseAll says it of all calls.
func (l *ledger) excuseAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.calls {
		r.exempt = true
	}
}

// standalone is the number of initialize and, after it, of streams that belong
// to no call.
const standalone = 0

// take checks a message that came on a stream, which belongs to a call or is
// standalone.
func (l *ledger) take(stream string, call int, m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken++
	if m.isResponse() {
		l.response(stream, call, m)
		return
	}
	t := m.tag()
	switch {
	case t == nil && m.Method == "notifications/tools/list_changed":
		return // the proxy may say so, too, when it has replaced a server
	case t == nil:
		l.violate(badMisrouted, call, "messages of the server, which have tags", describe(m))
		return
	case t.Session != l.session:
		if !l.shared || m.Method != "notifications/tools/list_changed" { // that one is for everybody
			l.violate(badMisrouted, call, "messages of session "+l.session, describe(m))
		}
		return
	}
	r := l.calls[t.Call]
	if r == nil {
		l.violate(badMisrouted, call, "messages of calls that were made", describe(m))
		return
	}
	if m.Method == "notifications/progress" {
		if t.Call != call {
			l.violate(badMisrouted, call, fmt.Sprintf("progress of call %d on its own stream", t.Call), describe(m)+" on the stream of another")
		}
		if got := string(m.Params.Token); got != r.plan.Token {
			l.violate(badAltered, t.Call, "progress token "+r.plan.Token, got)
		}
	}
	if t.Crash != 0 {
		l.crash = time.Unix(0, t.Crash)
	}
	l.number(r, stream, t)
}

// number checks that a message of the call is neither old nor known. l.mu is
// held.
func (l *ledger) number(r *record, stream string, t *tag) {
	call := r.plan.Number
	switch {
	case t.Seq < 1 || t.Seq >= len(r.seen):
		l.violate(badAltered, call, fmt.Sprintf("message numbers from 1 to %d", len(r.seen)-1), fmt.Sprint("number ", t.Seq))
		return
	case r.seen[t.Seq]:
		l.violate(badDuplicated, call, fmt.Sprintf("message %d once", t.Seq), "it again")
		return
	case t.Seq < r.last[stream]:
		l.violate(badReordered, call, fmt.Sprintf("messages in order on %s", stream), fmt.Sprintf("message %d after %d", t.Seq, r.last[stream]))
	}
	r.seen[t.Seq] = true
	r.last[stream] = max(r.last[stream], t.Seq)
}

// response checks a response to a call of ours. l.mu is held.
func (l *ledger) response(stream string, call int, m *message) {
	r := l.calls[call]
	switch {
	case r == nil:
		l.violate(badMisrouted, call, "no response on "+stream, describe(m))
		return
	case string(m.ID) != r.plan.ID:
		l.violate(badMisrouted, call, "a response with id "+r.plan.ID, describe(m))
		return
	case r.answered:
		l.violate(badDuplicated, call, "one response", "another: "+describe(m))
		return
	}
	r.answered = true
	if m.Result == nil || call == standalone {
		return // that of initialize is judged elsewhere
	}
	t := m.tag()
	if t == nil || t.Session != l.session || t.Call != call {
		l.violate(badMisrouted, call, fmt.Sprintf("the result of session %s, call %d", l.session, call), describe(m))
		return
	}
	if want := r.plan.Script.numbered() + 1; t.Seq != want {
		l.violate(badAltered, call, fmt.Sprintf("a result with number %d", want), fmt.Sprint(t.Seq))
		return
	}
	// Progress has one way only, so it must be there before the result.
	if want, got := r.plan.Script.numbered(doProgress), l.progress(r); got < want && !r.exempt {
		l.violate(badLost, call, fmt.Sprintf("%d progress notifications before the result", want), fmt.Sprint(got))
		r.exempt = true
	}
	l.number(r, stream, t)
}

// progress counts the progress notifications that came. l.mu is held.
func (l *ledger) progress(r *record) int {
	n, seq := 0, 0
	for _, st := range r.plan.Script {
		for range (script{st}).numbered() {
			if seq++; st.Do == doProgress && r.seen[seq] {
				n++
			}
		}
	}
	return n
}

// missing lists what has not come of the calls that were answered.
func (l *ledger) missing() map[int]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := make(map[int]string)
	for number, r := range l.calls {
		if r.exempt || !r.answered {
			continue
		}
		var seqs []int
		seq := 0
		for _, st := range r.plan.Script {
			for range (script{st}).numbered() {
				seq++
				// Nobody can tell whose the others are when the server is shared.
				if r.seen[seq] || l.shared && st.Do != doProgress {
					continue
				}
				seqs = append(seqs, seq)
			}
		}
		if len(seqs) > 0 {
			found[number] = fmt.Sprintf("all but %v", seqs)
		}
	}
	return found
}

// crashed returns when the server said that it ends, if it did.
func (l *ledger) crashed() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.crash, !l.crash.IsZero()
}

// messages counts what was taken.
func (l *ledger) messages() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// describe tells what a message is, without its payload.
func describe(m *message) string {
	what := "a response"
	switch {
	case m.Error != nil:
		what = fmt.Sprintf("error %d %q", m.Error.Code, m.Error.Message)
	case m.isRequest():
		what = "request " + m.Method
	case m.Method != "":
		what = m.Method
	}
	if m.ID != nil {
		what += fmt.Sprintf(" with id %.100s", m.ID)
	}
	if t := m.tag(); t != nil {
		what += fmt.Sprintf(" of session %s, call %d, number %d", t.Session, t.Call, t.Seq)
	}
	return what
}
