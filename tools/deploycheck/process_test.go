// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// addresses are loopback addresses that nobody else uses, one for each
// container, which thus can listen on the ports that it has there.
type addresses struct {
	prefix string
	last   int
}

func newAddresses() *addresses {
	return &addresses{prefix: fmt.Sprintf("127.%d.%d.", 64+rand.IntN(190), rand.IntN(255))}
}

func (a *addresses) next() string {
	a.last++
	return fmt.Sprint(a.prefix, a.last)
}

// A command is what a file says of one process.
type command struct {
	name     string
	args     []string // the program first
	env      []string // all of its environment
	dir      string
	ready    probe
	alive    probe         // nil: none
	reloaded probe         // after SIGHUP; nil: it is not for that
	grace    time.Duration // for its end
	ended    func(*testing.T)
}

// A probe reports whether a program answers as it should.
type probe func(context.Context) error

// httpProbe is Kubernetes' httpGet, which takes everything from 200 to 399.
func httpProbe(url string) probe {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode >= 400 {
			text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
			return fmt.Errorf("%s: %s %s", url, res.Status, text)
		}
		return nil
	}
}

// tcpProbe is Kubernetes' tcpSocket.
func tcpProbe(addr string) probe {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// execProbe runs a command.
func execProbe(path string, args ...string) probe {
	return func(ctx context.Context) error {
		out, err := newCmd(ctx, path, args).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%q: %w\n%s", args, err, out)
		}
		return nil
	}
}

// newCmd finds the program in path.
func newCmd(ctx context.Context, path string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/usr/bin/env", append([]string{"PATH=" + path}, args...)...)
	cmd.Env = []string{"PATH=" + path}
	return cmd
}

// A process is a command that runs.
type process struct {
	command
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // once exited is closed

	mu sync.Mutex
	// mu guards the field below.
	output bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// start runs the command and waits until it is ready.
func (c command) start(t *testing.T) *process {
	t.Helper()
	p := &process{command: c, t: t, exited: make(chan struct{})}
	path := ""
	for _, e := range c.env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			path = value
		}
	}
	program := c.args[0]
	if !strings.Contains(program, "/") {
		var err error
		if program, err = lookIn(path, program); err != nil {
			t.Fatal(err)
		}
	}
	p.cmd = &exec.Cmd{Path: program, Args: c.args, Env: c.env, Dir: c.dir, Stdout: p, Stderr: p,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // gone already: fine
		<-p.exited
		if t.Failed() {
			t.Logf("%s: %q said:\n%s", c.name, c.args, p.said())
		}
	})
	began := time.Now()
	p.await(c.ready)
	t.Logf("%s is ready after %v", c.name, time.Since(began).Round(time.Millisecond))
	if c.alive != nil {
		p.await(c.alive)
	}
	if c.reloaded != nil {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.await(c.reloaded)
	}
	return p
}

func lookIn(path, program string) (string, error) {
	for dir := range strings.SplitSeq(path, ":") {
		name := dir + "/" + program
		if info, err := os.Stat(name); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return name, nil
		}
	}
	return "", fmt.Errorf("there is no %s in %s", program, path)
}

func (p *process) await(ready probe) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, 15*time.Second)
		err := ready(once)
		done()
		if err == nil {
			return
		}
		select {
		case <-p.exited:
			p.t.Fatalf("%s ended, %v, before it was ready", p.name, p.err)
		case <-ctx.Done():
			p.t.Fatalf("%s is not ready: %v", p.name, err)
		case <-time.After(50 * time.Millisecond): // between two probes
		}
	}
}

// isStore reports whether others need it until their end.
func (p *process) isStore() bool { return p.args[0] == "sh" }

// stop has the process end as those that run it do, in its time.
func (p *process) stop() {
	p.t.Helper()
	start := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
	select {
	case <-p.exited:
	case <-time.After(p.grace):
		p.t.Errorf("%s would have been killed: it runs %v after SIGTERM", p.name, p.grace)
		return
	}
	if p.err != nil {
		p.t.Errorf("%s: %v after SIGTERM", p.name, p.err)
	}
	if p.ended != nil {
		p.ended(p.t)
	}
	p.t.Logf("%s ended in %v of %v", p.name, time.Since(start).Round(time.Millisecond), p.grace)
}

// withEnv returns the environment of a process, without that of the test.
func withEnv(path string, lists ...[]string) []string {
	return append([]string{"PATH=" + path + ":/usr/local/bin:/usr/bin:/bin"}, slices.Concat(lists...)...)
}
