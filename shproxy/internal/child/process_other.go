// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package child

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

func sysProcAttr() *syscall.SysProcAttr { return nil }

// awaitExit returns when the process has ended and was reaped.
func awaitExit(cmd *exec.Cmd) *os.ProcessState {
	state, _ := cmd.Process.Wait()
	return state
}

// terminateGroup does nothing: Windows has no signal that asks a process
// without a console to end.
func terminateGroup(*os.Process) {}

// killGroup ends the child and the processes that it started.
func killGroup(p *os.Process) {
	_ = exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(p.Pid)).Run()
	_ = p.Kill()
}

func awaitGroup(*os.Process, time.Duration) {}
