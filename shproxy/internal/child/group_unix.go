// SPDX-License-Identifier: Apache-2.0

//go:build unix

package child

import (
	"os"
	"syscall"
)

// terminateGroup asks the child and its descendants to end.
func terminateGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGTERM) }

// killGroup ends the child and its descendants.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
