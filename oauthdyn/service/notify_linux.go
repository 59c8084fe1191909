// SPDX-License-Identifier: Apache-2.0

package service

import "golang.org/x/sys/unix"

// monotonicMicroseconds is the time by which systemd tells an answer to its
// signal from an older one.
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return now.Nano() / 1000
}
