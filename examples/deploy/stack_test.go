// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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
)

const (
	username = "alice"
	password = "correct horse battery staple"

	domain = "gateway.test"
	origin = "https://app.gateway.test" // of a web page that may call
)

// A deployment is a directory here, and what its proxy needs.
type deployment struct {
	name  string
	find  func(*testing.T) string       // the proxy; nil: none
	store func(*testing.T) (url string) // of oauthdyn; nil: a file
	certs func(*stack) []string         // variables; nil: ownCertificates
}

// A stack is a deployment that runs: a proxy, the oauthdyn command that it asks,
// and two MCP servers behind it.
type stack struct {
	t      *testing.T
	name   string
	issuer string
	mcp    string // URLs of the two servers, as clients know them
	fetch  string

	roots     string // file with the authority that clients trust
	ports     map[string]string
	transport *http.Transport // finds the hosts of the domain here

	server   *backend
	authPipe *pipe // between the proxy and oauthdyn
	data     string
	end      func() (said string, status int)
	lines    *transcript
}

var givenAddrs sync.Map // what freeAddr has returned

// freeAddr is a loopback address that nobody listens on. Its port is below
// those that systems give to whoever asks for any, so that nobody gets it
// before the program that is told of it.
func freeAddr(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		var listener net.Listener
		if _, given := givenAddrs.LoadOrStore(addr, true); given {
			continue
		}
		if listener, err = net.Listen("tcp", addr); err == nil {
			_ = listener.Close()
			return addr
		}
	}
	t.Fatal(err)
	return ""
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// newStack adds a user and runs the documented command.
func newStack(t *testing.T, d deployment) *stack {
	t.Helper()
	bin, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	path := []string{bin, os.Getenv("PATH")}
	if d.find != nil {
		path = append([]string{filepath.Dir(d.find(t))}, path...)
	}
	s := &stack{
		t: t, name: d.name, data: t.TempDir(), lines: &transcript{},
		issuer: "https://auth." + domain, mcp: "https://mcp." + domain + "/mcp", fetch: "https://fetch." + domain + "/mcp",
		ports: map[string]string{"80": portOf(freeAddr(t)), "443": portOf(freeAddr(t))},
	}
	if d.name == "alone" {
		s.issuer, s.fetch = "https://mcp."+domain, "https://mcp."+domain+"/fetch/mcp"
	}
	shproxy := freeAddr(t)
	s.server = newBackend(t, shproxy)
	s.authPipe = newPipe(t, freeAddr(t))
	variables := []string{
		"PATH=" + strings.Join(path, ":"), "BASE_DOMAIN=" + domain, "GATEWAY_DATA=" + s.data, "GATEWAY_BIND=127.0.0.1",
		"HTTP_PORT=" + s.ports["80"], "HTTPS_PORT=" + s.ports["443"], "MCP_CORS_ORIGINS=" + origin + ",https://other.gateway.test",
		"AUTH_ADDR=" + s.authPipe.to, "AUTH_UPSTREAM=" + s.authPipe.addr, "MCP_ADDR=" + shproxy, "MCP_UPSTREAM=" + s.server.addr,
		"FETCH_ADDR=" + freeAddr(t), "AUTH_ADMIN_ADDR=" + freeAddr(t), "MCP_ADMIN_ADDR=" + freeAddr(t), "FETCH_ADMIN_ADDR=" + freeAddr(t),
		"GATEWAY_SETTINGS=" + withRule(t, "resource=https://mcp.${BASE_DOMAIN}/mcp scope=mcp:write path=/mcp/admin"),
	}
	if d.store != nil {
		variables = append(variables, "REDIS_URL="+d.store(t), "REDIS_PASSWORD="+storePassword)
	}
	certificates := d.certs
	if certificates == nil {
		certificates = ownCertificates
	}
	variables = append(variables, certificates(s)...)
	s.addUser(filepath.Join(bin, "oauthdyn"))
	s.up(append(os.Environ(), variables...))
	s.transport = s.newTransport()
	return s
}

// withRule is oauthdyn.json with a further rule.
func withRule(t *testing.T, rule string) string {
	t.Helper()
	text, err := os.ReadFile("oauthdyn.json")
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string][]string
	if err := json.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	settings["rule"] = append(settings["rule"], rule)
	if text, err = json.Marshal(settings); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *stack) addUser(oauthdyn string) {
	s.t.Helper()
	add := exec.CommandContext(s.t.Context(), oauthdyn, "user", "add", username, "--data", s.data)
	add.Stdin = strings.NewReader(password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		s.t.Fatalf("user add: %v\n%s", err, out)
	}
}

// up runs the script until the test ends, or s.end is called, and waits until it
// says that all is ready.
func (s *stack) up(environment []string) {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("./up", s.name, "--", self, serverArg)
	cmd.Env = environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to be sure that nothing stays
	said := newWatched("ready: ")
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s.end = sync.OnceValues(func() (string, int) {
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGTERM) // gone already: fine
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		return said.String(), cmd.ProcessState.ExitCode()
	})
	s.t.Cleanup(func() {
		text, _ := s.end()
		if s.t.Failed() {
			s.t.Logf("up said:\n%s", text)
			s.showLogs()
		}
	})
	select {
	case <-said.found:
	case <-ended:
		s.t.Fatal("up has ended")
	case <-time.After(2 * time.Minute):
		s.t.Fatal("up is not ready")
	}
}

func (s *stack) logs() map[string]string {
	logs := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(s.data, "log", "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Error(err)
		}
		logs[filepath.Base(file)] = string(text)
	}
	return logs
}

func (s *stack) showLogs() {
	for name, text := range s.logs() {
		s.t.Logf("end of %s:\n%s", name, text[max(0, len(text)-1500):])
	}
}

// A watched keeps what is written to it, and tells when a text is in it.
type watched struct {
	want  string
	found chan struct{} // closed

	mu sync.Mutex
	// mu guards the fields below.
	text strings.Builder
	done bool
}

func newWatched(want string) *watched { return &watched{want: want, found: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if !w.done && strings.Contains(w.text.String(), w.want) {
		w.done = true
		close(w.found)
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// A transcript tells in lines what happened.
type transcript struct {
	mu sync.Mutex
	// mu guards the field below.
	lines []string
}

func (t *transcript) add(what, result string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf("%2d  %-44s %s", len(t.lines)+1, what, result))
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// A pipe passes connections on from one address to another, until it is shut.
type pipe struct {
	addr, to string
	listener net.Listener
	ctx      context.Context // ends when it is shut
	shut     context.CancelFunc
}

func newPipe(t *testing.T, to string) *pipe {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &pipe{addr: listener.Addr().String(), to: to, listener: listener, ctx: ctx}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.pass(conn) })
		}
	})
	p.shut = func() {
		cancel()
		listener.Close()
		all.Wait()
	}
	t.Cleanup(p.shut)
	return p
}

func (p *pipe) pass(client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(p.ctx, func() { client.Close(); server.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(server, client); server.Close() })
	_, _ = io.Copy(client, server) // its end is what counts
	client.Close()
	both.Wait()
}

// serve runs a handler on a port of its own.
func serve(t *testing.T, h http.Handler) (addr string, end func()) {
	here := httptest.NewServer(h)
	return here.Listener.Addr().String(), here.Close
}
