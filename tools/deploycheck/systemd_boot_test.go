// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"context"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestUnitsUnderSystemd has systemd itself run the units, in namespaces of its own:
// users, credentials, filters of system calls and all. See testdata/boot.sh.
func TestUnitsUnderSystemd(t *testing.T) {
	if !isRoot {
		t.Skip("systemd as a first process is for root")
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		t.Skip("systemd runs this machine, and a second one would meddle with its control groups")
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--fork", "--pid", "--mount", "--mount-proc", "true").CombinedOutput(); err != nil {
		t.Skipf("no namespaces here: %v\n%s", err, out)
	}
	const program = "/lib/systemd/systemd"
	if _, err := os.Stat(program); err != nil {
		missing(t, program+" is absent: apt-get install systemd")
	}
	b := boot(t)
	g := &gateway{bin: b.bin, page: b.page, front: b.front}
	b.configure()
	names := b.enable()
	for _, name := range names {
		b.checkConfined(name)
	}
	b.systemctl(append([]string{"reload"}, names...)...)
	g.use(t)
	// MemoryDenyWriteExecute keeps the reader of PDF from compiling itself.
	if got := g.run(t, "shclient", "call", "https://fetch."+domain+"/mcp", "fetch", "url="+g.page.URL+"/tides.pdf"); !strings.Contains(got, "The sea rises and falls") {
		t.Errorf("a PDF file: %s", got)
	}
	b.systemctl(append([]string{"stop"}, names...)...)
	for _, name := range names {
		if got := b.systemctl("show", "--property=Result,ExecMainStatus,NRestarts", name); got != "Result=success\nNRestarts=0\nExecMainStatus=0\n" {
			t.Errorf("%s ended with %q", name, got)
		}
	}
}

// A booted is a systemd that runs.
type booted struct {
	t         *testing.T
	dir, bin  string // dir is at /run/deploycheck there
	pid, addr string
	front     *front
	page      *httptest.Server
}

// boot starts systemd after the commands of the README.
func boot(t *testing.T) *booted {
	t.Helper()
	b := &booted{t: t, dir: t.TempDir(), bin: bin(t), addr: newAddresses().next(), page: newPage(t)}
	units, err := filepath.Abs(filepath.Join(deploy, "systemd"))
	if err != nil {
		t.Fatal(err)
	}
	everything, err := filepath.Abs(root + "/examples/interop/testdata/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is absent: apt-get install nodejs")
	}
	for _, name := range []string{"oauthdyn", "shproxy", "fetchserver"} {
		program, err := os.ReadFile(filepath.Join(b.bin, name))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(b.dir, "bin", name)
		writeFile(t, file, string(program))
		if err := os.Chmod(file, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	setup := strings.Replace(shellBlock(t, filepath.Join(units, "README.md"), 0), "oauthdyn user add", "echo '"+password+"' | oauthdyn user add", 1)
	writeFile(t, filepath.Join(b.dir, "setup.sh"), setup)
	log, err := os.Create(filepath.Join(b.dir, "systemd.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--fork", "--kill-child", "--pid", "--mount", "--mount-proc", "--cgroup", "--ipc", "--uts",
		"sh", "testdata/boot.sh", b.dir, everything, node, units)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // and with it all in the namespace
		_ = cmd.Wait()         // killed
		removeGroups()
		log.Close()
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(b.dir, "*.log")) // the pattern is right
			for _, log := range logs {
				t.Logf("%s:\n%s", filepath.Base(log), readFile(t, log))
			}
		}
	})
	b.await("systemd is there", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		b.pid = strings.TrimSpace(string(children))
		return err == nil && b.pid != "" && b.inside("systemctl", "is-active", "basic.target") == nil
	})
	b.front = newFront(t, b.addr+":8443", map[string][]string{
		"auth." + domain: {b.addr + ":9000"}, "mcp." + domain: {b.addr + ":8080"}, "fetch." + domain: {b.addr + ":3000"},
	})
	return b
}

