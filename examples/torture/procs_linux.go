// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// canSeeProcesses tells whether leaks can be looked for.
const canSeeProcesses = true

// A proc is a process as /proc shows it.
type proc struct {
	pid, parent int
	started     uint64 // with the pid, names a process for good
	zombie      bool
	role        string // the word before the marker in its command line
}

// processes lists those that match.
func processes(match func(proc) bool) []proc {
	var found []proc
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			if p, ok := readProc(pid); ok && match(p) {
				found = append(found, p)
			}
		}
	}
	return found
}

// readProc reads /proc/PID/stat (proc_pid_stat(5)).
func readProc(pid int) (proc, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	// The second field is the command in parentheses and may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // fields[0] is field 3
	if len(fields) < 20 {
		return proc{}, false
	}
	p := proc{pid: pid, zombie: fields[0] == "Z"}
	p.parent, _ = strconv.Atoi(fields[1])
	p.started, _ = strconv.ParseUint(fields[19], 10, 64)
	return p, true
}

func (p proc) alive() bool {
	now, ok := readProc(p.pid)
	return ok && now.started == p.started && !now.zombie
}

// marked lists the processes of the run, wherever they are in the tree: those
// with the marker in their command line or, however it was passed on, in
// their environment.
func marked(marker string) []proc {
	self := os.Getpid()
	var found []proc
	for _, p := range processes(func(p proc) bool { return p.pid != self && !p.zombie }) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		words := strings.Split(string(line), "\x00")
		if i := slices.Index(words, marker); i > 0 {
			p.role = words[i-1]
			if slices.Contains(words[:i], "--") {
				p.role = "proxy"
			}
			found = append(found, p)
			continue
		}
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
		if bytes.Contains(environ, []byte(marker)) {
			p.role = filepath.Base(words[0])
			found = append(found, p)
		}
	}
	return found
}

// childrenOf lists the children of a process, zombies too.
func childrenOf(pid int) []proc {
	return processes(func(p proc) bool { return p.parent == pid })
}

func (p proc) kill() { _ = syscall.Kill(p.pid, syscall.SIGKILL) }

// readVitals tells what a process holds.
func readVitals(pid int) (v vitals, ok bool) {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return v, false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return v, false
	}
	v.Files = len(fds)
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		number, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "Threads":
			v.Threads = int(number)
		case "VmRSS":
			v.Resident = number << 10
		case "RssAnon":
			v.Anonymous = number << 10
		}
	}
	return v, true
}

// A keeper adopts the processes whose parents have ended, so that they can be
// found and so that, once dead, they do not stay as zombies where process 1
// does not care for them: the proxy under test would wait for those.
type keeper struct {
	mu    sync.Mutex
	owned map[int]bool // guarded by mu; somebody else waits for them
	quit  chan struct{}
	done  chan struct{}
}

func newKeeper() (*keeper, error) {
	const prSetChildSubreaper = 36 // prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return nil, fmt.Errorf("prctl: %w", errno)
	}
	k := &keeper{owned: make(map[int]bool), quit: make(chan struct{}), done: make(chan struct{})}
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		defer close(k.done)
		defer signal.Stop(died)
		for {
			select {
			case <-died:
				k.reap()
			case <-k.quit:
				return
			}
		}
	}()
	return k, nil
}

// start starts a process that the caller waits for.
func (k *keeper) start(cmd *exec.Cmd) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	k.owned[cmd.Process.Pid] = true
	return nil
}

// wait waits for a process that start has started.
func (k *keeper) wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.owned, cmd.Process.Pid)
	return err
}

func (k *keeper) reap() {
	k.mu.Lock()
	defer k.mu.Unlock()
	self := os.Getpid()
	for _, p := range processes(func(p proc) bool { return p.zombie && p.parent == self }) {
		if !k.owned[p.pid] {
			_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
		}
	}
}

func (k *keeper) close() {
	close(k.quit)
	<-k.done
}

// dieWithUs kills the process should this one be killed.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
