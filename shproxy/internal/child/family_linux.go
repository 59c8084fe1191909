// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// family knows the children of this program: those that it has started and
// those that it has adopted. It is process-wide, as parenthood is.
var family = struct {
	mu       sync.Mutex       // held while adopted children are reaped or killed, so that their ids stay theirs
	wake     chan os.Signal   // guarded by mu; nil unless there is a subreaper
	starting int              // guarded by mu; starts under way
	own      map[int]struct{} // guarded by mu; started, and perhaps not reaped
}{own: make(map[int]struct{})}

// Subreaper makes this process adopt the orphans among the descendants of its
// children (PR_SET_CHILD_SUBREAPER; a process 1 has no choice), reap them, and
// kill them at the end of the child that they came from. Thus a process that
// a server started in a session of its own does not outlive the server. It is
// known by the variable SHPROXY_CHILD in the environment that it started
// with, which is set for all children from now on; a process that started
// with a clean environment, or has overwritten it, is reaped but not killed.
//
// It is meant for commands: other children of this process are reaped as well
// unless they are in its process group, as those that os/exec starts are by
// default. The error says that the kernel lacks something, or that there is a
// subreaper already. stop ends it and waits for its goroutine. notify and ignore
// are those of package os/signal, which is the command's to use.
func Subreaper(notify func(chan<- os.Signal, ...os.Signal), ignore func(chan<- os.Signal)) (stop func(), err error) {
	family.mu.Lock()
	defer family.mu.Unlock()
	if family.wake != nil {
		return nil, errors.New("this process adopts orphans already")
	}
	if _, err := adopted(); err != nil {
		return nil, fmt.Errorf("the kernel does not list child processes: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("becoming a subreaper: %w", err)
	}
	wake := make(chan os.Signal, 1)
	family.wake = wake
	notify(wake, syscall.SIGCHLD)
	wake <- syscall.SIGCHLD // there may be orphans already
	var reaper sync.WaitGroup
	reaper.Go(func() {
		for range wake {
			reapAdopted()
		}
	})
	return sync.OnceFunc(func() {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
		ignore(wake)
		family.mu.Lock()
		family.wake = nil
		close(wake)
		family.mu.Unlock()
		reaper.Wait()
	}), nil
}

// tokenName is the variable that tells from which child a process comes.
const tokenName = "SHPROXY_CHILD"

// mark adds a token to a child's environment, if there is a subreaper.
func mark(env []string) (marked []string, token string) {
	family.mu.Lock()
	defer family.mu.Unlock()
	if family.wake == nil {
		return env, ""
	}
	if env == nil {
		env = new(exec.Cmd).Environ() // what the child would inherit
	}
	token = rand.Text()
	return append(slices.Clip(env), tokenName+"="+token), token
}

// beginStart keeps a child from being taken for an adopted one until end has
// got its id, or 0 if there is none.
func beginStart() (end func(pid int)) {
	family.mu.Lock()
	family.starting++
	family.mu.Unlock()
	return func(pid int) {
		family.mu.Lock()
		defer family.mu.Unlock()
		family.starting--
		if pid != 0 {
			family.own[pid] = struct{}{}
		}
		if family.wake != nil {
			select {
			case family.wake <- syscall.SIGCHLD: // what was put off
			default:
			}
		}
	}
}

// forget releases the id of a child that was reaped.
func forget(pid int) {
	family.mu.Lock()
	defer family.mu.Unlock()
	delete(family.own, pid)
}

// adopted lists the processes that became children of this program by the
// death of their parent, and perhaps others: the kernel gives orphans to the
// first thread that lives, and Go's first thread always does.
func adopted() ([]int, error) {
	self := strconv.Itoa(os.Getpid())
	list, err := os.ReadFile("/proc/self/task/" + self + "/children")
	if err != nil {
		return nil, err
	}
	var pids []int
	for field := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// reapAdopted releases adopted processes that have ended. While a child is
// being started it does nothing, since that child might be among them.
func reapAdopted() {
	family.mu.Lock()
	defer family.mu.Unlock()
	for reaped := true; reaped && family.starting == 0; {
		reaped = false
		pids, _ := adopted()
		for _, pid := range pids {
			if _, own := family.own[pid]; own {
				continue
			}
			if group, err := unix.Getpgid(pid); err != nil || group == unix.Getpgrp() {
				continue // somebody else of this program waits for it
			}
			if n, _ := unix.Wait4(pid, nil, unix.WNOHANG, nil); n == pid {
				reaped = true
			}
		}
	}
}

// killStrays kills the adopted processes that bear the token, and those that
// their deaths make orphans, until none is left.
func killStrays(token string, deadline time.Time) {
	if token == "" {
		return
	}
	s := sweep{token: []byte(token), killed: make(map[int]struct{}), ended: make(map[int]struct{})}
	const patience = time.Second // for those that do not show where they come from
	clear := time.Now().Add(patience)
	for {
		found, unclear := s.pass()
		now := time.Now()
		if (!found || now.After(deadline)) && (!unclear || now.After(clear)) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	strays.Add(int64(len(s.killed)))
}

// sweep is the search for the strays of one child.
type sweep struct {
	token  []byte
	killed map[int]struct{}
	ended  map[int]struct{} // found so
}

// pass kills the strays that are there. With found there may be more: the
// children of one that was killed, or of one that ended after the list was
// made. With unclear, too: a process that is just executing a program, or
// ending, does not show its environment, nor does one with other rights.
func (s *sweep) pass() (found, unclear bool) {
	family.mu.Lock()
	defer family.mu.Unlock()
	pids, _ := adopted()
	for _, pid := range pids {
		if _, own := family.own[pid]; own {
			continue
		}
		environ, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		now := statOf(pid)
		_, killed := s.killed[pid]
		switch {
		case bytes.Contains(environ, s.token):
			_ = unix.Kill(pid, unix.SIGKILL)
			s.killed[pid] = struct{}{}
			found = true
		case now.ended:
			_, known := s.ended[pid]
			s.ended[pid] = struct{}{}
			found = found || !known
		case killed:
			found = true
		case len(environ) != now.environ: // of a past program, not all, or forbidden
			unclear = true
		}
	}
	return found, unclear
}