// removeGroups removes the control groups that systemd has left, once its
// processes are gone; those that others use stay.
func removeGroups() {
	for range 100 {
		groups, _ := filepath.Glob("/sys/fs/cgroup/*/init.scope") // the patterns are right
		more, _ := filepath.Glob("/sys/fs/cgroup/*/system.slice")
		if groups = append(groups, more...); len(groups) == 0 {
			return
		}
		for _, group := range groups {
			removeTree(group)
		}
		time.Sleep(20 * time.Millisecond) // killed processes take a moment
	}
}

func removeTree(group string) {
	var dirs []string
	_ = filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for _, dir := range slices.Backward(dirs) {
		_ = os.Remove(dir) // not if it is in use
	}
}

// await waits for something that nothing tells of.
func (b *booted) await(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			b.t.Fatalf("not yet: %s", what)
		}
		time.Sleep(50 * time.Millisecond) // between two questions
	}
}

// command is one that runs where systemd does.
func (b *booted) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b.t.Cleanup(cancel)
	return exec.CommandContext(ctx, "nsenter", append([]string{"--target", b.pid, "--mount", "--pid", "--cgroup", "--ipc", "--uts"}, args...)...)
}

func (b *booted) inside(args ...string) error { return b.command(args...).Run() }

func (b *booted) systemctl(args ...string) string {
	b.t.Helper()
	out, err := b.command(append([]string{"systemctl"}, args...)...).CombinedOutput()
	if err != nil {
		b.t.Errorf("systemctl %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// configure changes in the configuration what is another here: loopback is one
// address of it, npx needs no download, and names lead to the front.
func (b *booted) configure() {
	b.t.Helper()
	page := strings.TrimPrefix(b.page.URL, "http://")
	ca := filepath.Join(b.dir, "ca.pem")
	writeFile(b.t, ca, readFile(b.t, b.front.caFile))
	if err := os.Chmod(ca, 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.shell(`sed -i 's/127\.0\.0\.1:/` + b.addr + `:/; s/"npx".*$/"mcp-server-everything", "args": ["stdio"]}/' /etc/mcp-gateway/*.json /etc/mcp-gateway/*.env
for unit in /etc/systemd/system/*.service; do
  mkdir $unit.d
  cat >$unit.d/test.conf <<END
[Service]
StandardError=append:/run/deploycheck/%p.log
Environment=HTTPS_PROXY=` + b.front.dialer.URL + ` SSL_CERT_FILE=/run/deploycheck/ca.pem MCP_BIND_HOST=` + b.addr + `
END
done
echo 'Environment=FETCHSERVER_HOST=` + b.addr + ` FETCHSERVER_ALLOW_PRIVATE=` + page + `' >>/etc/systemd/system/fetchserver.service.d/test.conf`)
}

func (b *booted) shell(script string) {
	b.t.Helper()
	if out, err := b.command("bash", "-euo", "pipefail", "-c", script).CombinedOutput(); err != nil {
		b.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
}

// enable does what the README says, and returns the units that run then.
func (b *booted) enable() []string {
	b.t.Helper()
	commands := shellBlock(b.t, filepath.Join(deploy, "systemd", "README.md"), 1)
	b.shell(commands)
	names := regexp.MustCompile(`systemctl enable --now (.*)`).FindStringSubmatch(commands)
	if names == nil {
		b.t.Fatal("README.md enables nothing")
	}
	return strings.Fields(names[1])
}

// checkConfined holds that the unit's program runs as nobody in particular, may
// do nothing particular, and nothing that its filter of system calls forbids.
func (b *booted) checkConfined(name string) {
	b.t.Helper()
	pid := strings.TrimSpace(b.systemctl("show", "--property=MainPID", "--value", name))
	if n, err := strconv.Atoi(pid); err != nil || n == 0 {
		b.t.Fatalf("%s runs as process %q", name, pid)
	}
	status, err := b.command("cat", "/proc/"+pid+"/status").Output()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, want := range []string{`(?m)^Uid:\s6\d{4}\s`, `(?m)^CapEff:\s0+$`, `(?m)^CapBnd:\s0+$`, `(?m)^NoNewPrivs:\s1$`, `(?m)^Seccomp:\s2$`} {
		if !regexp.MustCompile(want).Match(status) {
			b.t.Errorf("%s: nothing like %s in\n%s", name, want, status)
		}
	}
}
