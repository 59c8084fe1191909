// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bundle

import (
	"os/exec"
	"syscall"
)

// asGroup lets all that a command starts end with it, when time is up.
func asGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
