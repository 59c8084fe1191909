// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 3 * time.Second // from the polite signal to the other one
)

// A process is a child in a process group of its own. Its owner calls stop.
type process struct {
	cmd    *exec.Cmd
	stdin  *os.File      // open until stop: some servers end when it closes
	stdout *os.File      // nil unless started with pipes
	output *tail         // what it said on stderr, and on stdout without pipes
	grace  time.Duration // how long stop is polite
	exited chan struct{}
	err    error // of Wait; read after exited is closed
}

// startProcess runs argv, with env added to the environment. With pipes its
// stdout is kept for the caller.
func startProcess(argv, env []string, pipes bool) (*process, error) {
	p := &process{
		cmd:    exec.Command(argv[0], argv[1:]...),
		output: new(tail), grace: stopTimeout, exited: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.output
	p.cmd.Stdout = p.output
	p.cmd.WaitDelay = stopTimeout // grandchildren may hold the output open
	ownGroup(p.cmd)

	childIn, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer childIn.Close()
	p.cmd.Stdin, p.stdin = childIn, stdin
	if pipes {
		stdout, childOut, err := os.Pipe()
		if err != nil {
			stdin.Close()
			return nil, err
		}
		defer childOut.Close()
		p.cmd.Stdout, p.stdout = childOut, stdout
		widen(stdout)
	}
	if err := p.cmd.Start(); err != nil {
		p.closePipes()
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// waitListening returns once the process accepts connections on address.
func (p *process) waitListening(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("exited at once (%v): %s", p.err, p.output)
		case <-ctx.Done():
			return fmt.Errorf("does not listen on %s: %w: %s", address, context.Cause(ctx), p.output)
		case <-time.After(time.Millisecond):
		}
	}
}

// stop ends the process, its group, and whatever else it had started, and
// returns how many processes it would have left behind.
func (p *process) stop() int {
	family := descendants(p.pid())
	p.closePipes()
	signalGroup(p.pid(), false)
	select {
	case <-p.exited:
	case <-time.After(p.grace):
		signalGroup(p.pid(), true)
		<-p.exited
	}
	for end := time.Now().Add(p.grace); time.Now().Before(end) && countAlive(family) > 0; {
		time.Sleep(5 * time.Millisecond)
	}
	left := countAlive(family)
	killAlive(family)
	return left
}

func (p *process) closePipes() {
	p.stdin.Close()
	if p.stdout != nil {
		p.stdout.Close()
	}
}

// A tail keeps the end of what is written to it, on one line for messages.
type tail struct {
	mu  sync.Mutex
	end []byte
}

const tailBytes = 400

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(b) >= tailBytes {
		t.end = append(t.end[:0], b[len(b)-tailBytes:]...)
		return len(b), nil
	}
	if excess := len(t.end) + len(b) - tailBytes; excess > 0 {
		t.end = append(t.end[:0], t.end[excess:]...)
	}
	t.end = append(t.end, b...)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.end) == 0 {
		return "it said nothing"
	}
	return fmt.Sprintf("it said %q", bytes.Join(bytes.Fields(t.end), []byte(" ")))
}

// freeAddress returns a loopback address that nothing listens on. Its port is
// below those that systems give to whoever asks for any: between this look
// and the start of a server, nobody else will be given it.
func freeAddress() (string, error) {
	var err error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", err
}

// workspaceRoot finds the directory with go.work, from the current one up.
func workspaceRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.work here or above: run from inside the repository, or name a binary with -shproxy")
		}
		dir = parent
	}
}

// runTool runs a build or install command, and shows its output only if it
// fails.
func runTool(ctx context.Context, env []string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	ownGroup(cmd)
	cmd.Cancel = func() error { return signalGroup(cmd.Process.Pid, false) }
	cmd.WaitDelay = stopTimeout
	said := new(tail)
	cmd.Stdout, cmd.Stderr = io.Discard, said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, said)
	}
	return nil
}
