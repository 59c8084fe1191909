// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// connect gives the browser its ends of the pipes, which it expects as the
// handles that a flag names.
func connect(cmd *exec.Cmd, in, out *os.File) {
	r, w := syscall.Handle(in.Fd()), syscall.Handle(out.Fd())
	flags := []string{"--remote-debugging-pipe", fmt.Sprintf("--remote-debugging-io-pipes=%d,%d", r, w)}
	cmd.Args = append(cmd.Args[:1:1], append(flags, cmd.Args[1:]...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{AdditionalInheritedHandles: []syscall.Handle{r, w}}
}

// environment is that of this process, of which Windows programs need much.
func environment(string) []string { return nil }

// ownGroup does nothing: the children of the browser end when it does.
func ownGroup(*exec.Cmd) {}

func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may be gone already
	}
}

func endGroup(int) {}
