// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// modes of this test binary that are not the test server's.
var modes = map[string]func() int{
	parentMode: runParent, firstThreadMode: runOnFirstThread,
	openFilesMode: openFiles, leaderMode: runLeader, keeperMode: runKeeper,
}

const parentMode = "parent"

// runParent starts a stubborn child from its spawner, prints its pid and
// waits to be killed.
func runParent() int {
	runtime.LockOSThread() // keep the first thread, which never ends, from the spawner
	spawner := NewSpawner()
	c, err := spawner.Start(testConfig(testserver.Stubborn), newRecorder())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	// Threads that end must not take the child with them: these goroutines
	// need every thread that idles, and more, and end theirs.
	var all, ready sync.WaitGroup
	release := make(chan struct{})
	for range 50 {
		ready.Add(1)
		all.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-release
		})
	}
	ready.Wait()
	close(release)
	all.Wait()
	time.Sleep(50 * time.Millisecond)
	fmt.Println(c.cmd.Process.Pid, alive(c.cmd.Process.Pid))
	select {}
}

// A child does not outlive a proxy that is killed, and does not end before.
func TestParentDeath(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(exe)
	parent.Env = append(os.Environ(), testserver.Env+"="+parentMode)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, state, _ := strings.Cut(strings.TrimSpace(line), " ")
	child, err := strconv.Atoi(pid)
	if err != nil || state != "true" {
		t.Fatalf("parent says %q", line)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	for deadline := time.Now().Add(time.Minute); alive(child); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(child, syscall.SIGKILL)
			t.Fatal("the child outlives its parent")
		}
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// A process that has begun to end is waited for, however long the kernel needs:
// its exit status tells more than that its output has ended.
func TestSlowExit(t *testing.T) {
	ended, lives := exec.Command("/bin/sh", "-c", "exit 3"), exec.Command("/bin/cat")
	stdin, err := lives.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []*exec.Cmd{ended, lives} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	defer lives.Wait()
	defer stdin.Close()
	defer ended.Wait() // until then it is a zombie
	for !exiting(ended.Process.Pid) {
		runtime.Gosched()
	}
	for _, test := range []struct {
		cmd        *exec.Cmd
		told, soon bool
		waits      time.Duration
	}{
		{ended, true, true, 5 * time.Second},
		{ended, false, false, lingering + unkillable},
		{lives, false, false, lingering},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &Child{cmd: test.cmd, gone: make(chan struct{})}
			if test.told {
				time.AfterFunc(test.waits, func() { close(c.gone) })
			}
			begin := time.Now()
			if soon := c.endsSoon(); soon != test.soon || time.Since(begin) != test.waits {
				t.Errorf("%v: ends soon: %v, after %v; want %v after %v", test.cmd, soon, time.Since(begin), test.soon, test.waits)
			}
		})
	}
}
