// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Process is a server that runs as a command. Its methods are for one goroutine.
type Process struct {
	probe *Probe
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan []byte   // what it writes, line by line; closed at the end
	done  chan struct{} // closed when it has ended
	kill  context.CancelFunc
	last  *Exchange

	partial    []byte            // the beginning of a message over several lines
	given      []json.RawMessage // the ids of requests that were not answered in time
	misnumbers bool              // it answers with wrong ids
}

const (
	maxLine    = 16 << 20
	maxQueued  = 1024 // lines that nobody has read
	killGrace  = 3 * time.Second
	maxHistory = 10_000 // messages
)

// Start runs the command anew; it is ended with the rule.
func (p *Probe) Start(ctx context.Context) (*Process, error) {
	process, err := p.start(ctx)
	if err == nil {
		p.onClose(process.Close)
	}
	return process, err
}

func (p *Probe) start(ctx context.Context) (*Process, error) {
	if p.Transport != Stdio {
		return nil, Skipf("the server is not spoken to over stdio")
	}
	ctx, kill := context.WithCancel(ctx)
	t := p.run.target
	s := &Process{probe: p, cmd: exec.CommandContext(ctx, t.Command[0], t.Command[1:]...), kill: kill, lines: make(chan []byte, maxQueued), done: make(chan struct{})}
	s.cmd.Env, s.cmd.Dir = t.Env, t.Dir
	s.cmd.Stderr = t.Stderr
	s.cmd.WaitDelay = killGrace
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		kill()
		return nil, err
	}
	stdout, out := io.Pipe()
	s.cmd.Stdout = out
	if err := s.cmd.Start(); err != nil {
		kill()
		return nil, errors.New(strings.TrimPrefix(err.Error(), "exec: "))
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		s.read(ctx, stdout)
	}()
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ends is its own affair
		out.Close()
		<-read
	}()
	return s, nil
}

// read passes the lines on, and drops what a dead server's reader waits for.
func (s *Process) read(ctx context.Context, stdout *io.PipeReader) {
	defer stdout.Close()
	defer close(s.lines)
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(nil, maxLine)
	scanner.Split(splitLF)
	for scanner.Scan() {
		select {
		case s.lines <- bytes.Clone(scanner.Bytes()):
		case <-ctx.Done():
			return
		}
	}
}

// splitLF is bufio.ScanLines that leaves a carriage return where it is.
func splitLF(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// Write sends a line. p is who asks, for whose findings it is recorded.
func (s *Process) Write(p *Probe, line []byte) error {
	e, err := p.sent(string(line))
	if err != nil {
		return err
	}
	s.last = e
	if _, err := s.stdin.Write(append(bytes.Clone(line), '\n')); err != nil {
		return &silence{"the server has closed its stdin"}
	}
	return nil
}

// Next is the next message of the server. What is none goes into Noise. The
// error of a server that says nothing in time, or has ended, is one of
// IsSilence.
func (s *Process) Next(ctx context.Context) (Message, error) {
	return s.next(ctx, s.probe.run.o.timeout())
}

// soon is Next without much patience: for answers that may well not come.
func (s *Process) soon(ctx context.Context) (Message, error) {
	return s.next(ctx, cmp.Or(s.probe.run.o.patience, min(3*time.Second, s.probe.run.o.timeout())))
}

// rest is soon for what can come only a little later than what has come.
func (s *Process) rest(ctx context.Context) (Message, error) {
	return s.next(ctx, cmp.Or(s.probe.run.o.quiet, min(3*time.Second, s.probe.run.o.timeout())))
}

func (s *Process) next(ctx context.Context, patience time.Duration) (Message, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return Message{}, &silence{"the server has ended"}
			}
			if s.last != nil && len(s.last.Received) < maxText {
				s.last.Received += bound(string(line), maxText) + "\n"
			}
			if m, ok := s.take(line); ok {
				return m, nil
			}
		case <-timer.C:
			return Message{}, late(patience)
		case <-ctx.Done():
			return Message{}, context.Cause(ctx)
		}
	}
}

