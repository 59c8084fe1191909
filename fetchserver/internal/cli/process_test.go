// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// process is a running command that serves.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string // of the endpoint
	admin string // base URL of the admin address, if there is one

	mu    sync.Mutex
	lines []string // guarded by mu; of the log
	more  *sync.Cond
	ended bool // guarded by mu
}

// start runs the command on free ports until the end of the test, and waits
// until it listens. Variables come before the flags, as NAME=VALUE.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	var env []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		env, args = append(env, args[0]), args[1:]
	}
	p := &process{t: t, cmd: command(t.Context(), append([]string{"--port", "0", "--log-format", "json"}, args...)...)}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.more = sync.NewCond(&p.mu)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		scanner := bufio.NewScanner(stderr)
		for scanner.Scan() {
			p.mu.Lock()
			p.lines = append(p.lines, scanner.Text())
			p.mu.Unlock()
			p.more.Broadcast()
		}
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.more.Broadcast()
	})
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		reading.Wait()
		_ = p.cmd.Wait()
	})
	p.url = p.logged("listening").URL
	for _, r := range p.records() {
		if r.Msg == "admin address" {
			p.admin = strings.TrimSuffix(r.URL, "/status")
		}
	}
	return p
}

// record is a line of the log.
type record struct{ Msg, URL, Error string }

func (p *process) records() (list []record) {
	for line := range strings.Lines(p.log()) {
		var r record
		if json.Unmarshal([]byte(line), &r) == nil {
			list = append(list, r)
		}
	}
	return list
}

// log is all that the command has written to stderr.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// logged waits for a record with a message that begins like that.
func (p *process) logged(msg string) record {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for from := 0; ; p.more.Wait() {
		for ; from < len(p.lines); from++ {
			var r record
			if json.Unmarshal([]byte(p.lines[from]), &r) == nil && strings.HasPrefix(r.Msg, msg) {
				return r
			}
		}
		if p.ended {
			p.t.Fatalf("the log ended without %q:\n%s", msg, strings.Join(p.lines, "\n"))
		}
	}
}

// loggedLine waits for a line that matches.
func (p *process) loggedLine(pattern string) {
	p.t.Helper()
	match := regexp.MustCompile(pattern)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !slices.ContainsFunc(p.lines, match.MatchString) {
		if p.ended {
			p.t.Fatalf("the log ended without %s:\n%s", pattern, strings.Join(p.lines, "\n"))
		}
		p.more.Wait()
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	p.mu.Lock()
	for !p.ended {
		p.more.Wait()
	}
	p.mu.Unlock()
	if err := p.cmd.Wait(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() < 0 {
			p.t.Fatal(err)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// fetch calls the tool and returns its text, or that of its error.
func (p *process) fetch(arguments map[string]any) (text string, failed bool) {
	p.t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s, err := client.Connect(p.t.Context(), &mcp.StreamableClientTransport{Endpoint: p.url}, nil)
	if err != nil {
		p.t.Error(err)
		return "", true
	}
	defer s.Close()
	r, err := s.CallTool(p.t.Context(), &mcp.CallToolParams{Name: "fetch", Arguments: arguments})
	if err != nil {
		return err.Error(), true
	}
	return r.Content[0].(*mcp.TextContent).Text, r.IsError
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
