// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ is 100 on every
// architecture that Go runs on.
const clockTick = time.Second / 100

// A stat is the part of /proc/PID/stat that is needed here (proc_pid_stat(5)).
type stat struct {
	parent  int
	cpu     time.Duration // user and system time of all threads, without children
	started uint64        // with the pid, names a process for good
	rss     int64         // bytes
}

func readStat(pid int) (stat, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	return parseStat(b)
}

func parseStat(b []byte) (stat, bool) {
	// The second field is the command in parentheses and may hold anything.
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return stat{}, false
	}
	fields := strings.Fields(string(b[end+1:])) // fields[0] is field 3, the state
	if len(fields) < 22 || fields[0] == "Z" {
		return stat{}, false
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(fields[field-3], 10, 64)
		return n
	}
	return stat{
		parent:  int(number(4)),
		cpu:     time.Duration(number(14)+number(15)) * clockTick,
		started: uint64(number(22)),
		rss:     number(24) * int64(os.Getpagesize()),
	}, true
}

// cpuTime returns the CPU time that the processes have used.
func cpuTime(pids []int) (time.Duration, bool) {
	var sum time.Duration
	for _, pid := range pids {
		s, ok := readStat(pid)
		if !ok {
			return 0, false
		}
		sum += s.cpu
	}
	return sum, true
}

// residentBytes returns the memory of the processes, and with all their
// descendants. Shared pages count in each process that has them.
func residentBytes(pids []int) (own, tree int64, ok bool) {
	for _, pid := range pids {
		s, ok := readStat(pid)
		if !ok {
			return 0, 0, false
		}
		own += s.rss
		tree += s.rss
		for _, child := range descendants(pid) {
			if s, ok := readStat(child.pid); ok {
				tree += s.rss
			}
		}
	}
	return own, tree, true
}

// peakBytes is the most memory that a process had that has ended.
func peakBytes(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(usage.Maxrss) << 10
}

// selfUsage is the CPU time of this process so far, and the most memory that it
// had.
func selfUsage() (cpu time.Duration, peak int64) {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0, 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), int64(usage.Maxrss) << 10
}

// A relative is a descendant of a process.
type relative struct {
	pid     int
	started uint64
}

// descendants returns the children of a process, their children and so on.
func descendants(root int) []relative {
	children := map[int][]relative{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if s, ok := readStat(pid); ok {
			children[s.parent] = append(children[s.parent], relative{pid, s.started})
		}
	}
	found := children[root]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found
}

func (r relative) alive() bool {
	s, ok := readStat(r.pid)
	return ok && s.started == r.started
}

func countAlive(family []relative) int {
	n := 0
	for _, r := range family {
		if r.alive() {
			n++
		}
	}
	return n
}

func killAlive(family []relative) {
	for _, r := range family {
		if r.alive() {
			syscall.Kill(r.pid, syscall.SIGKILL)
		}
	}
}

// dieWithUs ends the process that cmd starts should this one be killed.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM }

// machine describes the processor.
func machine() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return ""
}
