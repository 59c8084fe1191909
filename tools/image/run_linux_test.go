// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// asRoot makes a command that runs as root, which unpacking with owners, mounting
// and changing the root need.
func asRoot(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() == 0 {
		return exec.Command(args[0], args[1:]...)
	}
	return exec.Command("sudo", append([]string{"-n", "--"}, args...)...)
}

// needRoot skips the test where nobody can be root or nothing can be mounted.
func needRoot(t *testing.T) {
	t.Helper()
	for _, program := range []string{"unshare", "mount", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is absent: apt-get install util-linux mount tar")
		}
	}
	if output, err := asRoot(t, "unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", t.TempDir()).CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("a container needs root, by itself or sudo without a password, and mounts: %v\n%s", err, output))
	}
}

// enter does what a container runtime does, as far as our commands can tell: a
// root that is read-only but for /tmp and the volume /data, the files and the
// processes of nobody else, and the image's user, with no capability. $1 is the
// root, $2 the user, $3 a file to put over the certificates; the rest is run.
const enter = `set -eu
root=$1 user=$2 certificates=$3; shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
touch "$root/dev/null"
mount --bind /dev/null "$root/dev/null"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o "mode=700,uid=${user%:*},gid=${user#*:}" tmpfs "$root/data"
if [ -n "$certificates" ]; then mount --bind "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"; fi
mount -o remount,ro,bind "$root"
exec unshare --root="$root" --wd=/data --setgid="${user#*:}" --setuid="${user%:*}" -- "$@"
`

// A container runs an image's unpacked root.
type container struct {
	t            *testing.T
	root         string
	config       v1.Config
	certificates string // file to put over those of the image
}

func unpack(t *testing.T, img v1.Image) *container {
	t.Helper()
	needRoot(t)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := &container{t: t, root: filepath.Join(t.TempDir(), "root"), config: file.Config}
	if err := os.Mkdir(c.root, 0o755); err != nil {
		t.Fatal(err)
	}
	archive := mutate.Extract(img)
	defer archive.Close()
	tar := asRoot(t, "tar", "-x", "--numeric-owner", "--same-owner", "-p", "-C", c.root)
	tar.Stdin = archive
	if output, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("unpack: %v\n%s", err, output)
	}
	t.Cleanup(func() { // files of other users
		if output, err := asRoot(t, "rm", "-rf", "--one-file-system", c.root).CombinedOutput(); err != nil {
			t.Errorf("rm: %v\n%s", err, output)
		}
	})
	for _, dir := range []string{"dev", "proc"} { // as runtimes make them
		if output, err := asRoot(t, "mkdir", "-p", filepath.Join(c.root, dir)).CombinedOutput(); err != nil {
			t.Fatalf("mkdir: %v\n%s", err, output)
		}
	}
	return c
}

// command is the entry point with arguments; or another program, if they start
// with a path.
func (c *container) command(args ...string) *exec.Cmd {
	c.t.Helper()
	if len(args) == 0 || !strings.HasPrefix(args[0], "/") {
		args = append(append([]string{}, c.config.Entrypoint...), args...)
	}
	// The image's environment and nothing else.
	line := append([]string{"env", "-i"}, c.config.Env...)
	line = append(line, "unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", enter, "enter", c.root, c.config.User, c.certificates)
	return asRoot(c.t, append(line, args...)...)
}

// run waits for what a command prints.
func (c *container) run(args ...string) (string, error) {
	c.t.Helper()
	var out bytes.Buffer
	cmd := c.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	return out.String(), err
}

// A process is a command that serves.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *output
	done chan struct{} // closed when it has ended
	err  error         // how, then
}

// output is what a process wrote so far.
type output struct {
	sync.Mutex
	bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.Lock()
	defer o.Unlock()
	return o.Buffer.Write(b)
}

func (o *output) String() string {
	o.Lock()
	defer o.Unlock()
	return o.Buffer.String()
}

// start runs a command until the test ends, or stop is called.
func (c *container) start(args ...string) *process {
	c.t.Helper()
	return startProcess(c.t, c.command(args...))
}

func startProcess(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, log: &output{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			p.stop()
		}
	})
	return p
}

// stop sends SIGTERM to the container's first process, as runtimes do, and
// returns how it ended.
func (p *process) stop() error {
	first := strconv.Itoa(p.cmd.Process.Pid)
	for { // sudo, env and unshare come before
		children, err := os.ReadFile("/proc/" + first + "/task/" + first + "/children")
		if err != nil || len(strings.Fields(string(children))) != 1 || inNewPIDs(first) {
			break
		}
		first = strings.Fields(string(children))[0]
	}
	if output, err := asRoot(p.t, "kill", "-TERM", first).CombinedOutput(); err != nil {
		p.t.Errorf("kill %s: %v\n%s", first, err, output)
	}
	<-p.done
	return p.err
}

// inNewPIDs is true for a process that is the first of its own.
func inNewPIDs(pid string) bool {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return len(strings.Fields(ids)) > len(ownPIDs())
		}
	}
	return false
}

func ownPIDs() []string {
	status, _ := os.ReadFile("/proc/self/status") // Linux has it
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.Fields(ids)
		}
	}
	return nil
}

// get asks until there is an answer: the process may still be starting.
func (p *process) get(address string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 3*time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusOK {
				p.t.Fatalf("GET %s: %s, %v\n%s\n%s", address, answer.Status, err, body, p.log)
			}
			return string(body)
		}
		select {
		case <-p.done:
			p.t.Fatalf("it ended: %v\n%s", p.err, p.log)
		case <-ctx.Done():
			p.t.Fatalf("GET %s: %v\n%s", address, err, p.log)
		case <-time.After(20 * time.Millisecond): // until it listens
		}
	}
}

