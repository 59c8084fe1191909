// SPDX-License-Identifier: Apache-2.0

package load

import (
	"syscall"
	"time"
)

// nap sleeps for a moment. The timers of the runtime wake an idle process up to
// a millisecond late; those of the system do not.
func nap(d time.Duration) {
	spec := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&spec, nil) // a signal may end it early
}
