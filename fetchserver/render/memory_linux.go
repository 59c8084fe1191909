// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// watchMemory kills the renderers of a browser that take more than so many
// bytes, until stop is closed or the browser has ended. The page then counts as
// crashed.
func watchMemory(stop <-chan struct{}, p *process, most int64) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-p.gone:
			return
		case <-tick.C:
		}
		for _, pid := range members(p.pid) {
			if memory(pid) > most && isRenderer(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
	}
}

// memory returns what a process has of its own in memory, in bytes (proc(5),
// statm: resident without shared pages).
func memory(pid int) int64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	fields := bytes.Fields(raw)
	if err != nil || len(fields) < 3 {
		return 0
	}
	resident, err1 := strconv.ParseInt(string(fields[1]), 10, 64)
	shared, err2 := strconv.ParseInt(string(fields[2]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return (resident - shared) * int64(os.Getpagesize())
}

func isRenderer(pid int) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err == nil && bytes.Contains(line, []byte("--type=renderer"))
}
