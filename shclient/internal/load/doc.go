// SPDX-License-Identifier: Apache-2.0

// Package load measures a server under load: how many calls a second it
// answers, and how long each takes.
//
//	Target   opens sessions: NewHTTP, NewLines
//	Session  gives lanes, each of which makes one call at a time
//	Run      makes the calls of one step on lanes, and counts
//	Report   is what came of it: as a table, a plot, SVG or JSON
//
// A step is a closed loop, in which each lane calls again as soon as it has an
// answer, or an open one, in which calls start at a fixed rate whatever the
// server does. The latency in an open loop counts from the moment at which the
// call should have started, so that a server that stalls cannot hide the calls
// that it held up ("coordinated omission").
//
// What measures must not be what is measured: requests are prepared bytes on
// connections of our own, and answers are scanned, not decoded.
package load
