// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the process that cmd starts the leader of a process group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithUs(cmd)
}

// signalGroup asks a process group to end, or forces it.
func signalGroup(leader int, force bool) error {
	if force {
		return syscall.Kill(-leader, syscall.SIGKILL)
	}
	return syscall.Kill(-leader, syscall.SIGTERM)
}
