// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

const (
	operationsPage = "../../docs/operations.md"
	repository     = "https://github.com/atrawog/mcp-oauth-gateway"
	walker         = "ana"
)

// browserVariable makes this program the browser of walker.
const browserVariable = "DEPLOY_BROWSER"

func openPage(address string) error {
	return (&browser.Browser{Username: walker, Password: password}).Open(context.Background(), address)
}

// TestOperations runs the commands of the operations page as they are written,
// from a clone on. Only the variables at its top are other ones, and the names
// of the domain lead here: for the programs of clients by a proxy that connects
// them, since they ask no resolver of ours.
func TestOperations(t *testing.T) {
	if testing.Short() {
		t.Skip("installs everything; run without -short")
	}
	t.Parallel()
	fromPyPI(t, "traefik") // the walk gets its own; but who has not installed anything does not wait for that
	for _, program := range []string{"bash", "curl", "git", "python3", "npx"} {
		if _, err := exec.LookPath(program); err != nil {
			need.Missing(t, program+" is absent: apt-get install "+program)
		}
	}
	if _, err := commands(); err != nil { // fills the cache, with the tests beside
		t.Fatal(err)
	}
	w := newWalk(t)
	blocks := codeBlocks(t)
	variables, server, client, later := w.substitute(blocks[0]), blocks[1], blocks[2], blocks[3:]
	if commands := len(server) + len(client); commands > 10 {
		t.Errorf("%d commands, which are not ten at most", commands)
	}

	up := w.begin(append(slices.Clone(variables), server...))
	var printed string
	for _, line := range client {
		out := w.run(w.home, slices.Concat(variables, []string{line})...)
		t.Logf("$ %s\n%s", line, firstLines(out, 12))
		switch {
		case strings.Contains(line, " doctor ") && !strings.Contains(out, " 0 failed"), strings.Contains(line, " call ") && !strings.Contains(out, "Echo: hello"):
			t.Errorf("%s printed:\n%s", line, out)
		case strings.Contains(line, " config print "):
			printed = out
		}
	}
	w.stdioClient(variables, printed)
	w.httpClient(up.String())

	for _, block := range later {
		for _, line := range block {
			out := w.run(filepath.Join(w.home, "mcp-oauth-gateway"), slices.Concat(variables, []string{line})...)
			t.Logf("$ %s\n%s", line, firstLines(out, 5))
		}
	}
	// ana is out, and her grants have ended.
	call := `shclient token https://mcp.$BASE_DOMAIN/mcp --header | curl -H @- --cacert "$SSL_CERT_FILE" -s -o /dev/null -w 'status %{http_code}' https://mcp.$BASE_DOMAIN/mcp`
	if out := w.run(w.home, slices.Concat(variables, []string{call})...); !strings.Contains(out, "status 401") {
		t.Errorf("who was removed: %s", out)
	}
}

// codeBlocks are the commands of the page, block by block.
func codeBlocks(t *testing.T) (blocks [][]string) {
	t.Helper()
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile("(?s)\n```sh\n(.*?)\n```\n").FindAllStringSubmatch(string(page), -1) {
		blocks = append(blocks, strings.Split(match[1], "\n"))
	}
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of commands", len(blocks))
	}
	return blocks
}

func firstLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[:min(n, len(lines))], "")
}

// A walk is a stranger with an empty home directory.
type walk struct {
	t         *testing.T
	home      string
	ports     map[string]string
	directory string // of the authority
	trust     string // file with the system's authorities and ours
	proxy     string // address of the proxy of clients
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	w := &walk{t: t, home: t.TempDir(), ports: map[string]string{"80": portOf(freeAddr(t)), "443": portOf(freeAddr(t))}}
	directory, trust, roots := startACME(t, w.ports["443"])
	w.directory, w.trust = directory, filepath.Join(t.TempDir(), "trust.pem")
	var all []byte
	for _, file := range []string{systemRoots(t), trust, roots} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, text...), '\n')
	}
	if err := os.WriteFile(w.trust, all, 0o600); err != nil {
		t.Fatal(err)
	}
	addr, end := serve(t, http.HandlerFunc(w.connect))
	t.Cleanup(end)
	w.proxy = "http://" + addr
	return w
}

