// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// The bridge ends with its client, in whatever way that ends, and ends its
// session at the server. Each test fails by its timeout.
func TestBridgeEndsWithItsClient(t *testing.T) {
	for _, tt := range []struct {
		name   string
		parent bool // another process starts the bridge
		end    func(t *testing.T, p *piped)
	}{
		{"end of input", false, func(t *testing.T, p *piped) { p.stdin.Close() }},
		{"broken pipe", false, func(t *testing.T, p *piped) {
			p.stdout.Close()
			p.write(t, `{"jsonrpc":"2.0","id":3,"method":"ping"}`+"\n")
		}},
		// The test holds the other end of stdin, as a sibling may that was started
		// at the same time.
		{"death of the parent", true, func(t *testing.T, p *piped) {
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var farewells atomic.Int32
			handler := mcpHandler(nil)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodDelete {
					farewells.Add(1)
				}
				handler.ServeHTTP(w, r)
			}))
			defer s.Close()
			defer s.CloseClientConnections()
			p := startPiped(t, tt.parent, s.URL+"/mcp")
			p.write(t, handshake+callEcho)
			p.await(t, `{"jsonrpc":"2.0","id":2,`)
			tt.end(t, p)
			p.awaitEnd(t)
			if n := farewells.Load(); n != 1 {
				t.Errorf("%d sessions ended, want 1", n)
			}
		})
	}
}

// piped is a bridge between pipes. The bridge alone has the other end of
// alive, which tells when it ends.
type piped struct {
	cmd           *exec.Cmd
	stdin         *os.File
	stdout, alive *os.File
	lines         *bufio.Reader
	stderr        strings.Builder
}

func startPiped(t *testing.T, parent bool, url string) *piped {
	t.Helper()
	u := newUser(t)
	ctx, cancel := context.WithTimeout(t.Context(), instancesTimeout)
	t.Cleanup(cancel)
	p := &piped{cmd: u.bridge(ctx, url)}
	if parent {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(u.dir, "keepchild")
		if err := os.Symlink(self, name); err != nil {
			t.Fatal(err)
		}
		bridge := p.cmd
		p.cmd = exec.CommandContext(ctx, name, bridge.Args...)
		p.cmd.Env = bridge.Env
	}
	in, stdin := pipe(t)
	stdout, out := pipe(t)
	alive, err := pipe(t)
	p.stdin, p.stdout, p.alive, p.lines = stdin, stdout, alive, bufio.NewReader(stdout)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, out, err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{in, out, err} { // the bridge has them
		f.Close()
	}
	t.Cleanup(func() {
		cancel()
		_ = p.cmd.Wait() // how it ended does not matter
	})
	return p
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func (p *piped) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		t.Fatal(err)
	}
}

// await reads lines until one that begins with prefix.
func (p *piped) await(t *testing.T, prefix string) string {
	t.Helper()
	for {
		line, err := p.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no line %s…: %v", prefix, err)
		}
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
}

// awaitEnd waits until every process has ended that has stderr open: it is read
// to its end.
func (p *piped) awaitEnd(t *testing.T) {
	t.Helper()
	late := time.AfterFunc(instancesTimeout, func() { p.stdin.Close() })
	if _, err := io.Copy(&p.stderr, p.alive); err != nil {
		t.Fatal(err)
	}
	if !late.Stop() {
		t.Error("the bridge does not end")
	}
	if strings.Contains(p.stderr.String(), "panic") {
		t.Error(p.stderr.String())
	}
}

// A person at a terminal, whose browser is on another machine, pastes the
// address there, since stdin is for messages.
func TestPasteAtTheTerminalOfABridge(t *testing.T) {
	s := oauthdyntest.New(t, &oauthdyntest.Options{Handler: mcpHandler(nil)})
	t.Cleanup(s.Protected.CloseClientConnections)
	u := newUser(t)
	ctx, cancel := context.WithTimeout(t.Context(), instancesTimeout)
	defer cancel()
	cmd := u.bridge(ctx, s.ResourceURL, "--no-browser")
	cmd.Stdin = strings.NewReader(handshake + callEcho)
	out, stdout := pipe(t)
	cmd.Stdout = stdout
	terminal, err := pty.StartWithAttrs(cmd, nil, &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	stdout.Close()
	for lines := bufio.NewScanner(terminal); lines.Scan(); {
		page := strings.TrimSpace(lines.Text())
		if !strings.HasPrefix(page, s.Issuer+"/") {
			continue
		}
		at, err := s.Browser().Authorize(ctx, page)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(terminal, at); err != nil {
			t.Fatal(err)
		}
		break
	}
	answers, err := io.ReadAll(out)
	if err != nil || !strings.Contains(string(answers), `"text":"hello"`) {
		t.Errorf("answers %s, %v", answers, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if n := u.windows(); n != 0 {
		t.Errorf("%d windows", n)
	}
}
