// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package render

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the browser the first of a process group. It ends with this
// process because its pipes do.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// groupLives takes the dead whom nobody has waited for as alive.
func groupLives(int) bool { return true }
