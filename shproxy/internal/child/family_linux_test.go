// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

func subreaper(t *testing.T) {
	t.Helper()
	stop, err := Subreaper(signal.Notify, signal.Stop)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
}

// daemon is a script that starts a process which is nobody's descendant in any
// way that the kernel knows, with a child of its own, and tells both ids.
const daemon = `(setsid sh -c 'sleep 600 & echo "{\"jsonrpc\":\"2.0\",\"id\":$$,\"method\":\"$!\"}"; exec sleep 600' &); `

func startDaemon(t *testing.T) (c *Child, r *recorder, pids [2]int) {
	t.Helper()
	needSetsid(t)
	c, r = startTest(t, shell(t, daemon+"read line"))
	frame := <-r.frames
	if _, err := fmt.Sscanf(frame, `request {"jsonrpc":"2.0","id":%d,"method":"%d"}`, &pids[0], &pids[1]); err != nil {
		t.Fatal(frame, err)
	}
	t.Cleanup(func() {
		kill(pids[0])
		kill(pids[1])
	})
	return c, r, pids
}

// A process that left its child's group and session does not outlive the
// child, and nothing happens to those of other children.
func TestStrays(t *testing.T) {
	before := Strays()
	subreaper(t)
	c, r, gone := startDaemon(t)
	_, _, others := startDaemon(t)
	c.Kill()
	<-r.exited
	<-c.Done()
	for _, pid := range gone {
		if alive(pid) {
			t.Errorf("process %d is alive", pid)
		}
	}
	for _, pid := range others {
		if !alive(pid) {
			t.Errorf("process %d of another child is dead", pid)
		}
	}
	if n := Strays() - before; n != 2 {
		t.Errorf("%d strays", n)
	}
}

// At whatever moment the child ends, nobody is left.
func TestNoStrayEscapes(t *testing.T) {
	needSetsid(t)
	subreaper(t)
	spawner := NewSpawner()
	defer spawner.Close()
	var all sync.WaitGroup
	for i := range 100 {
		r := newRecorder()
		c, err := spawner.Start(shell(t, daemon+daemon+"read line"), r)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range i % 3 { // two frames come
				<-r.frames
			}
			c.Kill()
			<-c.Done()
			if pids := descendants(t, c.token); len(pids) > 0 {
				t.Errorf("processes %v are left", pids)
				for _, pid := range pids {
					kill(pid)
				}
			}
		})
	}
	all.Wait()
}

// descendants finds the living processes that bear the token.
func descendants(t *testing.T, token string) (pids []int) {
	t.Helper()
	processes, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		environ, _ := os.ReadFile("/proc/" + p.Name() + "/environ")
		if bytes.Contains(environ, []byte(token)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Without a subreaper nothing changes for the child, and strays stay.
func TestNoSubreaper(t *testing.T) {
	c, r, pids := startDaemon(t)
	c.Kill()
	<-r.exited
	<-c.Done()
	if !alive(pids[0]) || !alive(pids[1]) {
		t.Error("a process outside of the group was killed")
	}
	_, r = startTest(t, shell(t, "env | grep ^"+tokenName+" >&2; exit 0"))
	if e := <-r.exited; e.Stderr != "" {
		t.Errorf("the environment holds %s", e.Stderr)
	}
}

// Adopted processes are reaped when they end.
func TestOrphansAreReaped(t *testing.T) {
	subreaper(t)
	needSetsid(t)
	c, r := startTest(t, shell(t, `(setsid sh -c 'echo "{\"jsonrpc\":\"2.0\",\"id\":$$,\"method\":\"m\"}"; exit 3' &); read line`))
	var pid int
	if _, err := fmt.Sscanf(<-r.frames, `request {"jsonrpc":"2.0","id":%d,`, &pid); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); unix.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the orphan is still there")
		}
	}
	select {
	case <-c.Done():
		t.Error("the child has ended")
	default:
	}
}

const firstThreadMode = "first thread"

func init() {
	if os.Getenv(testserver.Env) == firstThreadMode {
		runtime.LockOSThread() // in init, this is the first one
	}
}

// runOnFirstThread starts children in the thread to which orphans go, so that
// the reaper sees them all, and reports what it has taken from us.
func runOnFirstThread() int {
	stop, err := Subreaper(signal.Notify, signal.Stop)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()

	// One that ends before its start has.
	end := beginStart()
	early := exec.Command("/bin/sh", "-c", "exit 7")
	early.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := early.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for !statOf(early.Process.Pid).ended {
		runtime.Gosched()
	}
	reapAdopted()
	end(early.Process.Pid)
	reapAdopted()
	if err := early.Wait(); err == nil || err.Error() != "exit status 7" {
		fmt.Fprintln(os.Stderr, "early:", err)
		return 1
	}
	forget(early.Process.Pid)

	var all sync.WaitGroup
	defer all.Wait()
	cfg := testConfig("")
	cfg.Path, cfg.Args = "/bin/sh", []string{"-c", "(sleep 0 &); exit 7"}
	for range 200 {
		r := newRecorder()
		c, err := start(cfg)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		all.Go(func() { c.serve(r) })
		if e := <-r.exited; e.Code != 7 {
			fmt.Fprintln(os.Stderr, "child:", e)
			return 1
		}
		err = exec.Command("/bin/sh", "-c", "exit 7").Run()
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 7 {
			fmt.Fprintln(os.Stderr, "os/exec:", err)
			return 1
		}
	}
	return 0
}

// The reaper takes no exit status away, neither from children nor from what
// this program starts by other means.
func TestReaperStealsNothing(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), testserver.Env+"="+firstThreadMode)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestOneSubreaper(t *testing.T) {
	stop, err := Subreaper(signal.Notify, signal.Stop)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Subreaper(signal.Notify, signal.Stop); err == nil {
		t.Error("there are two")
	}
	stop()
	stop()
	subreaper(t) // again
}

const (
	leaderMode = "leader"
	keeperMode = "keeper"
)

// runLeader starts a keeper, says who it and its child are, and ends.
func runLeader() int {
	exe, _ := os.Executable()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), testserver.Env+"="+keeperMode)
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return 1
	}
	var member int
	if _, err := fmt.Fscan(out, &member); err != nil {
		return 1
	}
	fmt.Printf(`{"jsonrpc":"2.0","id":%d,"method":"%d"}`+"\n", cmd.Process.Pid, member)
	return 3
}

// runKeeper starts a process in the group, leaves the group, and never waits.
func runKeeper() int {
	cmd := exec.Command("sleep", "600")
	if cmd.Start() != nil || syscall.Setpgid(0, 0) != nil {
		return 1
	}
	fmt.Println(cmd.Process.Pid)
	time.Sleep(time.Hour)
	return 0
}

// A zombie that nobody reaps does not hold up the end.
func TestZombieInGroup(t *testing.T) {
	var logged bytes.Buffer
	cfg := testConfig(leaderMode)
	cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	c, r := startTest(t, cfg)
	if e := <-r.exited; e.Code != 3 {
		t.Fatal(e)
	}
	var keeper, member int
	if _, err := fmt.Sscanf(<-r.frames, `request {"jsonrpc":"2.0","id":%d,"method":"%d"}`, &keeper, &member); err != nil {
		t.Fatal(err)
	}
	defer kill(keeper)
	<-c.Done()
	if s := statOf(member); !s.ended || s.group != c.cmd.Process.Pid {
		t.Errorf("process %+v", s)
	}
	if c.group.empty() || strings.Contains(logged.String(), "could not be killed") {
		t.Errorf("empty %v; logged %s", c.group.empty(), logged.String())
	}
}
