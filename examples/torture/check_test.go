// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// arrival is a message that a ledger gets.
type arrival struct {
	stream string
	call   int // that the stream belongs to
	m      *message
}

func progress(session string, call, seq int) *message {
	return &message{Method: "notifications/progress", Params: &params{
		Token: fmt.Appendf(nil, `"p%d"`, call), Meta: meta{Torture: &tag{Session: session, Call: call, Seq: seq}},
	}}
}

func logged(session string, call, seq int) *message {
	m := progress(session, call, seq)
	m.Method, m.Params.Token = "notifications/message", nil
	return m
}

func answer(id, session string, call, seq int) *message {
	return &message{ID: []byte(id), Result: &result{Meta: meta{Torture: &tag{Session: session, Call: call, Seq: seq}}}}
}

// The plan: call 1 sends two progress notifications and a log, call 2 nothing.
func TestLedger(t *testing.T) {
	const me, other = "ME", "OTHER"
	p1, p2, l3 := arrival{"s1", 1, progress(me, 1, 1)}, arrival{"s1", 1, progress(me, 1, 2)}, arrival{"s1", 1, logged(me, 1, 3)}
	r1, r2 := arrival{"s1", 1, answer("1", me, 1, 4)}, arrival{"s2", 2, answer("2", me, 2, 1)}
	tests := []struct {
		name     string
		arrivals []arrival
		want     []string
	}{
		{"all is well", []arrival{p1, r2, p2, l3, r1}, nil},
		{"a log on the standalone stream", []arrival{p1, p2, {"get", standalone, logged(me, 1, 3)}, r1, r2}, nil},
		{"a log on the stream of another call", []arrival{p1, p2, {"s2", 2, logged(me, 1, 3)}, r1, r2}, nil},
		{"the proxy's own list_changed", []arrival{p1, p2, l3, {"get", standalone, &message{Method: "notifications/tools/list_changed"}}, r1, r2}, nil},
		{"an error", []arrival{p1, p2, l3, {"s1", 1, &message{ID: []byte("1"), Error: &rpcError{}}}, r2}, nil},
		{"the last progress is lost", []arrival{p1, l3, r1, r2}, []string{badLost}},
		{"a log is lost", []arrival{p1, p2, r1, r2}, []string{badLost}},
		{"progress twice", []arrival{p1, p1, p2, l3, r1, r2}, []string{badDuplicated}},
		{"a response twice", []arrival{p1, p2, l3, r1, r1, r2}, []string{badDuplicated}},
		{"another order", []arrival{p2, p1, l3, r1, r2}, []string{badReordered}},
		{"progress after the result", []arrival{p1, l3, r1, p2, r2}, []string{badLost, badReordered}},
		{"progress on the stream of another call", []arrival{p1, {"s2", 2, progress(me, 1, 2)}, l3, r1, r2}, []string{badMisrouted}},
		{"progress of another session", []arrival{p1, p2, {"s1", 1, progress(other, 1, 1)}, l3, r1, r2}, []string{badMisrouted}},
		{"the result of another session", []arrival{p1, p2, l3, {"s1", 1, answer("1", other, 1, 4)}, r2}, []string{badMisrouted}},
		{"the result of another call", []arrival{p1, p2, l3, r1, {"s2", 2, answer("1", me, 1, 4)}}, []string{badMisrouted}},
		{"a result on the standalone stream", []arrival{p1, p2, l3, r1, r2, {"get", standalone, answer("1", me, 1, 4)}}, []string{badMisrouted}},
		{"a call that was not made", []arrival{p1, p2, l3, r1, r2, {"s1", 1, logged(me, 3, 1)}}, []string{badMisrouted}},
		{"a message without a tag", []arrival{p1, p2, l3, r1, r2, {"s1", 1, &message{Method: "ping", ID: []byte("1")}}}, []string{badMisrouted}},
		{"another number", []arrival{p1, p2, l3, {"s1", 1, logged(me, 1, 7)}, r1, r2}, []string{badAltered}},
		{"another token", []arrival{p1, {"s1", 1, &message{Method: "notifications/progress", Params: &params{
			Token: []byte("1"), Meta: meta{Torture: &tag{Session: me, Call: 1, Seq: 2}}}}}, l3, r1, r2}, []string{badAltered}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			l := newLedger(me, false, func(kind string, _ int, want, found string) {
				t.Logf("%s: want %s; got %s", kind, want, found)
				got = append(got, kind)
			})
			l.open(&callPlan{Number: 1, ID: "1", Token: `"p1"`, Script: script{{Do: doProgress, N: 2}, {Do: doLog, N: 1}}})
			l.open(&callPlan{Number: 2, ID: "2"})
			for _, a := range test.arrivals {
				l.take(a.stream, a.call, a.m)
			}
			for call, missing := range l.missing() {
				if !strings.HasPrefix(missing, "all but") {
					t.Errorf("call %d: %q", call, missing)
				}
				got = append(got, badLost)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A shared server's lists change for all; its logs are for nobody in
// particular, but not for somebody else.
func TestLedgerShared(t *testing.T) {
	var got []string
	l := newLedger("ME", true, func(kind string, _ int, _, _ string) { got = append(got, kind) })
	l.open(&callPlan{Number: 1, ID: "1", Script: script{{Do: doLog, N: 1}}})
	changed := logged("OTHER", 9, 1)
	changed.Method = "notifications/tools/list_changed"
	l.take("get", standalone, changed)
	l.take("s1", 1, answer("1", "ME", 1, 2))
	if missing := l.missing(); len(got) > 0 || len(missing) > 0 {
		t.Errorf("got %q, missing %v", got, missing)
	}
	l.take("get", standalone, logged("OTHER", 9, 2))
	if !slices.Equal(got, []string{badMisrouted}) {
		t.Errorf("got %q", got)
	}
}

// A plan depends on nothing but the seed, the phase and the number.
func TestPlanIsReproducible(t *testing.T) {
	describe := func(seed uint64, number int) string { return newPlan(seed, 0, number, allKinds).String() }
	different := 0
	for n := range 200 {
		first, again := describe(1, n), describe(1, n)
		if first != again {
			t.Errorf("client %d has two plans", n)
		}
		if first != describe(2, n) {
			different++
		}
	}
	if different < 190 {
		t.Errorf("only %d of 200 plans depend on the seed", different)
	}
}
