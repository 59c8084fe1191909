// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
)

// ErrBusy is returned by Queue when too much waits for the child.
var ErrBusy = errors.New("the server does not read its input")

// ErrClosed is returned by Queue when the child's input is closed.
var ErrClosed = errors.New("the server is no longer running")

// ExitError tells how a child ended.
type ExitError struct {
	Name   string
	Status string   // as in "exit status 1" or "signal: killed"; also why the child was ended, if it broke the conversation
	Code   int      // of the exit; -1 if a signal ended the child
	Stderr string   // the most telling of the last lines that it wrote there
	Lines  []string // the last lines that it wrote there, oldest first: at most 10 of at most 500 bytes
	Noise  string   // the first line on stdout that was no message
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

// How a child can break the conversation, as it is told in ExitError.Status.
const (
	closedOutput = "it had closed its output"
	closedInput  = "it had closed its input"
)

// The bounds of ExitError.Lines.
const (
	exitLines    = 10
	exitLineSize = 500
)

// lastWords describes a child whose process has not ended, or left no status.
func (c *Child) lastWords(status string) *ExitError {
	return &ExitError{
		Name: c.cfg.Name, Status: status, Code: -1,
		Stderr: c.tail.telling(), Lines: c.tail.last(exitLines, exitLineSize), Noise: c.noise.first(),
	}
}

func (c *Child) exitError(state *os.ProcessState) *ExitError {
	e := c.lastWords("unknown status")
	if state != nil {
		e.Status, e.Code = state.String(), state.ExitCode()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forced && c.cause != "" {
		e.Status += "; " + c.cause
	}
	return e
}
