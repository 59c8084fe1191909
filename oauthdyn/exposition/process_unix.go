// SPDX-License-Identifier: Apache-2.0

//go:build unix

package exposition

import (
	"syscall"
	"time"
)

// usage writes what the process has used, without its children, and what it
// may use.
func usage(w *Writer) {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		w.Family(Counter, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
		w.Sample(time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds())
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		w.Family(Gauge, "process_max_fds", "Maximum number of open file descriptors.")
		w.Sample(float64(limit.Cur))
	}
}
