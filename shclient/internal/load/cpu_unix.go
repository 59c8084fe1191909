// SPDX-License-Identifier: Apache-2.0

//go:build unix

package load

import (
	"syscall"
	"time"
)

// CPU is the processor time that this process has used, without its children;
// 0 if it is not known.
func CPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
