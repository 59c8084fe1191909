// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

// cancelsAfterDisconnect says that a cancellation reaches the server though
// the client closed the connection of the call before, and before anything
// came back on it. shproxy does not do that yet.
const cancelsAfterDisconnect = true
