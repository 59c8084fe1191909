// SPDX-License-Identifier: Apache-2.0

//go:build unix

package migration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

// key is the $KEY of the pages.
const key = "a-key-that-is-as-long-as-it-should-be"

// A sandbox is where the commands of a page run: a home and a directory of
// their own, our commands, and npx and uvx that only know what is installed.
type sandbox struct {
	*testing.T
	dir   string
	env   []string
	ports map[string]string // of the page, and those that they are here
	swaps []string          // further texts of the page, and what they are here
}

const npx = `#!/bin/sh
[ "$1" = -y ] && shift
name=${1%@latest}
shift
[ "$name" = @modelcontextprotocol/server-everything ] && name=mcp-server-everything
exec "NPM_COMMANDS/$name" "$@"
`

const uvx = `#!/bin/sh
name=$1
shift
exec "PYTHON_COMMANDS/$name" "$@"
`

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	ours, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{T: t, dir: t.TempDir(), ports: map[string]string{}}
	bin := t.TempDir()
	for name, text := range map[string]string{"npx": npx, "uvx": uvx} {
		text = strings.NewReplacer("NPM_COMMANDS", filepath.Join(npmBundle().Dir, ".bin"), "PYTHON_COMMANDS", filepath.Join(pythonBundle().Dir, "bin")).Replace(text)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	s.env = append(os.Environ(),
		"PATH="+strings.Join([]string{bin, ours, os.Getenv("PATH")}, ":"),
		"HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_CACHE_HOME="+home+"/.cache", "KEY="+key,
		"NODE_OPTIONS=--require "+inTestdata("../../interop/testdata/loopback.cjs"),
		"PYTHONWARNINGS=ignore",
		"BROWSER="+self, browserVariable+"=1", "DISPLAY=", "XDG_CURRENT_DESKTOP=")
	return s
}

var address = regexp.MustCompile(`(--port |127\.0\.0\.1:)(\d{4,5})\b`)

// here is a text of the page with this machine's ports and addresses.
func (s *sandbox) here(text string) string {
	text = address.ReplaceAllStringFunc(text, func(match string) string {
		groups := address.FindStringSubmatch(match)
		if s.ports[groups[2]] == "" {
			s.ports[groups[2]] = freePort(s.T)
		}
		return groups[1] + s.ports[groups[2]]
	})
	return strings.NewReplacer(s.swaps...).Replace(text)
}

// freePort is a port that nobody listens on. It is below those that systems
// give to whoever asks for any, so that nobody gets it before the program that
// is told of it.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := fmt.Sprint(20_000 + rand.IntN(12_000))
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// freePort is one that no text of the page is about.
func (s *sandbox) freePort() string {
	port := freePort(s.T)
	s.ports[port] = port
	return port
}

// command runs a text of the page as a shell does, in a process group.
func (s *sandbox) command(text string) *exec.Cmd {
	cmd := exec.Command("bash", "-euc", s.here(text))
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// run runs what ends by itself, and returns what it said on stdout.
func (s *sandbox) run(b block) string {
	s.Helper()
	cmd := s.command(b.text)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
	kill := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	if err := cmd.Run(); err != nil {
		s.Fatalf("line %d: %v\n%s\n%s%s", b.line, err, b.text, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// start runs what serves, until the test ends or end is called.
func (s *sandbox) start(b block) (end func()) {
	s.Helper()
	cmd := s.command(b.text)
	output, err := os.Create(filepath.Join(s.TempDir(), "output"))
	if err != nil {
		s.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already: fine
		_ = cmd.Wait()                                      // killed
		output.Close()
		if said, err := os.ReadFile(output.Name()); s.Failed() && err == nil {
			s.Logf("line %d said:\n%s", b.line, said)
		}
	})
	s.Cleanup(end)
	return end
}

var endpoint = regexp.MustCompile(`(?m)^# (http://127\.0\.0\.1:\d+/\S+)$`)

// endpointOf is where a block says that it serves.
func (s *sandbox) endpointOf(b block) string {
	s.Helper()
	match := endpoint.FindStringSubmatch(b.text)
	if match == nil {
		s.Fatalf("line %d does not say where it serves: # http://127.0.0.1:PORT/PATH", b.line)
	}
	return s.here(match[1])
}

// connectTimeout bounds the start of a server under a bridge, which for Node.js
// on a busy machine takes seconds.
const connectTimeout = time.Minute

// dial connects to a server at a URL as soon as it serves.
func (s *sandbox) dial(url string) *mcp.ClientSession {
	s.Helper()
	var err error
	for deadline := time.Now().Add(connectTimeout); time.Now().Before(deadline); {
		var session *mcp.ClientSession
		if session, err = connect(s.T, transport(url)); err == nil {
			return session
		}
		time.Sleep(50 * time.Millisecond) // between two attempts; nothing says when to try
	}
	s.Fatalf("%s: %v", url, err)
	return nil
}

func transport(url string) mcp.Transport {
	client := keyedClient()
	if strings.HasSuffix(url, "/sse") {
		return &mcp.SSEClientTransport{Endpoint: url, HTTPClient: client}
	}
	return &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: client, DisableStandaloneSSE: true}
}

func connect(t *testing.T, transport mcp.Transport) (*mcp.ClientSession, error) {
	ctx, cancel := context.WithTimeout(t.Context(), connectTimeout)
	t.Cleanup(cancel) // the SSE transport's stream has its life
	client := mcp.NewClient(&mcp.Implementation{Name: "migration", Version: "1"}, &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}})
	return client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: "2025-06-18"})
}

// remote is the server at https://mcp.example.com/mcp.
func (s *sandbox) remote() string {
	s.Helper()
	ours, err := commands()
	if err != nil {
		s.Fatal(err)
	}
	return servetest.Listen(s.T, filepath.Join(ours, "echo-server"), "-port", "0")
}