// systemRoots is the file that programs trust by default.
func systemRoots(t *testing.T) string {
	t.Helper()
	for _, file := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	t.Fatal("the authorities of the system are in no place that is known here")
	return ""
}

// connect is a proxy that knows the domain, and nothing else.
func (w *walk) connect(rw http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || err != nil || !strings.HasSuffix(host, "."+domain) || w.ports[port] == "" {
		http.Error(rw, "this proxy knows "+domain, http.StatusForbidden)
		return
	}
	server, err := net.Dial("tcp", "127.0.0.1:"+w.ports[port])
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, buffered, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	fmt.Fprint(client, "HTTP/1.1 200 Connected\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(server, buffered); server.Close() })
	_, _ = io.Copy(client, server) // its end is what counts
	client.Close()
	both.Wait()
}

var assignment = regexp.MustCompile(`\b([A-Z_]+)=(\S+)`)

// substitute gives other values to the variables, which are about domain, ports
// and authority.
func (w *walk) substitute(lines []string) []string {
	own := map[string]string{
		"BASE_DOMAIN": domain, "ACME_EMAIL": "ops@" + domain, "ACME_DIRECTORY": w.directory,
		"GATEWAY_BIND": "127.0.0.1", "HTTP_PORT": w.ports["80"], "HTTPS_PORT": w.ports["443"],
	}
	var changed []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "export ") {
			w.t.Errorf("not a variable: %s", line)
		}
		changed = append(changed, assignment.ReplaceAllStringFunc(line, func(pair string) string {
			name, _, _ := strings.Cut(pair, "=")
			switch {
			case own[name] != "":
				return name + "=" + own[name]
			case strings.HasSuffix(name, "_ADDR"):
				return name + "=" + freeAddr(w.t)
			}
			return pair
		}))
	}
	return changed
}

// environment is that of the stranger. What comes from caches saves time.
func (w *walk) environment(more ...string) []string {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	var kept []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains([]string{"GOPATH", "GOBIN", "GOWORK", "GOFLAGS", "REDIS_URL", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"}, name) {
			kept = append(kept, variable)
		}
	}
	cache := func(program string, args ...string) string {
		out, err := exec.Command(program, args...).Output()
		if err != nil {
			w.t.Fatalf("%s: %v", program, err)
		}
		return strings.TrimSpace(string(out))
	}
	return slices.Concat(kept, []string{
		"HOME=" + w.home, "GOMODCACHE=" + cache("go", "env", "GOMODCACHE"), "GOCACHE=" + cache("go", "env", "GOCACHE"),
		"npm_config_cache=" + cache("npm", "config", "get", "cache"), "PIP_CACHE_DIR=" + cache("python3", "-m", "pip", "cache", "dir"),
		"GOFLAGS=-trimpath", "CGO_ENABLED=0", "SSL_CERT_FILE=" + w.trust, "BROWSER=" + self, browserVariable + "=1",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url." + w.origin() + ".insteadOf", "GIT_CONFIG_VALUE_0=" + repository,
	}, more)
}

// origin is what stands for the repository: this tree, committed.
func (w *walk) origin() string {
	dir := filepath.Join(filepath.Dir(w.trust), "origin")
	if _, err := os.Stat(dir); err == nil {
		return "file://" + dir
	}
	script := `set -e
		git -C ../.. ls-files -z --cached --others --exclude-standard | (cd ../.. && xargs -0 ls -d 2>/dev/null | tar -cf - -T -) | (mkdir "$1" && cd "$1" && tar -xf -)
		cd "$1" && git init -q && git add -A && git -c user.name=test -c user.email=test@example.com commit -qm test`
	if out, err := exec.Command("bash", "-c", script, "bash", dir).CombinedOutput(); err != nil {
		w.t.Fatalf("a copy of the repository: %v\n%s", err, out)
	}
	return "file://" + dir
}

