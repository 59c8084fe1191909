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
			if state, id := stat(pid); id == g.id && state != 'Z' && state != 'X' {
				return false
			}
		}
	}
	return true
}

// stat returns the state of a process, 0 if there is none, and its group.
func stat(pid int) (state byte, group int) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 3 {
		return 0, 0
	}
	group, _ = strconv.Atoi(fields[2]) // after state and parent
	return fields[0][0], group
}
