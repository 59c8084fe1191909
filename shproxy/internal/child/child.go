// SPDX-License-Identifier: Apache-2.0

// Package child supervises one process that speaks newline-delimited JSON-RPC
// on its standard input and output: MCP's stdio transport.
//
// A child is the leader of its own process group (on Linux it also gets a
// parent-death signal), is started without a shell, and is ended by closing
// its input, then TERM, then KILL to the whole group. On Windows it is in a job
// object that ends with this program. Three goroutines serve it, one per
// stream; a fourth waits for its end and sees to it that nothing is left. The
// end is told at once: what the child had written is read, and nobody who may
// hold its pipes is waited for.
package child

import (
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Config says what to run and within which limits. All fields but Env, Dir and
// Limits are required.
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
	// Broken reports that an answer is lost, since its line was no valid
	// message or too long. id is the id that was found in it, or nil if the
	// answer may have been to any request.
	Broken(id []byte, reason error)
	// Closed reports that the child has closed its output though it runs on:
	// it can answer nothing any more, and is being ended. Written is final.
	// Only Exited follows.
	Closed(err *ExitError)
	// Exited is the last call.
	Exited(err *ExitError)
}

// Child is one running process. It is safe for concurrent use.
type Child struct {
	cfg   Config
	cmd   *exec.Cmd
	group group
	token string // by which descendants outside of the group are known, or empty

	stdout  *pipe
	stderr  *pipe
	out     *outbox
	noise   noise
	tail    tail
	journal *journal

	mu       sync.Mutex
	stopping bool        // guarded by mu
	cause    string      // guarded by mu; why it is being stopped, if that is its own fault
	forced   bool        // guarded by mu; it got a signal of ours
	reaped   bool        // guarded by mu; no signal may be sent any more
	timer    *time.Timer // guarded by mu; the next step of the ending

	gone chan struct{} // closed when the process has ended
	done chan struct{}
}

// start runs the process; it is called on the spawner's thread.
func start(cfg Config) (*Child, error) {
	if err := cfg.Limits.check(); err != nil {
		return nil, err
	}
	var ours, theirs [3]*os.File
	fail := func(err error) (*Child, error) {
		for i := range ours {
			_ = ours[i].Close()
			_ = theirs[i].Close()
		}
		return nil, err
	}
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		ours[i], theirs[i] = r, w
	}
	ours[0], theirs[0] = theirs[0], ours[0]
	c := &Child{
		cfg:    cfg,
		stdout: &pipe{ours[1], maxLeft}, stderr: &pipe{ours[2], maxLeft},
		out:     newOutbox(ours[0], cfg.MaxQueue),
		journal: newJournal(cfg.Logger, cfg.Name),
		gone:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	c.stdout.widen()
	if err := c.launch(theirs); err != nil {
		return fail(err)
	}
	for _, f := range theirs {
		_ = f.Close()
	}
	return c, nil
}

// launch starts the process with its ends of the pipes.
func (c *Child) launch(files [3]*os.File) error {
	env, token := mark(c.cfg.Env)
	command := func() *exec.Cmd {
		return &exec.Cmd{
			Path: c.cfg.Path, Args: append([]string{c.cfg.Path}, c.cfg.Args...),
			Env: env, Dir: c.cfg.Dir, SysProcAttr: sysProcAttr(),
			Stdin: files[0], Stdout: files[1], Stderr: files[2],
		}
	}
	started := beginStart()
	cmd, err := launch(command, c.cfg.Limits)
	if err != nil {
		started(0)
		return err
	}
	started(cmd.Process.Pid)
	c.cmd, c.token = cmd, token
	if c.group, err = newGroup(cmd.Process); err != nil {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
		forget(cmd.Process.Pid)
		return err
	}
	return nil
}

// serve does everything for the child until nothing of it is left.
func (c *Child) serve(to Receiver) {
	var streams, writer sync.WaitGroup
	writer.Go(func() {
		if c.out.run() != nil {
			c.stop(closedInput)
		}
	})
	streams.Go(func() {
		c.receive(to)
		c.stop(closedOutput) // nobody hears it, if it still runs
		writer.Wait()
		if !c.endsSoon() {
			to.Closed(c.lastWords(closedOutput))
		}
	})
	streams.Go(c.drain)
	state := c.reap()
	streams.Wait()
	_ = c.stdout.Close()
	_ = c.stderr.Close()
	to.Exited(c.exitError(state))
	c.settle()
	close(c.done)
}

// lingering is how long after its output a process may end for its exit status
// to tell why. Most close it by ending, which takes no time.
const lingering = 75 * time.Millisecond