// initialize opens an MCP session, with headers given as pairs, and returns the name of the server.
func (p *process) initialize(address string, headers ...string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, address, strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatalf("initialize: %v\n%s", err, p.log)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	text := string(body)
	if _, data, ok := strings.Cut(text, "data: {"); ok { // an event
		text, _, _ = strings.Cut("{"+data, "\n")
	}
	var message struct {
		Result struct{ ServerInfo struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(text), &message); err != nil {
		p.t.Fatalf("initialize: %s: %v\n%s\n%s", answer.Status, err, body, p.log)
	}
	return message.Result.ServerInfo.Name
}

// freePort is one of 127.0.0.1 that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestRunImages(t *testing.T) {
	for _, name := range []string{"oauthdyn", "shproxy", "fetchserver", "shclient"} {
		t.Run(name, func(t *testing.T) {
			p := built(t, name)
			out, err := unpack(t, p.imageFor(t, local)).run("--version")
			if want := name + " " + p.inventory.Main.Version + "\n"; err != nil || out != want {
				t.Errorf("--version: %q, %v, want %q", out, err, want)
			}
		})
	}
}

func TestRunFetchserver(t *testing.T) {
	c := unpack(t, built(t, "fetchserver").imageFor(t, local))
	port := freePort(t)
	p := c.start("--port", port)
	at := "http://127.0.0.1:" + port
	p.get(at + "/readyz")
	if got := p.initialize(at + "/mcp"); got == "" {
		t.Errorf("the server has no name")
	}
	if out, err := c.run("healthcheck", at+"/readyz"); err != nil {
		t.Errorf("healthcheck: %v\n%s", err, out)
	}
	if err := p.stop(); err != nil {
		t.Errorf("SIGTERM to the first process of a container: %v\n%s", err, p.log)
	}
	if out, err := c.run("healthcheck", at+"/readyz"); err == nil {
		t.Errorf("healthcheck of a server that is gone succeeds\n%s", out)
	}
}

func TestRunOauthdyn(t *testing.T) {
	c := unpack(t, built(t, "oauthdyn").imageFor(t, local))
	addr, admin := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	// Its data go where the volume is, without a flag that says so.
	p := c.start("serve", "--addr", addr, "--admin-addr", admin, "--resource", "https://mcp.example.com/mcp")
	p.get("http://" + admin + "/readyz")
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal([]byte(p.get("http://"+addr+"/.well-known/oauth-authorization-server")), &metadata); err != nil || metadata.Issuer != "http://"+addr {
		t.Errorf("issuer %q, %v", metadata.Issuer, err)
	}
	if out, err := c.run("healthcheck", "http://"+admin+"/readyz"); err != nil {
		t.Errorf("healthcheck: %v\n%s", err, out)
	}
	if err := p.stop(); err != nil {
		t.Errorf("SIGTERM to the first process of a container: %v\n%s", err, p.log)
	}
}

// A base is how people put shproxy beside the server that it starts.
func TestRunShproxyOnABase(t *testing.T) {
	where := startRegistry(t, true)
	server := built(t, "fetchserver")
	if err := server.push(t.Context(), where+"/fetchserver"); err != nil {
		t.Fatal(err)
	}
	reference := where + "/fetchserver@" + digestOf(t, server.index)
	if _, err := name.NewDigest(reference); err != nil {
		t.Fatal(err)
	}
	s := &settings{repo: filepath.Join(shared.dir, "checkout"), base: reference, platforms: []string{local}, workspace: true}
	both, err := s.build(t.Context(), "shproxy")
	if err != nil {
		t.Fatal(err)
	}
	c := unpack(t, both.imageFor(t, local))
	port, admin := freePort(t), "127.0.0.1:"+freePort(t)
	p := c.start("--port", port, "--admin-addr", admin, "--", "fetchserver", "--stdio")
	p.get("http://" + admin + "/readyz")
	if got := p.initialize("http://127.0.0.1:" + port + "/mcp"); got == "" {
		t.Error("the server behind shproxy has no name")
	}
	if err := p.stop(); err != nil {
		t.Errorf("SIGTERM to the first process of a container: %v\n%s", err, p.log)
	}
}

func TestImagesTrustTheirCertificates(t *testing.T) {
	c := unpack(t, built(t, "shproxy").imageFor(t, local))
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	if out, err := c.run("healthcheck", s.URL); err == nil || !strings.Contains(out, x509.UnknownAuthorityError{}.Error()) {
		t.Errorf("a certificate of nobody that Mozilla trusts: %v\n%s", err, out)
	}
	// The file is the one that the program reads.
	c.certificates = filepath.Join(t.TempDir(), "ca.crt")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(c.certificates, authority, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := c.run("healthcheck", s.URL); err != nil {
		t.Errorf("a certificate of an authority in %s: %v\n%s", certificates, err, out)
	}
}

func TestContainersAreReadOnly(t *testing.T) {
	c := unpack(t, built(t, "oauthdyn").imageFor(t, local))
	out, err := c.run("serve", "--addr", "127.0.0.1:0", "--data", "/var/oauthdyn", "--resource", "https://mcp.example.com/mcp")
	if err == nil || !strings.Contains(out, "read-only file system") {
		t.Errorf("a store outside the volume: %v\n%s", err, out)
	}
}
