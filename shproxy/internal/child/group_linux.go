// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// dead reports whether only zombies are left of the group: those stay where
// nobody reaps orphans. It is slow, since it looks at every process.
func (g group) dead() bool {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, p := range processes {
		if pid, err := strconv.Atoi(p.Name()); err == nil {
			if s := statOf(pid); s.group == g.id && !s.ended {
				return false
			}
		}
	}
	return true
}

// exiting reports whether the process has begun to end.
func exiting(pid int) bool { return statOf(pid).exiting }

// stat is what the kernel tells about a process (proc_pid_stat(5)).
type stat struct {
	group   int
	ended   bool // it is a zombie, or not there
	exiting bool // it has ended, or is about to and runs no code of its own any more
	environ int  // bytes of its environment; -1 while it is executing a program or ending
}

func statOf(pid int) stat {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{ended: true, exiting: true}
	}
	// The name, in parentheses, may hold anything. The state is the third
	// field.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const state, group, flags, envStart, envEnd = 0, 5 - 3, 9 - 3, 50 - 3, 51 - 3
	if len(fields) <= envEnd {
		return stat{ended: true, exiting: true}
	}
	s := stat{ended: fields[state] == "Z" || fields[state] == "X", environ: -1}
	const pfExiting = 0x4 // PF_EXITING of linux/sched.h, set before the kernel closes the files
	bits, _ := strconv.ParseUint(fields[flags], 10, 64)
	s.exiting = s.ended || bits&pfExiting != 0
	if end, _ := strconv.ParseUint(fields[envEnd], 10, 64); end != 0 {
		start, _ := strconv.ParseUint(fields[envStart], 10, 64)
		s.environ = int(end - start)
	}
	s.group, _ = strconv.Atoi(fields[group])
	return s
}
