// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package child

import (
	"os"
	"os/exec"
	"syscall"
)

// sysProcAttr makes the child a group leader.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit returns when the process has ended and was reaped.
func awaitExit(cmd *exec.Cmd) *os.ProcessState {
	state, _ := cmd.Process.Wait()
	return state
}

// dead cannot tell zombies from others here.
func (g group) dead() bool { return false }

// exiting cannot tell here.
func exiting(int) bool { return false }
