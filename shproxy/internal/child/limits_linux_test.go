// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const openFilesMode = "open files"

// openFiles prints how many more files it can open, and why not one more.
func openFiles() int {
	for n := 0; ; n++ {
		// Not os.Open, which needs descriptors of its own.
		if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil {
			fmt.Fprintln(os.Stderr, n, err)
			return 0
		}
	}
}

func TestLimitOpenFiles(t *testing.T) {
	cfg := testConfig(openFilesMode)
	cfg.Limits.OpenFiles = 50
	_, r := startTest(t, cfg)
	e := <-r.exited
	var n int
	if _, err := fmt.Sscan(e.Stderr, &n); err != nil || n < 30 || n >= 50 || !strings.Contains(e.Stderr, "too many open files") {
		t.Errorf("%+v", e)
	}
}

// A program that does not end at the limit ends a second later.
func TestLimitCPU(t *testing.T) {
	for script, want := range map[string]string{
		"while :; do :; done":               "signal: CPU time limit exceeded",
		"trap '' XCPU; while :; do :; done": "signal: killed",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			cfg := shell(t, script)
			cfg.Limits.CPU = time.Millisecond // rounded up to a second
			_, r := startTest(t, cfg)
			if e := <-r.exited; !strings.HasPrefix(e.Status, want) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// The memory is that of a shell: a binary with the race detector cannot live
// with a limit.
func TestLimitMemory(t *testing.T) {
	cfg := shell(t, `x=$(head -c 1000000 /dev/zero | tr '\0' x); i=0
		while [ $i -lt 8 ]; do x=$x$x; i=$((i+1)); done; echo "${#x} bytes" >&2`)
	_, r := startTest(t, cfg)
	if e := <-r.exited; e.Stderr != "256000000 bytes" {
		t.Errorf("without a limit: %+v", e)
	}
	cfg.Limits.Memory = 100 << 20
	_, r = startTest(t, cfg)
	if e := <-r.exited; e.Code == 0 || strings.Contains(e.Stderr, "bytes") {
		t.Errorf("with a limit: %+v", e)
	}
}

// The limits are there from the first instruction on, for descendants, too,
// and this process has them not.
func TestLimitsFromTheStart(t *testing.T) {
	var before, after [3]unix.Rlimit
	own := func(limits *[3]unix.Rlimit) {
		for i, resource := range []int{unix.RLIMIT_DATA, unix.RLIMIT_NOFILE, unix.RLIMIT_CPU} {
			if err := unix.Getrlimit(resource, &limits[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	own(&before)
	cfg := shell(t, "(ulimit -Hd; ulimit -n; ulimit -St; sh -c 'ulimit -Sd') >&2; exit 7")
	cfg.Limits = Limits{Memory: 64 << 20, OpenFiles: 77, CPU: 90*time.Second + 1}
	for range 20 {
		_, r := startTest(t, cfg)
		if e := <-r.exited; e.Code != 7 || strings.Join(e.Lines, " ") != "65536 77 91 65536" {
			t.Fatalf("%+v", e)
		}
	}
	if own(&after); after != before {
		t.Errorf("our own limits were %v and are %v", before, after)
	}
}

// Without tracing, the limits come at once, and not too high.
func TestLimitsWithoutTracing(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read line; ulimit -Hn; ulimit -Sn")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := confine(cmd.Process.Pid, Limits{OpenFiles: 90}, false); err != nil {
		t.Error(err)
	}
	if err := confine(cmd.Process.Pid, Limits{OpenFiles: 900}, false); err != nil {
		t.Error(err)
	}
	_, _ = io.WriteString(stdin, "\n")
	got, _ := io.ReadAll(stdout)
	if err := cmd.Wait(); err != nil || string(got) != "90\n90\n" {
		t.Errorf("%v, %q", err, got)
	}
}

func TestLimitsStartFails(t *testing.T) {
	spawner := NewSpawner()
	defer spawner.Close()
	for name, change := range map[string]func(*Config){
		"no such file": func(cfg *Config) { cfg.Path = "/no/such/file" },
		"negative":     func(cfg *Config) { cfg.Limits.CPU = -1 },
	} {
		cfg := shell(t, "exit 0")
		cfg.Limits.OpenFiles = 100
		change(&cfg)
		if _, err := spawner.Start(cfg, newRecorder()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A child that something kills at once is a child that has ended.
	for range 20 {
		cfg := shell(t, "exit 0")
		cfg.Limits.OpenFiles = 100
		r := newRecorder()
		c, err := spawner.Start(cfg, r)
		if err != nil {
			t.Fatal(err)
		}
		c.Kill()
		<-r.exited
	}
}