// begin runs the commands of the machine, the last of which stays, until it is
// ready.
func (w *walk) begin(lines []string) *watched {
	w.t.Helper()
	cmd := exec.Command("bash", "-c", "set -e\n"+strings.Join(lines, "\n"))
	cmd.Dir, cmd.Env = w.home, w.environment()
	cmd.Stdin = strings.NewReader(password + "\n") // the one that asks
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := newWatched("shclient config print") // its last line
	cmd.Stdout, cmd.Stderr = said, said
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	w.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // gone already: fine
		kill := time.AfterFunc(30*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		<-ended
		kill.Stop()
		if w.t.Failed() {
			w.t.Logf("the machine said:\n%s", said)
		}
	})
	select {
	case <-said.found:
	case <-ended:
		w.t.Fatal("it has ended")
	case <-time.After(8 * time.Minute):
		w.t.Fatal("it is not ready")
	}
	w.t.Logf("$ %s\n%s(ready after %.0f s)", strings.Join(lines, "\n$ "), said, time.Since(begun).Seconds())
	return said
}

// run runs commands as a client, who reaches the domain through a proxy.
func (w *walk) run(dir string, lines ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -e\n"+strings.Join(lines, "\n"))
	cmd.Dir, cmd.Env = dir, w.environment("HTTPS_PROXY="+w.proxy)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Errorf("%s: %v\n%s", lines[len(lines)-1], err, out)
	}
	return string(out)
}

// stdioClient is a program that starts what was printed for Cursor.
func (w *walk) stdioClient(variables []string, printed string) {
	w.t.Helper()
	_, block, _ := strings.Cut(printed, "Cursor: ")
	at := strings.IndexByte(block, '{')
	if at < 0 {
		w.t.Fatalf("no configuration for Cursor:\n%s", printed)
	}
	var file struct {
		Servers map[string]struct {
			Command string
			Args    []string
		} `json:"mcpServers"`
	}
	if err := json.NewDecoder(strings.NewReader(block[at:])).Decode(&file); err != nil || len(file.Servers) != 1 {
		w.t.Fatalf("%v:\n%s", err, block)
	}
	for _, server := range file.Servers {
		cmd := exec.Command(filepath.Join(w.home, "go", "bin", server.Command), server.Args...)
		cmd.Env = w.environment("HTTPS_PROXY=" + w.proxy)
		w.echo("the line for Cursor", &mcp.CommandTransport{Command: cmd})
	}
}

// httpClient is a program that speaks to remote servers itself, as VS Code does.
func (w *walk) httpClient(said string) {
	w.t.Helper()
	line := regexp.MustCompile(`(?m)^VS Code: +(.*)$`).FindStringSubmatch(said)
	var file struct {
		Servers map[string]struct{ Type, URL string }
	}
	if line == nil || json.Unmarshal([]byte(line[1]), &file) != nil || file.Servers["mcp"].Type != "http" {
		w.t.Fatalf("no line for VS Code:\n%s", said)
	}
	text, err := os.ReadFile(w.trust)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	proxy, err := url.Parse(w.proxy)
	if err != nil {
		w.t.Fatal(err)
	}
	outside := &http.Client{Transport: &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "127.0.0.1" { // its own callback
				return nil, nil
			}
			return proxy, nil
		},
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
	}}
	defer outside.CloseIdleConnections()
	person := &browser.Browser{Username: walker, Password: password, Client: outside}
	auth, err := oauthdyn.New(oauthdyn.Config{Resource: file.Servers["mcp"].URL, HTTPClient: outside, OpenURL: person.Open})
	if err != nil {
		w.t.Fatal(err)
	}
	w.echo("the line for VS Code", &mcp.StreamableClientTransport{Endpoint: file.Servers["mcp"].URL, HTTPClient: auth.HTTPClient(), DisableStandaloneSSE: true})
}

func (w *walk) echo(what string, transport mcp.Transport) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v0"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "from " + what}})
	if err == nil && len(result.Content) != 1 {
		err = errors.New("no content")
	}
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
	if text, ok := result.Content[0].(*mcp.TextContent); !ok || !strings.Contains(text.Text, "from "+what) {
		w.t.Errorf("%s: %+v", what, result.Content[0])
	}
	w.t.Logf("%s: tools/call echo works", what)
}
