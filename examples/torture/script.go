// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

// A script is what the client asks the server to do in one call. The client
// made it, so it knows what has to come.
type script []step

// A step is one act of a script.
type step struct {
	Do    string `json:"do"`
	N     int    `json:"n,omitempty"`     // messages, lines or processes
	Pause int    `json:"pause,omitempty"` // milliseconds after each of them
	Bytes int    `json:"bytes,omitempty"`
	How   string `json:"how,omitempty"`
	Hold  bool   `json:"hold,omitempty"` // a forked process keeps our stdout and stderr
}

// The acts of the server. Those up to doAsk send messages with a number.
const (
	doProgress = "progress"
	doLog      = "log"
	doChanged  = "changed" // list_changed
	doAsk      = "ask"     // a request to the client; how is its method

	doSleep     = "sleep"
	doNoise     = "noise"     // lines on stdout that are no messages
	doMalformed = "malformed" // lines on stdout that were to be messages
	doStdout    = "stdout"    // noise by the megabyte
	doStderr    = "stderr"
	doStubborn  = "stubborn" // from now on, ignore TERM and the end of stdin
	doFork      = "fork"     // how is one of the words below
	doResult    = "result"   // the result has so many bytes

	// These end the script.
	doHang     = "hang"     // never answer
	doDeaf     = "deaf"     // never answer, and read no more
	doCrash    = "crash"    // how is one of the words below
	doGarble   = "garble"   // answer with something that is no message
	doCloseOut = "closeout" // close stdout
	doCloseIn  = "closein"  // close stdin, then answer
)

// How a process is forked, or ends.
const (
	forkGroup   = "group"   // a child in the process group
	forkSession = "session" // a child in a session of its own
	forkDaemon  = "daemon"  // the same, forked twice

	crashExit = "exit" // status 7
	crashKill = "kill"
	crashHalf = "half" // in the middle of a line

	crashStatus = 7
)

// How the server takes initialize.
const (
	initCrash  = "crash"
	initRefuse = "refuse"
	initHang   = "hang"
	initSlow   = "slow"
	initNoise  = "noise"
)

// numbered counts the messages with a number of the given kinds, or of all.
func (s script) numbered(kinds ...string) int {
	n := 0
	for _, st := range s {
		switch st.Do {
		case doProgress, doLog, doChanged, doAsk:
			if len(kinds) == 0 || slices.Contains(kinds, st.Do) {
				n += st.N
			}
		case doCrash, doCloseOut:
			if len(kinds) == 0 || slices.Contains(kinds, doLog) {
				n++ // that the end is near
			}
		}
	}
	return n
}

func (s script) has(do string) bool {
	for _, st := range s {
		if st.Do == do {
			return true
		}
	}
	return false
}

// resultBytes is the size of the text in the result.
func (s script) resultBytes() int {
	n := 0
	for _, st := range s {
		if st.Do == doResult {
			n = st.Bytes
		}
	}
	return n
}
