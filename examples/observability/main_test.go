// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package observability_test runs the commands of the gateway with all that
// watches them, for real: Prometheus with the configuration, the rules and the
// dashboard of this directory, and a collector of traces.
package observability_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

// scratch is a directory for the programs.
var scratch string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "observability")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	return m.Run()
}

var build = sync.OnceValue(func() error {
	for _, name := range []string{"oauthdyn", "shproxy", "fetchserver"} {
		if _, err := servetest.Build(context.Background(), scratch, name); err != nil {
			return err
		}
	}
	return nil
})

// find returns a program of the package prometheus; without it the test is
// skipped.
func find(t *testing.T, program string) string {
	t.Helper()
	return need.Program(t, program, "apt-get install prometheus")
}

// A program is a running command.
type program struct {
	t    *testing.T
	name string

	mu   sync.Mutex
	said bytes.Buffer // guarded by mu
	more chan struct{}
}

// start runs a command until the test ends.
func start(t *testing.T, path string, args ...string) *program {
	t.Helper()
	p := &program{t: t, name: filepath.Base(path), more: make(chan struct{}, 1)}
	cmd := exec.Command(path, args...)
	cmd.Stderr, cmd.WaitDelay = p, 10*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			said := p.said.Bytes()
			t.Logf("%s said:\n%s", p.name, said[max(len(said)-4000, 0):])
		}
	})
	return p
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said.Write(b)
	select {
	case p.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

// logged waits for a line that matches and returns its group.
func (p *program) logged(pattern string) string {
	p.t.Helper()
	re, late := regexp.MustCompile(pattern), time.After(time.Minute)
	for {
		p.mu.Lock()
		match := re.FindSubmatch(p.said.Bytes())
		p.mu.Unlock()
		if match != nil {
			return string(match[1])
		}
		select {
		case <-p.more:
		case <-late:
			p.t.Fatalf("%s does not say %s", p.name, pattern)
		}
	}
}

// admin is the URL of the program's admin address.
func (p *program) admin() string {
	return strings.TrimSuffix(p.logged(`msg="admin address" url=(\S+)\n`), "/status")
}

// A gateway is all commands, as they are run together.
type gateway struct {
	t        *testing.T
	issuer   string
	endpoint string // of shproxy, which wraps a fetchserver
	site     string // that fetchserver may fetch from
	fetch    string // endpoint of a fetchserver of its own
	verify   string
	replicas bool              // shproxy has a directory
	admin    map[string]string // URL of admin addresses, by name
}

// names are those of the programs with admin addresses, in order.
var names = []string{"oauthdyn", "verify", "shproxy", "fetchserver"}

// newGateway starts all of it. The last program has the others on its status
// page; more are flags of all.
func newGateway(t *testing.T, site string, more ...string) *gateway {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, site: site, admin: map[string]string{}}
	command := func(name string) string { return filepath.Join(scratch, name) }
	all := func(args ...string) []string {
		return slices.Concat(args, []string{"--admin-addr", "127.0.0.1:0"}, more)
	}
	port := freePort(t)
	g.endpoint = "http://127.0.0.1:" + port + "/mcp"
	data := t.TempDir()
	add := exec.CommandContext(t.Context(), command("oauthdyn"), "user", "add", servetest.Username, "--data", data)
	add.Stdin = strings.NewReader(servetest.Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("user add: %v\n%s", err, out)
	}
	auth := start(t, command("oauthdyn"), all("serve", "--addr", "127.0.0.1:0", "--data", data, "--resource", g.endpoint, "--verify",
		"--audit-log", filepath.Join(data, "audit.log"))...)
	g.issuer = auth.logged(`msg=listening .*issuer=(\S+)`)
	g.admin["oauthdyn"] = auth.admin()
	verify := start(t, command("oauthdyn"), all("verify", "--addr", "127.0.0.1:0", "--issuer", g.issuer, "--resource", "https://x.example/mcp")...)
	g.verify = "http://" + verify.logged(`msg=listening addr=(\S+)`)
	g.admin["verify"] = verify.admin()
	fetch := start(t, command("fetchserver"), all("--port", "0", "--allow-private", strings.TrimPrefix(site, "http://"), "--log-level", "debug")...)
	g.fetch = fetch.logged(`msg=listening url=(\S+)`)
	g.admin["fetchserver"] = fetch.admin()
	peers := g.replica()
	peers = append(peers, "--port", port, "--auth-issuer", g.issuer, "--log-level", "debug", "--pass-env", "OTEL_*")
	child := []string{"--", command("fetchserver"), "--stdio", "--allow-private", strings.TrimPrefix(site, "http://")}
	child = append(child, more...)
	for _, name := range []string{"oauthdyn", "verify", "fetchserver"} {
		peers = append(peers, "--peer", name+"="+g.admin[name])
	}
	proxy := start(t, command("shproxy"), append(all(peers...), child...)...)
	proxy.logged(`msg=listening (url=)`)
	g.admin["shproxy"] = proxy.admin()
	return g
}

// replica is how shproxy becomes one of several, with a directory of its own;
// without Redis it is not.
func (g *gateway) replica() []string {
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		if need.Everything() {
			g.t.Fatal("redis-server is absent: apt-get install redis-server")
		}
		return nil
	}
	g.replicas = true
	port, key := freePort(g.t), filepath.Join(g.t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 40)), 0o600); err != nil {
		g.t.Fatal(err)
	}
	server := exec.Command(redis, "--port", port, "--bind", "127.0.0.1", "--save", "")
	if err := server.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
	})
	return []string{"--directory", "redis://127.0.0.1:" + port + "/0", "--replica-addr", "127.0.0.1:0", "--replica-key-file", key}
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// get returns the body of an answer with status 200.
func get(t *testing.T, url string, header ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, resp.Status, err, body)
	}
	return string(body)
}
