// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	line := "42 (a) R (b)) S 7 42 42 0 -1 4194560 1 0 0 0 150 50 9 9 20 0 1 0 12345 1000000 3 184467"
	got, ok := parseStat([]byte(line))
	want := stat{parent: 7, cpu: 2 * time.Second, started: 12345, rss: 3 * int64(os.Getpagesize())}
	if !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 1 2", "42 (x) Z 7 42 42 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 1 0 0 0"} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q parses", bad)
		}
	}
}

func TestProcOfThisProcess(t *testing.T) {
	self := []int{os.Getpid()}
	if own, tree, ok := residentBytes(self); !ok || own < 1e6 || tree < own {
		t.Errorf("memory %d, %d, %v", own, tree, ok)
	}
	waitFor(t, "some CPU time", func() bool {
		used, ok := cpuTime(self)
		return ok && used > 0
	})
	if _, ok := cpuTime([]int{-1}); ok {
		t.Error("there is no process -1")
	}
}

// TestStopEndsAll starts a process that ignores the polite signal, has a
// child in its group, and one that has left the group.
func TestStopEndsAll(t *testing.T) {
	p, err := startProcess([]string{"sh", "-c", `trap "" TERM; sleep 600 & setsid sleep 600 >/dev/null 2>&1 & wait; wait; wait`}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	p.grace = 2 * time.Second // in which those of its group die when they are killed, however busy the machine
	waitFor(t, "two children", func() bool { return len(descendants(p.pid())) == 2 })
	family := descendants(p.pid())
	if left := p.stop(); left != 1 {
		t.Errorf("%d processes would have been left, want 1", left)
	}
	waitFor(t, "the end of all", func() bool { return countAlive(family) == 0 })
}
