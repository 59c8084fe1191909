// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"runtime"
	"time"
)

// Limits bound what a child may take. Each of its descendants has the same
// limits for itself. Zero means that there is no limit of ours; a limit that
// this process is itself under stays in force.
//
// On Linux the child is traced while it is started, so that it stops before
// its first instruction and gets its limits there. A setuid program has no
// other rights than this process then. Where tracing is forbidden, the limits
// are set when the program is already running: what it allocates, opens or
// starts in its first microseconds is not bounded.
type Limits struct {
	Memory    int64         // bytes of data (RLIMIT_DATA): heap, anonymous mappings, stacks of threads
	OpenFiles int           // file descriptors (RLIMIT_NOFILE)
	CPU       time.Duration // CPU time of one process (RLIMIT_CPU), rounded up to seconds; SIGXCPU, and KILL a second later
}

// Supported reports whether the system has these limits; only Linux has. No
// limits are supported everywhere.
func (l Limits) Supported() bool {
	return l == (Limits{}) || runtime.GOOS == "linux"
}

func (l Limits) check() error {
	switch {
	case !l.Supported():
		return errors.New("limits of memory, open files and CPU time need Linux")
	case l.Memory < 0 || l.OpenFiles < 0 || l.CPU < 0:
		return errors.New("a limit of memory, open files or CPU time is negative")
	}
	return nil
}
