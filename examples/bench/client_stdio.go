// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"
)

// A stdioSession is an MCP session over the pipes of a process that answers
// in order, as the echo server does.
type stdioSession struct {
	stdin, stdout *os.File // the client's ends
	in            *bufio.Reader
	checker       checker
}

func openStdioSession(stdin, stdout *os.File) (session, error) {
	s := &stdioSession{stdin: stdin, stdout: stdout, in: bufio.NewReaderSize(stdout, 256<<10)} // which bounds a line
	if err := s.setDeadline(time.Now().Add(startTimeout)); err != nil {
		return nil, err
	}
	if _, err := s.stdin.WriteString(initializeFrame + "\n"); err != nil {
		return nil, fmt.Errorf("initialize: %w", err)
	}
	line, err := readLine(s.in)
	if err != nil {
		return nil, fmt.Errorf("initialize: %w", err)
	}
	if member(line, "protocolVersion") == nil {
		return nil, fmt.Errorf("initialize: unexpected reply %.200s", line)
	}
	_, err = s.stdin.WriteString(initializedFrame + "\n")
	return s, err
}

func (s *stdioSession) setDeadline(t time.Time) error {
	if err := s.stdin.SetWriteDeadline(t); err != nil {
		return err
	}
	return s.stdout.SetReadDeadline(t)
}

// lanes returns one lane, which pipelines.
func (s *stdioSession) lanes(_ context.Context, depth int) ([]lane, error) {
	return []lane{&stdioLane{stdioSession: s, depth: depth}}, nil
}

type stdioLane struct {
	*stdioSession
	depth int
}

func (l *stdioLane) close() {}

// A sent call waits for its reply.
type sent struct {
	id int64
	at time.Time
}

// drive keeps depth calls in flight, each written on its own, as a client
// does whose calls know nothing of one another.
func (l *stdioLane) drive(ctx context.Context, p *plan) (t tally) {
	if err := l.setDeadline(p.deadline.Add(callTimeout)); err != nil {
		t.fail(err)
		return t
	}
	defer context.AfterFunc(ctx, func() { l.setDeadline(time.Now()) })()
	var frame []byte
	waiting := make([]sent, 0, l.depth)
	for {
		for len(waiting) < l.depth {
			now := time.Now()
			id, ok := p.next(now)
			if !ok {
				break
			}
			waiting = append(waiting, sent{id, now})
			frame = append(appendCall(frame[:0], id, p.times, ""), '\n')
			if _, err := l.stdin.Write(frame); err != nil {
				t.fail(err)
				return t
			}
		}
		if len(waiting) == 0 {
			return t
		}
		if err := l.receive(&t, waiting[0], p.times); err != nil {
			t.fail(err)
			return t
		}
		waiting = append(waiting[:0], waiting[1:]...)
	}
}

// receive reads the reply to the oldest call in flight.
func (l *stdioLane) receive(t *tally, call sent, times int) error {
	line, err := readLine(l.in)
	if err != nil {
		return err
	}
	latency := time.Since(call.at)
	if err := l.checker.check(line, call.id, times); err != nil {
		t.fail(err)
		return nil
	}
	t.latencies = append(t.latencies, latency)
	return nil
}
