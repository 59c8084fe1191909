// SPDX-License-Identifier: Apache-2.0

package testserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Puppet is a server that a test plays line by line; see [Stage].
const Puppet = "puppet"

// puppetEnv holds the address to which a puppet connects.
const puppetEnv = "SHPROXY_TEST_STAGE"

// The lines by which a test makes a puppet do something else than talk.
const (
	exitOrder   = "!exit "
	stderrOrder = "!stderr "
	closeOrder  = "!close"
)

// puppet joins its standard streams with a connection to the test.
func puppet(stdin io.Reader, stdout, stderr io.Writer) int {
	conn, err := net.Dial("unix", os.Getenv(puppetEnv))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	go func() {
		_, _ = io.Copy(conn, stdin)
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return 0
		}
		if order, ok := bytes.CutPrefix(line, []byte(exitOrder)); ok {
			code, _ := strconv.Atoi(strings.TrimSpace(string(order)))
			return code
		}
		if text, ok := bytes.CutPrefix(line, []byte(stderrOrder)); ok {
			_, _ = stderr.Write(text)
			continue
		}
		if file, ok := stdout.(io.Closer); ok && string(line) == closeOrder+"\n" {
			_ = file.Close()
			continue
		}
		if _, err := stdout.Write(line); err != nil {
			return 1
		}
	}
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// TB is what a stage needs of a testing.TB: servers that tests run should not
// have the flags of that package.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Stage is where the puppets of one test come to.
type Stage struct {
	t       TB
	listen  *net.UnixListener
	address string
}

// NewStage returns a stage that ends with the test.
func NewStage(t TB) *Stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "stage") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	address := dir + "/s"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		_ = os.RemoveAll(dir)
	})
	return &Stage{t, l, address}
}

// Env is what a process needs to be a puppet on this stage.
func (s *Stage) Env() []string { return []string{Env + "=" + Puppet, puppetEnv + "=" + s.address} }

// Next waits for the next process to start.
func (s *Stage) Next() *Actor {
	s.t.Helper()
	_ = s.listen.SetDeadline(time.Now().Add(patience))
	conn, err := s.listen.AcceptUnix()
	if err != nil {
		s.t.Fatalf("no process came: %v", err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return &Actor{s.t, conn, bufio.NewReaderSize(conn, 64<<10)}
}

// Actor is one process on the stage. When its input ends, and the test has
// closed it, it ends with status 0.
type Actor struct {
	t    TB
	conn *net.UnixConn
	in   *bufio.Reader
}

// Hears returns the next line that the process is sent, and "EOF" when its
// input has ended.
func (a *Actor) Hears() string {
	a.t.Helper()
	_ = a.conn.SetReadDeadline(time.Now().Add(patience))
	line, err := a.in.ReadString('\n')
	switch {
	case err == io.EOF:
		return "EOF" + line
	case err != nil:
		a.t.Fatalf("the process was sent nothing more than %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// Expect is Hears for a line that is known.
func (a *Actor) Expect(want string) {
	a.t.Helper()
	if got := a.Hears(); got != want {
		a.t.Fatalf("the process was sent %s\nwant %s", shorten(got), shorten(want))
	}
}

// Says makes the process write a line.
func (a *Actor) Says(line string) {
	a.t.Helper()
	_ = a.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(a.conn, line+"\n"); err != nil {
		a.t.Fatalf("the process could not say %s: %v", shorten(line), err)
	}
}

// Stderr makes the process write a line there.
func (a *Actor) Stderr(line string) {
	a.t.Helper()
	a.Says(stderrOrder + line)
}

// CloseOutput makes the process close its output and go on.
func (a *Actor) CloseOutput() {
	a.t.Helper()
	a.Says(closeOrder)
}

// Exit ends the process with a status.
func (a *Actor) Exit(status int) {
	a.t.Helper()
	a.Says(exitOrder + strconv.Itoa(status))
}

// Close lets the process end.
func (a *Actor) Close() { _ = a.conn.Close() }

func shorten(line string) string {
	const shown = 500
	if len(line) > shown {
		return fmt.Sprintf("%s... (%d bytes)", line[:shown], len(line))
	}
	return line
}
