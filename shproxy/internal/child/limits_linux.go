// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// launch starts the process under the limits. It is called on the spawner's
// thread, which is the one that may talk to a process that it traces.
func launch(command func() *exec.Cmd, l Limits) (*exec.Cmd, error) {
	cmd := command()
	if l == (Limits{}) {
		return cmd, cmd.Start()
	}
	cmd.SysProcAttr.Ptrace = true
	held := cmd.Start() == nil
	if !held { // perhaps because tracing is forbidden
		cmd = command()
		if err := cmd.Start(); err != nil {
			return nil, err
		}
	}
	err := confine(cmd.Process.Pid, l, held)
	if err != nil {
		_ = cmd.Process.Kill()
		if awaitExit(cmd) == nil {
			_, _ = cmd.Process.Wait()
		}
		return nil, err
	}
	return cmd, nil
}

// confine limits a process and lets it go if it is held before its first
// instruction.
func confine(pid int, l Limits, held bool) error {
	if held {
		// Not reaped, if something has killed it meanwhile.
		for unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
	}
	if err := l.apply(pid); err != nil {
		return fmt.Errorf("setting its limits: %w", err)
	}
	if held {
		_ = unix.PtraceDetach(pid) // fails if it is dead
	}
	return nil
}

func (l Limits) apply(pid int) error {
	if l.Memory > 0 {
		if err := limit(pid, unix.RLIMIT_DATA, uint64(l.Memory), uint64(l.Memory)); err != nil {
			return err
		}
	}
	if l.OpenFiles > 0 {
		if err := limit(pid, unix.RLIMIT_NOFILE, uint64(l.OpenFiles), uint64(l.OpenFiles)); err != nil {
			return err
		}
	}
	if l.CPU > 0 {
		seconds := uint64((l.CPU + time.Second - 1) / time.Second)
		return limit(pid, unix.RLIMIT_CPU, seconds, seconds+1)
	}
	return nil
}

// limit lowers a limit of the process and never raises it.
func limit(pid, resource int, soft, hard uint64) error {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		return err
	}
	return unix.Prlimit(pid, resource, &unix.Rlimit{Cur: min(soft, old.Cur), Max: min(hard, old.Max)}, nil)
}
