// SPDX-License-Identifier: Apache-2.0

// Package child supervises one process that speaks newline-delimited JSON-RPC
// on its standard input and output: MCP's stdio transport.
//
// A child is the leader of its own process group (on Linux it also gets a
// parent-death signal), is started without a shell, and is ended by closing
// its input, then TERM, then KILL to the whole group. Three goroutines serve
// it, one per stream; a fourth waits for its end, after which nothing of the
// group is left.
package child

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Config says what to run and within which limits. All fields but Env and Dir
// are required.
type Config struct {
	Name    string // of the server, for the log
	Path    string // of the executable
	Args    []string
	Env     []string // nil means the environment of this process
	Dir     string
	MaxLine int // bytes of one message from the child
	Limits  Limits
	// MaxQueue bounds the bytes that wait for the child to read them.
	MaxQueue int
	Grace    time.Duration // between two steps of an ending
	Logger   *slog.Logger
}

// Receiver takes what a child says. Its methods are called from one goroutine
// at a time and must not block, since they hold up everything else that the
// child has to say.
type Receiver interface {
	// Receive takes one valid message. The frame is only valid during the
	// call, unless owned says that the receiver may keep and change it.
	Receive(frame []byte, m jsonrpc.Message, owned bool)
	// Broken reports a line that is no valid message but starts like one:
	// an answer may be lost. id is the id that was found, or nil.
	Broken(id []byte, reason error)
	// Exited is the last call.
	Exited(err *ExitError)
}

// ErrBusy is returned by Send when the queue for the child is full.
var ErrBusy = errors.New("the server does not read its input")

// ErrClosed is returned by Send when the child's input is closed.
var ErrClosed = errors.New("the server is no longer running")

// ExitError tells how a child ended.
type ExitError struct {
	Name   string
	Status string // as in "exit status 1" or "signal: killed"
	Stderr string // the last line that it wrote there
	Lines  []string
	Noise  string // the first line on stdout that was no message
}

// Error says it in one line.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("server %q ended (%s)", e.Name, e.Status)
	if e.Stderr != "" {
		return text + "; its last words: " + e.Stderr
	}
	if e.Noise != "" {
		return text + "; it printed no JSON-RPC but: " + e.Noise
	}
	return text
}

// Child is one running process. It is safe for concurrent use.
type Child struct {
	cfg Config
	cmd *exec.Cmd

	stdin  *os.File
	stdout *os.File
	stderr *os.File
	out    *outbox
	noise  noise
	words  lastWords

	mu       sync.Mutex
	stopping bool        // guarded by mu
	reaped   bool        // guarded by mu; no signal may be sent any more
	timer    *time.Timer // guarded by mu; the next step of the ending

	done chan struct{}
}

// start runs the process; it is called on the spawner's thread.
func start(cfg Config) (*Child, error) {
	c := &Child{cfg: cfg, done: make(chan struct{})}
	c.cmd = &exec.Cmd{
		Path: cfg.Path, Args: append([]string{cfg.Path}, cfg.Args...),
		Env: cfg.Env, Dir: cfg.Dir, SysProcAttr: sysProcAttr(),
	}
	var theirs [3]*os.File
	ours := [3]**os.File{&c.stdin, &c.stdout, &c.stderr}
	fail := func(err error) (*Child, error) {
		for i := range theirs {
			_ = theirs[i].Close()
			_ = (*ours[i]).Close()
		}
		return nil, err
	}
	for i := range theirs {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		theirs[i], *ours[i] = w, r
		if i == 0 {
			theirs[i], *ours[i] = r, w
		}
	}
	widen(c.stdout)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs[0], theirs[1], theirs[2]
	if err := c.cmd.Start(); err != nil {
		return fail(err)
	}
	for _, f := range theirs {
		_ = f.Close()
	}
	c.out = newOutbox(c.stdin, cfg.MaxQueue)
	return c, nil
}

// serve starts the goroutines. They end with the process; Done tells when.
func (c *Child) serve(to Receiver) {
	var streams sync.WaitGroup
	streams.Go(func() {
		c.receive(to)
		c.Stop() // if it still runs, nobody would hear it
	})
	streams.Go(c.drain)
	streams.Go(c.out.run)
	go func() {
		state := c.reap()
		streams.Wait()
		_ = c.stdout.Close()
		_ = c.stderr.Close()
		to.Exited(c.exitError(state))
		awaitGroup(c.cmd.Process, c.cfg.Grace)
		close(c.done)
	}()
}

// reap waits for the process to end, ends what is left of its group, and only
// then releases its process id.
func (c *Child) reap() *os.ProcessState {
	state := awaitExit(c.cmd)
	c.out.close()
	// A process that left the group may still hold the pipes open.
	deadline := time.Now().Add(c.cfg.Grace)
	_ = c.stdout.SetReadDeadline(deadline)
	_ = c.stderr.SetReadDeadline(deadline)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	if c.timer != nil {
		c.timer.Stop()
	}
	killGroup(c.cmd.Process)
	if state == nil {
		state, _ = c.cmd.Process.Wait()
	}
	return state
}

func (c *Child) exitError(state *os.ProcessState) *ExitError {
	e := &ExitError{Name: c.cfg.Name, Status: "unknown status", Stderr: c.words.telling(), Noise: c.noise.first()}
	if state != nil {
		e.Status = state.String()
	}
	return e
}

// Send queues one frame for the child, with the edits applied and its raw
// line breaks folded. It never blocks; the error is [ErrBusy] or [ErrClosed].
func (c *Child) Send(frame []byte, edits ...jsonrpc.Edit) error {
	return c.out.send(frame, edits...)
}

// Stop begins to end the child and returns at once: its input is closed; if
// that does not end it within the grace time, the group gets TERM, and KILL
// after another. Done tells when it is over.
func (c *Child) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || c.reaped {
		return
	}
	c.stopping = true
	c.out.close()
	c.timer = time.AfterFunc(c.cfg.Grace, c.terminate)
}

func (c *Child) terminate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	terminateGroup(c.cmd.Process)
	c.timer = time.AfterFunc(c.cfg.Grace, c.Kill)
}

// Kill ends the child and its group at once.
func (c *Child) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	c.stopping = true
	c.out.close()
	killGroup(c.cmd.Process)
}

// Done is closed when the process and its group have ended and the receiver
// has got its last call.
func (c *Child) Done() <-chan struct{} { return c.done }

// Says describes what the child printed without being asked, for the message
// about a child that does not answer: the telling line of its stderr, or the
// first line of noise on its stdout. It is empty if there was neither.
func (c *Child) Says() string {
	if line := c.words.telling(); line != "" {
		return "its last words: " + line
	}
	if line := c.noise.first(); line != "" {
		return "it printed no JSON-RPC but: " + line
	}
	return ""
}
