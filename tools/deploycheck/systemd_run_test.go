// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestUnitsRun runs what the units run, as systemd does: with credentials and
// directories, and a socket on which the programs say how they are.
func TestUnitsRun(t *testing.T) {
	path := bin(t)
	dir := copyOf(t, "systemd")
	m := &machine{t: t, dir: t.TempDir(), bin: path, addr: newAddresses().next()}
	for _, name := range []string{"etc/mcp-gateway", "etc/systemd/system", "credentials", "var/lib", "var/cache", "var/log"} {
		if err := os.MkdirAll(filepath.Join(m.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.names = replacer(map[string]string{
		"/etc/":      m.dir + "/etc/",
		"127.0.0.1:": m.addr + ":",
		// What npx would start.
		`"npx", "args": ["-y", "@modelcontextprotocol/server-everything@2026.8.31"]`: `"mcp-server-everything", "args": ["stdio"]`,
	})
	runShell(t, dir, path, m.names.Replace(shellBlock(t, filepath.Join(dir, "README.md"), 0)))
	etc := filepath.Join(m.dir, "etc/mcp-gateway")
	files, err := os.ReadDir(etc)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.IsDir() {
			writeFile(t, filepath.Join(etc, f.Name()), m.names.Replace(readFile(t, filepath.Join(etc, f.Name()))))
		}
	}
	g := &gateway{bin: path, page: newPage(t)}
	g.front = newFront(t, m.addr+":8443", map[string][]string{
		"auth." + domain: {m.addr + ":9000"}, "mcp." + domain: {m.addr + ":8080"}, "fetch." + domain: {m.addr + ":3000"},
	})
	enabled := regexp.MustCompile(`systemctl enable --now (.*)`).FindStringSubmatch(readFile(t, filepath.Join(dir, "README.md")))
	if enabled == nil {
		t.Fatal("README.md enables nothing")
	}
	for name := range strings.FieldsSeq(enabled[1]) {
		g.commands = append(g.commands, m.command(name, g))
	}
	g.play(t)
}

// A machine is a directory that is the root of its paths.
type machine struct {
	t              *testing.T
	dir, bin, addr string
	names          *strings.Replacer
}

// command is the main process of a unit, such as oauthdyn or shproxy@main.
func (m *machine) command(name string, g *gateway) command {
	t := m.t
	t.Helper()
	file, instance, template := strings.Cut(name, "@")
	if template {
		file += "@"
	}
	u := readUnit(t, filepath.Join(m.dir, "etc/systemd/system", file+".service"))
	specifiers := strings.NewReplacer("%i", instance, "%S", m.dir+"/var/lib", "%C", m.dir+"/var/cache", "%%", "%")
	vars := map[string]string{}
	set := func(assignment string) {
		key, value, _ := strings.Cut(assignment, "=")
		vars[key] = value
	}
	for kind, parent := range map[string]string{"State": "var/lib", "Cache": "var/cache", "Logs": "var/log"} {
		for _, dir := range u["Service"][kind+"Directory"] {
			dir = filepath.Join(m.dir, parent, specifiers.Replace(dir))
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			vars[strings.ToUpper(kind)+"_DIRECTORY"] = dir
		}
	}
	for _, list := range u["Service"]["Environment"] {
		for assignment := range strings.FieldsSeq(specifiers.Replace(list)) {
			set(assignment)
		}
	}
	for _, file := range u["Service"]["EnvironmentFile"] {
		for line := range strings.Lines(readFile(t, m.names.Replace(specifiers.Replace(file)))) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				set(line)
			}
		}
	}
	credentials := filepath.Join(m.dir, "credentials", name)
	for _, load := range u["Service"]["LoadCredential"] {
		id, from, _ := strings.Cut(load, ":")
		copied := filepath.Join(credentials, id)
		writeFile(t, copied, readFile(t, m.names.Replace(from)))
		if err := os.Chmod(copied, 0o440); err != nil { // so it looks, with an ACL
			t.Fatal(err)
		}
		vars["CREDENTIALS_DIRECTORY"] = credentials
	}
	c := command{name: name, dir: m.dir, grace: time.Duration(seconds(t, u.one(t, "TimeoutStopSec")+"s")) * time.Second}
	if dirs := u["Service"]["WorkingDirectory"]; len(dirs) == 1 {
		c.dir = specifiers.Replace(dirs[0])
	}
	for word := range strings.FieldsSeq(u.one(t, "ExecStart")) {
		word = regexp.MustCompile(`\$\{\w+\}`).ReplaceAllStringFunc(specifiers.Replace(word), func(v string) string {
			value, ok := vars[strings.Trim(v, "${}")]
			if !ok {
				t.Errorf("%s: nothing sets %s", name, v)
			}
			return value
		})
		c.args = append(c.args, m.names.Replace(word))
	}
	c.args[0] = filepath.Base(c.args[0])
	if c.args[0] == "fetchserver" {
		// That all of 127.0.0.0/8 is not one address is the test's doing.
		vars["FETCHSERVER_HOST"], vars["FETCHSERVER_ALLOW_PRIVATE"] = m.addr, strings.TrimPrefix(g.page.URL, "http://")
	}
	vars["MCP_BIND_HOST"] = m.addr
	manager := newManager(t, u.one(t, "Type"))
	vars["NOTIFY_SOCKET"] = manager.address
	var env []string
	for key, value := range vars {
		env = append(env, key+"="+value)
	}
	c.env = withEnv(m.bin, env, g.front.env())
	c.ready, c.ended = manager.ready, manager.stopped
	if strings.HasPrefix(u.one(t, "ExecReload"), "/bin/kill -HUP ") {
		c.reloaded = manager.reloaded
	}
	return c
}

// A manager is the end of systemd of the socket NOTIFY_SOCKET.
type manager struct {
	address string
	conn    *net.UnixConn

	mu sync.Mutex
	// mu guards the field below.
	said []string
}

func newManager(t *testing.T, kind string) *manager {
	t.Helper()
	if kind != "notify" {
		t.Fatalf("Type=%s", kind)
	}
	m := &manager{address: filepath.Join(t.TempDir(), "notify")}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.address, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		message := make([]byte, 4096)
		for {
			n, err := m.conn.Read(message)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, strings.Fields(string(message[:n]))...)
			m.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = m.conn.Close()
		reading.Wait()
	})
	return m
}

func (m *manager) states() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.said, " ")
}

func (m *manager) ready(context.Context) error {
	if states := m.states(); !strings.HasSuffix(states, "READY=1") {
		return errors.New("it has not said READY=1 last, but: " + states)
	}
	return nil
}

func (m *manager) reloaded(context.Context) error {
	if states := m.states(); !reloaded.MatchString(states) {
		return errors.New("it has only said " + states)
	}
	return nil
}

var reloaded = regexp.MustCompile(`^READY=1 RELOADING=1 MONOTONIC_USEC=\d+ READY=1( STOPPING=1)?$`)

// stopped waits for what the process may have said just before its end.
func (m *manager) stopped(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		states := m.states()
		if reloaded.MatchString(states) && strings.HasSuffix(states, " STOPPING=1") {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("it said %s", states)
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}
