// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// ptyTimeout is for machines under load; it decides nothing else.
const ptyTimeout = 60 * time.Second

// screen is a command on a terminal of 80 columns, as a person has it.
type screen struct {
	t    *testing.T
	cmd  *exec.Cmd
	file *os.File

	mu      sync.Mutex
	output  bytes.Buffer
	seen    int           // how much of it was waited for
	changed chan struct{} // closed when there is more
	ended   bool
}

// onTerminal starts the command on a terminal of its own.
func onTerminal(t *testing.T, env []string, args ...string) *screen {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"shclient", "stdioserver", "talkserver", "richserver", "browser"} {
		if err := os.Symlink(self, dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(dir+"/shclient", args...)
	cmd.Env = append(cmd.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "TERM=xterm", "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir)
	cmd.Env = append(cmd.Env, env...)
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, cmd: cmd, file: file, changed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.read()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		file.Close()
		<-done
	})
	return s
}

func (s *screen) read() {
	buf := make([]byte, 4096)
	for {
		n, err := s.file.Read(buf)
		s.mu.Lock()
		s.output.Write(buf[:n])
		s.ended = err != nil
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// await waits until text is on the terminal, behind what was waited for before,
// and returns what came up to its end.
func (s *screen) await(text string) string {
	s.t.Helper()
	limit := time.NewTimer(ptyTimeout)
	defer limit.Stop()
	for {
		s.mu.Lock()
		fresh := s.output.String()[s.seen:]
		before, _, found := strings.Cut(fresh, text)
		if found {
			s.seen += len(before) + len(text)
		}
		changed, ended := s.changed, s.ended
		s.mu.Unlock()
		if found {
			return before + text
		}
		if ended {
			s.t.Fatalf("the command has ended without %q:\n%s", text, plainText(fresh))
		}
		select {
		case <-changed:
		case <-limit.C:
			s.t.Fatalf("no %q on the terminal:\n%s", text, plainText(fresh))
		}
	}
}

// press types keys.
func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := s.file.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the command to end, and returns its exit status.
func (s *screen) end() int {
	s.t.Helper()
	limit := time.NewTimer(ptyTimeout)
	defer limit.Stop()
	for {
		s.mu.Lock()
		changed, ended := s.changed, s.ended
		s.mu.Unlock()
		if ended {
			_ = s.cmd.Wait() // its status says it
			return s.cmd.ProcessState.ExitCode()
		}
		select {
		case <-changed:
		case <-limit.C:
			s.t.Fatal("the command does not end")
		}
	}
}

var controlSequence = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\r`)

// plainText is what a terminal shows, more or less.
func plainText(output string) string { return controlSequence.ReplaceAllString(output, "") }
