// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

	// Noise are the lines on stdout that are no messages.
	Noise []string
	// Messages are all that came, in order.
	Messages []Message
}

const (
	maxLine    = 16 << 20
	maxQueued  = 1024 // lines that nobody has read
	killGrace  = 3 * time.Second
	maxNoise   = 100
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
	timer := time.NewTimer(s.probe.run.o.timeout())
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
			m, err := ParseMessage(line)
			if err != nil || !isMessage(m) {
				if len(s.Noise) < maxNoise {
					s.Noise = append(s.Noise, bound(string(line), maxText))
				}
				if err != nil {
					continue
				}
			}
			if len(s.Messages) < maxHistory {
				s.Messages = append(s.Messages, m)
			}
			return m, nil
		case <-timer.C:
			return Message{}, s.probe.run.late()
		case <-ctx.Done():
			return Message{}, context.Cause(ctx)
		}
	}
}

// isMessage tells a JSON-RPC message from a line of a log in JSON.
func isMessage(m Message) bool {
	return slices.ContainsFunc([]string{"jsonrpc", "method", "result", "error"}, m.Has)
}

// Await reads on to the response with the id; before are the messages that came
// first.
func (s *Process) Await(ctx context.Context, id json.RawMessage) (response Message, before []Message, err error) {
	for {
		m, err := s.Next(ctx)
		if err != nil {
			return Message{}, before, err
		}
		if m.IsResponse() && sameID(m.ID(), id) {
			return m, before, nil
		}
		if len(before) < maxHistory {
			before = append(before, m)
		}
	}
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
	defer time.AfterFunc(killGrace, s.kill).Stop()
	for range s.lines {
	}
	<-s.done
	s.kill()
}
