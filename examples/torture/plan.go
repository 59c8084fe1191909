// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The kinds of clients.
const (
	survivor = "survivor" // behaves, and checks that all is well
	vanisher = "vanisher" // leaves without a word, at some moment
	crasher  = "crasher"  // makes the server crash, with calls in flight
	hanger   = "hanger"   // makes the server hang in some way
	starter  = "starter"  // meets a server that has trouble with initialize
	stranger = "stranger" // sends what must be refused
)

// A plan is all that one client will do.
type plan struct {
	number    int
	kind      string
	version   string
	init      string // how the server takes initialize
	leaveInit leave
	leaveTime int // milliseconds, for leaveInit
	listen    bool
	relisten  bool // open the standalone stream again, while it is open
	reset     bool // connections end with RST
	rounds    []round
	crash     bool // the session may end with the last round
	after     []round
	delete    bool
}

// A round is a number of calls at the same time.
type round struct {
	calls []*callPlan
	// Done when each of the calls has got its first message:
	last   *callPlan
	delete bool
	vanish int // so many milliseconds after the beginning; 0: never
}

// A want is what must come of a call.
type want uint8

const (
	wantResult want = iota
	wantError       // a JSON-RPC error
	wantSome        // either, or that the session is gone
	wantEnd         // the end of the stream; a result may overtake it
	wantNothing
)

// A leave is how a client leaves a call.
type leave uint8

const (
	stay        leave = iota
	leaveCancel       // by notifications/cancelled
	leaveCut          // lose the connection and resume, where event ids are offered
	leaveBody         // in the middle of the request's body
	leaveTimer        // some time after the request
	leaveStream       // after some messages of the reply
)

// A callPlan is one call.
type callPlan struct {
	Number int    // within the session, from 1
	ID     string // raw JSON
	Token  string // raw JSON, or empty
	Script script
	Pad    int
	want   want
	says   string // what the error must tell
	leave  leave
	after  int // messages, or milliseconds
}

// steps returns the script, also of no call.
func (c *callPlan) steps() script {
	if c == nil {
		return nil
	}
	return c.Script
}

// String tells the plan, for whoever runs one client alone.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, version %s, listen %t, again %t, reset %t, delete %t, initialize %q\n", p.kind, p.version, p.listen, p.relisten, p.reset, p.delete, p.init)
	for i, r := range slices.Concat(p.rounds, p.after) {
		fmt.Fprintf(&b, "  round %d, delete %t, vanish after %d ms\n", i+1, r.delete, r.vanish)
		for _, c := range append(slices.Clone(r.calls), r.last) {
			if c == nil {
				continue
			}
			s, _ := json.Marshal(c.Script)
			fmt.Fprintf(&b, "    call %d, id %s, token %s, padding %d, wants %d, leaves %d after %d: %s\n", c.Number, c.ID, c.Token, c.Pad, c.want, c.leave, c.after, s)
		}
	}
	return b.String()
}
