// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"shproxy": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"testserver": func() {
			os.Exit(testserver.Run(os.Args[1], os.Stdin, os.Stdout, os.Stderr))
		},
		"envserver": envServer,
	})
}

// envServer is an MCP server that answers every request with its arguments,
// its directory and its environment.
func envServer() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.ID == nil {
			continue
		}
		dir, _ := os.Getwd()
		result, _ := json.Marshal(map[string]any{"args": os.Args[1:], "dir": dir, "env": os.Environ()})
		if m.Method == "initialize" {
			result = []byte(`{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"env","version":"1"}}`)
		}
		_, _ = os.Stdout.WriteString(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":` + string(result) + "}\n")
	}
}

// command is a running shproxy.
type command struct {
	t   *testing.T
	cmd *exec.Cmd
	url string // of the endpoint, or of the program if there are several

	mu    sync.Mutex
	lines []string // guarded by mu; of the log
	more  chan struct{}
	done  chan struct{} // closed at the end of the log
}

// start runs shproxy as a process of its own, on a free port, and waits until
// it listens.
func start(t *testing.T, flags ...string) *command {
	t.Helper()
	return startIn(t, nil, flags...)
}

// startIn does so with further variables in the environment.
func startIn(t *testing.T, env []string, flags ...string) *command {
	t.Helper()
	c := launch(t, env, flags...)
	c.url = c.logged(`msg=listening url=(\S+)`)[1]
	return c
}

// launch does not wait.
func launch(t *testing.T, env []string, flags ...string) *command {
	t.Helper()
	shproxy, err := exec.LookPath("shproxy") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	c := &command{t: t, more: make(chan struct{}, 1), done: make(chan struct{})}
	// The race detector makes each process sleep at its end, unless told.
	c.cmd = exec.Command(shproxy, append([]string{"--port", "0", "--pass-env", "GORACE"}, flags...)...)
	c.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(stderr)
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.done
		_ = c.cmd.Wait()
	})
	return c
}

func (c *command) read(stderr io.Reader) {
	defer close(c.done)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		c.mu.Lock()
		c.lines = append(c.lines, lines.Text())
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
	}
}

// logged waits for a line of the log that matches and returns the parts. Each
// line is found once.
func (c *command) logged(pattern string) []string {
	c.t.Helper()
	want := regexp.MustCompile(pattern)
	for end := false; ; {
		c.mu.Lock()
		for i, line := range c.lines {
			if parts := want.FindStringSubmatch(line); parts != nil {
				c.lines = append(c.lines[:i:i], c.lines[i+1:]...)
				c.mu.Unlock()
				return parts
			}
		}
		c.mu.Unlock()
		if end {
			c.t.Fatalf("nothing like %q in the log:\n%s", pattern, strings.Join(c.lines, "\n"))
		}
		select {
		case <-c.more:
		case <-c.done:
			end = true
		}
	}
}

// signal sends a signal.
func (c *command) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// end sends a signal and returns the exit code and what was logged.
func (c *command) end(s os.Signal) (int, string) {
	c.t.Helper()
	c.signal(s)
	<-c.done
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode(), strings.Join(c.lines, "\n")
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// post sends a frame to the endpoint.
func (c *command) post(frame string, header ...string) (*http.Response, string) {
	c.t.Helper()
	return c.request(http.MethodPost, c.url, frame, header...)
}

var client = &http.Client{Timeout: time.Minute}

func (c *command) request(method, url, body string, header ...string) (*http.Response, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(text)
}

// open starts a session at an endpoint and returns its id.
func (c *command) open(url string, header ...string) string {
	c.t.Helper()
	resp, body := c.request(http.MethodPost, url, initialize, header...)
	id := resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != http.StatusOK || id == "" {
		c.t.Fatalf("%s: %s %s", url, resp.Status, body)
	}
	return id
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// ping sends a ping and returns the status.
func (c *command) ping(url, session string, header ...string) int {
	c.t.Helper()
	resp, _ := c.request(http.MethodPost, url, ping, append([]string{"Mcp-Session-Id", session}, header...)...)
	return resp.StatusCode
}

// lastMessage is the message of a reply: after a second without an answer, the
// reply becomes an event stream.
func lastMessage(body string) []byte {
	if i := strings.LastIndex("\n"+body, "\ndata: "); i >= 0 {
		body, _, _ = strings.Cut(body[i+len("data: "):], "\n")
	}
	return []byte(body)
}

// tool calls a tool of the test server and returns the text.
func (c *command) tool(url, session, name string) string {
	c.t.Helper()
	resp, body := c.request(http.MethodPost, url, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"`+name+`"}}`, "Mcp-Session-Id", session)
	var answer struct {
		Result struct{ Content []struct{ Text string } }
	}
	if err := json.Unmarshal(lastMessage(body), &answer); err != nil || len(answer.Result.Content) != 1 {
		c.t.Fatalf("%s: %s %s", name, resp.Status, body)
	}
	return answer.Result.Content[0].Text
}

// seen is what the environment server tells.
type seen struct {
	Args []string
	Dir  string
	Env  []string
}

func (c *command) seen(url string, header ...string) seen {
	c.t.Helper()
	session := c.open(url, header...)
	resp, body := c.request(http.MethodPost, url, `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, append(header, "Mcp-Session-Id", session)...)
	var answer struct{ Result seen }
	if err := json.Unmarshal(lastMessage(body), &answer); err != nil {
		c.t.Fatalf("%s %s", resp.Status, body)
	}
	return answer.Result
}

// write writes a file into a directory of the test, in one step, and returns
// its name.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name+".new", bytes.TrimSpace([]byte(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	return name
}

// freePort returns a port that nobody listens on: the authorization server has
// to know the resource's URL before the resource is there. It is below those
// that systems give to whoever asks for any, so that nobody gets it meanwhile.
func freePort(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal(err)
	return ""
}