// take reads a line. A message that is written over several lines, or behind a
// byte order mark, is broken; it is read all the same, so that the rest can be
// checked.
func (s *Process) take(line []byte) (Message, bool) {
	v := s.probe.Version
	if rest, marked := bytes.CutPrefix(line, []byte("\xEF\xBB\xBF")); marked {
		s.probe.run.note(v, problemNoise, "a line begins with a byte order mark", s.last)
		line = rest
	}
	m, err := ParseMessage(line)
	if err != nil && len(s.partial)+len(line) < maxLine && (len(s.partial) > 0 || bytes.HasPrefix(bytes.TrimSpace(line), []byte("{"))) {
		s.partial = append(append(s.partial, line...), '\n')
		if m, err = ParseMessage(s.partial); err != nil {
			return Message{}, false
		}
		s.probe.run.note(v, problemNewline, "a message goes over several lines", s.last)
	}
	s.partial = nil
	if err != nil && kindOf(line) == "array" && json.Valid(line) {
		m = Message{Raw: line, Members: map[string]json.RawMessage{}} // a batch
		return m, true
	}
	if err != nil || !isMessage(m) {
		s.probe.run.note(v, problemNoise, fmt.Sprintf("stdout has a line that is no message: %s", bound(string(line), 200)), s.last)
		return Message{}, false
	}
	s.probe.run.observe(v, m, s.last)
	return m, true
}

// isMessage tells a JSON-RPC message from a line of a log in JSON.
func isMessage(m Message) bool {
	return slices.ContainsFunc([]string{"jsonrpc", "method", "result", "error"}, m.Has)
}

// Await reads on to the response with the id; before are the messages that came
// first. A response with another id, or none, is taken if no right one comes.
func (s *Process) Await(ctx context.Context, id json.RawMessage) (response Message, before []Message, err error) {
	var stray *Message
	patience := s.probe.run.o.timeout()
	for {
		m, err := s.next(ctx, patience)
		if err != nil && stray != nil && ctx.Err() == nil {
			s.misnumbers = true
			s.probe.run.wrongID(s.probe.Version, id, *stray, s.last)
			return *stray, before, nil
		}
		if err != nil {
			return Message{}, before, err
		}
		switch {
		case m.IsResponse() && sameID(m.ID(), id):
			if stray != nil {
				s.probe.run.note(s.probe.Version, problemUnasked, "a response came that answers no request", s.last)
			}
			return m, before, nil
		case m.IsResponse() && s.misnumbers:
			s.probe.run.wrongID(s.probe.Version, id, m, s.last)
			return m, before, nil
		case m.IsResponse() && stray == nil && !s.awaited(m.ID()):
			stray, patience = &m, min(patience/8, 2*time.Second)
		case len(before) < maxHistory:
			before = append(before, m)
		}
		if reply := refusal(m); reply != nil {
			if _, err := s.stdin.Write(append(reply, '\n')); err != nil {
				return Message{}, before, &silence{"the server has closed its stdin"}
			}
		}
	}
}

// awaited reports whether an id is one of a request whose answer came late.
func (s *Process) awaited(id json.RawMessage) bool {
	return slices.ContainsFunc(s.given, func(other json.RawMessage) bool { return sameID(other, id) })
}

// CloseStdin tells the server to end, and reports whether it has done so in
// time.
func (s *Process) CloseStdin(ctx context.Context) bool {
	s.stdin.Close()
	timer := time.NewTimer(s.probe.run.o.timeout())
	defer timer.Stop()
	go func() {
		for range s.lines { // a server may have to get rid of them to end
		}
	}()
	select {
	case <-s.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// Close ends the server, by force if need be.
func (s *Process) Close() {
	s.stdin.Close()
	grace := killGrace
	if s.probe.run.stubborn.Load() {
		grace = killGrace / 30
	}
	timer := time.AfterFunc(grace, func() {
		s.probe.run.stubborn.Store(true) // stdio.ends tells; the next one is not waited for
		s.kill()
	})
	for range s.lines {
	}
	<-s.done
	timer.Stop()
	s.kill()
}
