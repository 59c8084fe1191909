// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

// What shproxy does not do yet.
const (
	// modern: it passes requests of protocol version 2026-07-28 to a server
	// that speaks it.
	modern = false
	// cancelsAfterDisconnect: a cancellation reaches the server though the
	// client closed the connection of the call before, and before anything
	// came back on it.
	cancelsAfterDisconnect = false
	// survivesCrash: a session whose server was killed goes on with another.
	survivesCrash = false
)
