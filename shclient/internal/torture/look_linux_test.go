// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// look tells how many files a process has open, and how many bytes of memory,
// as /proc shows it.
func look(pid int) (files int, resident int64) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return -1, -1
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1, -1
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			resident = kilobytes << 10
		}
	}
	return len(open), resident
}

// quit makes the bridge say where all of its goroutines are, and end.
func (p *program) quit() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) }
