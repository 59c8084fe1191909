// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A process is an oauthdyn that runs.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string // that it listens on

	mu    sync.Mutex
	lines []string // guarded by mu; of the log
	more  chan struct{}
	ended chan struct{} // closed at the end of the log
}

const resourceFlag = "--resource=https://mcp.example.com/mcp"

// serve runs "oauthdyn serve" on a free port, with data in a directory of its
// own, and waits until it listens.
func serve(t *testing.T, env []string, flags ...string) *process {
	t.Helper()
	oauthdyn, err := exec.LookPath("oauthdyn") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, more: make(chan struct{}, 1), ended: make(chan struct{})}
	p.cmd = exec.Command(oauthdyn, append([]string{"serve", "--addr", "127.0.0.1:0", "--data", t.TempDir(), resourceFlag}, flags...)...)
	p.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(stderr)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		_ = p.cmd.Wait()
	})
	p.addr = p.logged(`msg=listening addr=(\S+)`)[1]
	return p
}

func (p *process) read(stderr io.Reader) {
	defer close(p.ended)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

// logged waits for a line of the log that matches and returns the parts.
func (p *process) logged(pattern string) []string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	for end := false; ; {
		p.mu.Lock()
		for i, line := range p.lines {
			if parts := want.FindStringSubmatch(line); parts != nil {
				p.lines = append(p.lines[:i:i], p.lines[i+1:]...)
				p.mu.Unlock()
				return parts
			}
		}
		text := strings.Join(p.lines, "\n")
		p.mu.Unlock()
		if end {
			p.t.Fatalf("nothing like %q in the log:\n%s", pattern, text)
		}
		select {
		case <-p.more:
		case <-p.ended:
			end = true
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// signalUntilEnd signals until the process has ended. That the next signal ends
// it holds a moment after the first one only, and nothing shows that moment.
func (p *process) signalUntilEnd(s os.Signal) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		_ = p.cmd.Process.Signal(s) // it may have ended
		select {
		case <-p.ended:
			return
		case <-again.C:
		}
	}
}

// wait waits for the end and returns the exit code, -1 after a signal.
func (p *process) wait() int {
	p.t.Helper()
	<-p.ended
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// get asks for a page and returns its status and body.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}
