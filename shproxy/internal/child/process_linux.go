// SPDX-License-Identifier: Apache-2.0

package child

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// sysProcAttr makes the child a group leader that dies with this program.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: new(int)}
}

// awaitExit returns when the process has ended. It leaves the process
// unreaped and returns nil, so that its group can still be signalled safely.
// The process file descriptor lets it wait in the runtime's poller: a waiting
// child costs no thread. Without one (Linux before 5.3) the process is reaped.
func awaitExit(cmd *exec.Cmd) *os.ProcessState {
	fd := *cmd.SysProcAttr.PidFD
	if fd >= 0 {
		_ = unix.SetNonblock(fd, true)
		file := os.NewFile(uintptr(fd), "pidfd")
		defer file.Close()
		if conn, err := file.SyscallConn(); err == nil && conn.Read(hasExited) == nil {
			return nil
		}
	}
	state, _ := cmd.Process.Wait()
	return state
}

func hasExited(pidfd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}
