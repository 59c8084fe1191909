// SPDX-License-Identifier: Apache-2.0

package cli

import "runtime"

// ballastSize is memory that is asked for and never touched, so that it is not
// resident. It makes the collector wait for as much garbage again before it
// runs: with the few megabytes that live here, it would otherwise run after
// every thousand calls.
const ballastSize = 16 << 20

// carryBallast keeps the ballast until the function that it returns is called.
func carryBallast() (drop func()) {
	ballast := make([]byte, ballastSize)
	return func() { runtime.KeepAlive(ballast) }
}