// endsSoon waits for a process whose output has ended. On a busy machine the
// kernel may need longer to end one that has begun to; that one is waited for.
func (c *Child) endsSoon() bool {
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	select {
	case <-c.gone:
		return true
	case <-timer.C:
	}
	if !exiting(c.cmd.Process.Pid) {
		return false
	}
	timer.Reset(unkillable)
	select {
	case <-c.gone:
		return true
	case <-timer.C:
		return false
	}
}

// reap waits for the process to end, ends what is left of its group, and only
// then releases its process id.
func (c *Child) reap() *os.ProcessState {
	state := awaitExit(c.cmd)
	close(c.gone)
	c.out.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.group.kill()
	if state == nil {
		state, _ = c.cmd.Process.Wait()
	}
	forget(c.cmd.Process.Pid)
	c.stdout.expire()
	c.stderr.expire()
	return state
}

// unkillable is how long the end of killed processes is awaited. The kernel
// may need some seconds for a large one, and for ever if a disk hangs.
const unkillable = 10 * time.Second

// settle waits until nothing of the killed group is left, and ends those that
// have left the group. There is no event for it.
func (c *Child) settle() {
	const slow = 10 * time.Millisecond
	deadline := time.Now().Add(unkillable)
	for pause := slow / 32; !c.group.empty(); pause = min(2*pause, slow) {
		if pause == slow && c.group.dead() {
			break
		}
		if time.Now().After(deadline) {
			c.journal.add(slog.LevelError, "processes of the server could not be killed", slog.Int("pgid", c.cmd.Process.Pid))
			break
		}
		time.Sleep(pause)
	}
	killStrays(c.token, deadline)
	c.group.close()
	c.journal.close()
}

// Queue queues one frame for the child, with the edits applied and its raw
// line breaks folded, and returns the position in the child's input after it.
// It never blocks; the error is [ErrBusy] or [ErrClosed].
func (c *Child) Queue(frame []byte, edits ...jsonrpc.Edit) (end int64, err error) {
	return c.out.queue(frame, edits...)
}

// Send is Queue for those who do not need the position.
func (c *Child) Send(frame []byte, edits ...jsonrpc.Edit) error {
	_, err := c.out.queue(frame, edits...)
	return err
}

// Written is how many bytes of the child's input the system has taken; the
// child may have read them. A frame was written whole if its end is not
// beyond. It is final when the receiver is told of the end; before, it may
// lag behind the write that is under way.
func (c *Child) Written() int64 { return c.out.written.Load() }

// Queued is how many bytes wait for the child, or are being written.
func (c *Child) Queued() int { return c.out.waiting() }

// Stop begins to end the child and returns at once: its input is closed; if
// that does not end it within the grace time, the group gets TERM, and KILL
// after another. Done tells when it is over.
func (c *Child) Stop() { c.stop("") }

func (c *Child) stop(cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || c.reaped {
		return
	}
	c.stopping, c.cause = true, cause
	c.out.close()
	c.timer = time.AfterFunc(c.cfg.Grace, c.terminate)
}

func (c *Child) terminate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	c.force()
	c.group.terminate()
	c.timer = time.AfterFunc(c.cfg.Grace, c.Kill)
}

// Kill ends the child and its group at once. What is left of the group after
// the end of the child itself is killed anyway.
func (c *Child) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	c.stopping = true
	c.force()
	c.out.close()
	c.group.kill()
}

// force notes that a signal of ours may be what ends the process. One that is
// ending already gets it too late. c.mu is held.
func (c *Child) force() { c.forced = c.forced || !exiting(c.cmd.Process.Pid) }

// Done is closed when the receiver has got its last call and nothing of the
// child is left: neither its group nor, with [Subreaper], who has left it.
func (c *Child) Done() <-chan struct{} { return c.done }

// Tail returns the last 64 KiB of what the child wrote to stderr, without
// empty lines.
func (c *Child) Tail() string { return c.tail.text() }

// Noise is how many lines on stdout were skipped since they were no messages.
func (c *Child) Noise() int64 { return c.noise.count.Load() }

// Says describes what the child printed without being asked, for the message
// about a child that does not answer: the telling line of its stderr, or the
// first line of noise on its stdout. It is empty if there was neither.
func (c *Child) Says() string {
	if line := c.tail.telling(); line != "" {
		return "its last words: " + line
	}
	if line := c.noise.first(); line != "" {
		return "it printed no JSON-RPC but: " + line
	}
	return ""
}
