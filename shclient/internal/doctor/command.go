// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

const (
	maxLine  = 64 << 20 // bytes of a message
	maxNoise = 3        // lines that are shown
	tailSize = 2 << 10  // bytes of stderr that are shown
)

func (x *examination) examineCommand(ctx context.Context) {
	x.section(Program)
	if !x.findProgram() {
		return
	}
	stderr := &tail{}
	exit := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := x.o.Start(ctx, stderr, func(err error) { exit <- err })
	if err != nil {
		x.add("start", "The program starts.", doctor.Fail, err.Error(), "Check its permissions, and that it is made for this system.")
		return
	}
	x.add("start", "The program starts.", doctor.Pass, "", "")
	stdout := newMessages(conn)
	c := shclient.NewOver(&mcp.IOTransport{Reader: stdout, Writer: conn, MaxLineLength: maxLine}, nil)
	x.section(MCP)
	err = x.firstCall(ctx, c)
	early, ended := error(nil), false
	if err != nil && hungUp(err) { // it ends, or has
		select {
		case early = <-exit:
			ended = true
		case <-time.After(x.o.Timeout):
		case <-ctx.Done():
		}
	}
	failed := x.broken()
	_ = c.Close() // how the server takes it is looked at below
	_ = conn.Close()
	x.section(Process)
	x.judgeStdout(stdout)
	x.judgeEnd(exit, early, ended)
	if text := stderr.String(); text != "" {
		x.add("stderr", "What the program last wrote to stderr.", doctor.Pass, text, "")
	} else if failed {
		x.add("stderr", "What the program last wrote to stderr.", doctor.Pass, "nothing", "")
	}
}

func (x *examination) findProgram() bool {
	const what = "The program is there."
	name := x.o.Command[0]
	if strings.ContainsAny(name, `/\`) && !filepath.IsAbs(name) {
		name = filepath.Join(x.o.Dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		remedy := "Install it, or give its whole path. Clients with windows often search fewer directories than your shell."
		if strings.ContainsAny(name, `/\`) {
			remedy = "Check the path, and that the file may be executed."
		}
		x.add("program", what, doctor.Fail, trimExec(err), remedy)
		return false
	}
	x.add("program", what, doctor.Pass, path, "")
	return true
}

func trimExec(err error) string { return strings.TrimPrefix(err.Error(), "exec: ") }

// judgeStdout looks at what is no message.
func (x *examination) judgeStdout(m *messages) {
	const what = "The program writes nothing but messages to stdout."
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.noise > 0:
		x.add("stdout", what, doctor.Fail, fmt.Sprintf("%d of what it wrote is no message: %s", m.noise, strings.Join(m.lines, " ⏎ ")), "Let it log to stderr: many clients give up at the first such line.")
	case m.count == 0:
		x.add("stdout", what, doctor.Skipped, "it wrote nothing", "")
	default:
		x.add("stdout", what, doctor.Pass, "", "")
	}
}

// judgeEnd looks at how the process ended when its input was closed, or before.
func (x *examination) judgeEnd(exit <-chan error, early error, ended bool) {
	const what = "The program ends when its input does."
	err := early
	if !ended {
		err = <-exit // Close has waited for it
	}
	switch {
	case ended:
		x.add("end", what, doctor.Fail, "it ended before it answered: "+endText(err), "Look at what it wrote to stderr; it may want arguments or variables.")
	case killed(err):
		x.add("end", what, doctor.Warning, "it had to be killed", "Let it end when stdin ends: clients leave such processes behind.")
	default:
		x.add("end", what, doctor.Pass, endText(err), "")
	}
}

func endText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func killed(err error) bool {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return strings.Contains(exit.String(), "killed")
	}
	return errors.Is(err, exec.ErrWaitDelay)
}

// messages passes on the lines that are messages, and counts the others.
type messages struct {
	in   *bufio.Reader
	conn io.Closer
	left []byte

	mu    sync.Mutex
	count int
	noise int
	lines []string // the first of the noise
}

func newMessages(conn io.ReadCloser) *messages {
	return &messages{in: bufio.NewReaderSize(conn, 64<<10), conn: conn}
}

// Close closes what is read.
func (m *messages) Close() error { return m.conn.Close() }

// Read reads messages.
func (m *messages) Read(p []byte) (int, error) {
	for len(m.left) == 0 {
		line, err := m.line()
		switch trimmed := bytes.TrimSpace(line); {
		case len(trimmed) == 0:
		case (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(trimmed):
			m.note(nil)
			m.left = append(trimmed, '\n')
		default:
			m.note(trimmed)
		}
		if err != nil && len(m.left) == 0 {
			return 0, err
		}
	}
	n := copy(p, m.left)
	m.left = m.left[n:]
	return n, nil
}

// line reads a line of bounded length.
func (m *messages) line() ([]byte, error) {
	var line []byte
	for {
		part, err := m.in.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > maxLine {
			return nil, fmt.Errorf("a line has more than %d bytes", maxLine)
		}
	}
}

func (m *messages) note(noise []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if noise == nil {
		m.count++
		return
	}
	m.noise++
	if len(m.lines) < maxNoise {
		m.lines = append(m.lines, strings.ToValidUTF8(string(noise[:min(len(noise), 100)]), ""))
	}
}

// tail keeps the end of what is written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[max(0, len(p)-tailSize):]...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(p), nil
}

// String is the last lines on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.text), ""))
	if len(text) > maxFound/2 {
		text = "…" + strings.ToValidUTF8(text[len(text)-maxFound/2:], "")
	}
	return strings.ReplaceAll(text, "\n", " ⏎ ")
}
