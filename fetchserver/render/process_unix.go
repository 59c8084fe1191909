// SPDX-License-Identifier: Apache-2.0

//go:build unix

package render

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// connect gives the browser its ends of the pipes, which it expects as the file
// descriptors 3 and 4.
func connect(cmd *exec.Cmd, in, out *os.File) {
	cmd.Args = append(cmd.Args[:1:1], append([]string{"--remote-debugging-pipe"}, cmd.Args[1:]...)...)
	cmd.ExtraFiles = []*os.File{in, out}
}

// environment is all that the browser gets of ours: nothing. What it keeps for
// its user goes where its profile is.
func environment(profile string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + profile, "TMPDIR=" + profile, "XDG_CONFIG_HOME=" + profile, "XDG_CACHE_HOME=" + profile, "XDG_RUNTIME_DIR=" + profile,
		"LANG=C.UTF-8", "DBUS_SESSION_BUS_ADDRESS=disabled:", "DBUS_SYSTEM_BUS_ADDRESS=disabled:",
	}
}

// killGroup ends a process and those that it has started.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // they may be gone already

// endGroup ends what a process that has been waited for has left behind, and
// waits until it is gone; but not for ever, because a process may be stuck in
// the kernel.
func endGroup(pid int) {
	for range 500 {
		if syscall.Kill(-pid, syscall.SIGKILL) == syscall.ESRCH || !groupLives(pid) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}
