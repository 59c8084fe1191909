// SPDX-License-Identifier: Apache-2.0

//go:build unix

package child

import (
	"os"
	"syscall"
	"time"
)

// terminateGroup asks the child and its descendants to end.
func terminateGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGTERM) }

// killGroup ends the child and its descendants.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// awaitGroup waits until nobody of a killed group is left. There is no event
// for it. The time is limited since zombies count, if nobody reaps them.
func awaitGroup(p *os.Process, limit time.Duration) {
	deadline := time.Now().Add(limit)
	for syscall.Kill(-p.Pid, 0) == nil && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
}
