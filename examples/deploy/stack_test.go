// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

const (
	username = "alice"
	password = "correct horse battery staple"
)

// A stack is a proxy, the oauthdyn command that it asks, and an MCP server
// behind it.
type stack struct {
	t       *testing.T
	proxy   string // host:port
	issuer  string
	server  *backend
	endAuth func() // ends the oauthdyn command
}

// A backend is the MCP server at /mcp; below it are two streams and places that
// answer 200. It remembers what reaches it.
type backend struct {
	mcp  http.Handler
	more chan struct{} // lets a stream go on

	closed chan struct{} // ends streams that nobody lets go on

	mu sync.Mutex
	// mu guards the field below.
	seen []*http.Request
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.seen = append(b.seen, r.Clone(context.WithoutCancel(r.Context())))
	b.mu.Unlock()
	switch r.URL.Path {
	case "/mcp":
		b.mcp.ServeHTTP(w, r)
	case "/mcp/stream":
		b.stream(w, r)
	case "/mcp/plain-stream":
		b.plainStream(w, r)
	}
}

// stream sends an event, and another one when it is told to. Unlike shproxy it
// does not ask proxies not to buffer.
func (b *backend) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: 1\n\n")
	w.(http.Flusher).Flush()
	select {
	case <-b.more:
		fmt.Fprint(w, "data: 2\n\n")
	case <-r.Context().Done():
	}
}

// plainStream does the same without chunks, as simple servers do: the body ends
// with the connection (RFC 9112 section 6.3). nginx then cannot tell the end of
// an event from that of a buffer.
func (b *backend) plainStream(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n")
	select {
	case <-b.more:
		fmt.Fprint(conn, "data: 2\n\n")
	case <-b.closed:
	}
}

// take returns what reached the backend since the last time.
func (b *backend) take() []*http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// freeAddr is a loopback address that nobody listens on. Its port is below
// those that systems give to whoever asks for any, so that nobody gets it
// before the program that is told of it.
func freeAddr(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		var listener net.Listener
		if listener, err = net.Listen("tcp", addr); err == nil {
			_ = listener.Close()
			return addr
		}
	}
	t.Fatal(err)
	return ""
}

// newStack starts everything: the proxy with its configuration from this
// directory, in which only the addresses are changed.
func newStack(t *testing.T, p proxy) *stack {
	t.Helper()
	program := p.find(t, p.program)
	s := &stack{t: t, proxy: freeAddr(t), server: newBackend(t)}
	here := httptest.NewServer(s.server)
	t.Cleanup(func() {
		close(s.server.closed)
		here.Close()
	})
	auth := freeAddr(t)
	s.issuer = "http://" + auth
	s.startAuth(auth)

	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(p.name, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no configuration for %s: %v", p.name, err)
	}
	replace := strings.NewReplacer(replacements(map[string]string{
		"8000": s.proxy, "9000": auth, "8080": here.Listener.Addr().String(),
	})...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(replace.Replace(string(text))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	start(t, dir, program, p.args...)
	s.waitMetadata()
	return s
}

// waitMetadata waits until the proxy has its routes, of which this one is open.
func (s *stack) waitMetadata() {
	s.t.Helper()
	address := "http://" + s.proxy + "/.well-known/oauth-protected-resource/mcp"
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		res, err := http.Get(address)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond) // between two questions; nothing says when to ask
	}
	s.t.Fatalf("%s cannot be read", address)
}

// replacements changes ports of the configurations, in the two forms that they
// have there.
func replacements(ports map[string]string) []string {
	var pairs []string
	for port, addr := range ports {
		_, newPort, _ := strings.Cut(addr, ":")
		pairs = append(pairs, "127.0.0.1:"+port, addr, "port_value: "+port, "port_value: "+newPort)
	}
	return pairs
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mcp, err := shproxy.New(shproxy.Server{Command: self, Args: []string{serverArg}}, &shproxy.Options{
		// The proxy vouches for the header: nobody else reaches this server.
		Identify: func(r *http.Request) string { return r.Header.Get("X-User-Id") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := mcp.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return &backend{mcp: mcp, more: make(chan struct{}), closed: make(chan struct{})}
}

// startAuth runs oauthdyn serve --verify. Reading takes mcp:read; the tool wipe
// and the path /mcp/admin take mcp:write.
func (s *stack) startAuth(addr string) {
	s.t.Helper()
	program, err := buildOauthdyn()
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	add := exec.CommandContext(s.t.Context(), program, "user", "add", username, "--data", dir)
	add.Stdin = strings.NewReader(password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		s.t.Fatalf("user add: %v\n%s", err, out)
	}
	s.endAuth = start(s.t, dir, program, "serve", "--addr", addr, "--data", dir, "--verify",
		"--resource", "http://"+s.proxy+"/mcp=mcp:read,mcp:write",
		"--rule", "scope=mcp:read",
		"--rule", "scope=mcp:write mcp-method=tools/call mcp-name=wipe",
		"--rule", "scope=mcp:write path=/mcp/admin")
	waitListen(s.t, addr)
}

// start runs a program until the test ends, or the returned function is called.
// What it said is shown if the test fails.
func start(t *testing.T, dir, program string, args ...string) (end func()) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // some are wrappers that start the proxy
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already: fine
		_ = cmd.Wait()                                      // killed
	})
	t.Cleanup(func() {
		end()
		output.Close()
		if said, err := os.ReadFile(output.Name()); t.Failed() && err == nil {
			t.Logf("%s said:\n%s", filepath.Base(program), said)
		}
	})
	return end
}

func waitListen(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond) // between two attempts; nothing says when to try
	}
	t.Fatalf("nobody listens on %s", addr)
}
