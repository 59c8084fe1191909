// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// These tests run gnome-keyring-daemon in a D-Bus session of its own. What uses
// the keyring is a process of its own, too, since its connection to the session
// lasts as long as the process.

const (
	secretService = "org.freedesktop.secrets"
	loginKeyring  = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	unlockWith    = "keyring password"
	serviceWait   = time.Minute // for a daemon on a busy machine
)

// The variables that make the test binary a program that uses the keyring.
const (
	envPath    = "KEYRING_TEST_PATH"    // of the file
	envRecord  = "KEYRING_TEST_RECORD"  // to save; empty: none
	envTimeout = "KEYRING_TEST_TIMEOUT" // of the first Open
	envPlain   = "KEYRING_TEST_PLAIN"   // "yes": Options.AllowPlain
	envGate    = "KEYRING_TEST_GATE"    // "yes": begins when stdin ends
	envAgain   = "KEYRING_TEST_AGAIN"   // "yes": opens again after a line on stdin
)

func init() {
	asProgram = func() bool {
		path := os.Getenv(envPath)
		if path != "" {
			useKeyring(path)
		}
		return path != ""
	}
}

// useKeyring opens the store and prints what comes of it.
func useKeyring(path string) {
	if os.Getenv(envGate) == "yes" {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	timeout := serviceWait
	if text := os.Getenv(envTimeout); text != "" {
		timeout, _ = time.ParseDuration(text)
	}
	store, err := Open(path, Options{AllowPlain: os.Getenv(envPlain) == "yes", Timeout: timeout})
	if os.Getenv(envAgain) == "yes" {
		fmt.Println("first:", err)
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		store, err = Open(path, Options{Timeout: serviceWait})
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	if name := os.Getenv(envRecord); name != "" {
		err := store.Save(context.Background(), name, &oauthdyn.Credentials{Grant: &oauthdyn.Grant{RefreshToken: "hush " + name}})
		if err != nil {
			fmt.Println("error:", err)
			return
		}
	}
	for _, name := range []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"} {
		c, err := store.Load(context.Background(), name)
		switch {
		case err == nil:
			fmt.Println(c.Grant.RefreshToken)
		case !errors.Is(err, oauthdyn.ErrNoCredentials):
			fmt.Println("error:", err)
		}
	}
}

// A desktop is a person's home with a D-Bus session.
type desktop struct {
	t    *testing.T
	home string
	bus  string // address
	conn *dbus.Conn
}

// busConfig starts nothing on demand: neither a second daemon nor a window that
// asks a person for the password.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

func newDesktop(t *testing.T) *desktop {
	t.Helper()
	for _, program := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			remedy := "install it with: apt-get install --no-install-recommends gnome-keyring dbus"
			if os.Getenv("REQUIRE_ALL") == "1" {
				t.Fatalf("%s is absent and REQUIRE_ALL=1: %s", program, remedy)
			}
			t.Skipf("%s is absent; %s", program, remedy)
		}
	}
	// The path of a socket is short, and that of t.TempDir may not be.
	home, err := os.MkdirTemp("", "keyring-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	d := &desktop{t: t, home: home, bus: "unix:path=" + filepath.Join(home, "bus")}
	config := filepath.Join(home, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(home, "bus")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--print-address=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.start(cmd, nil)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil { // it listens
		t.Fatalf("dbus-daemon: %q, %v", line, err)
	}
	if d.conn, err = dbus.Connect(d.bus); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.conn.Close() })
	return d
}

// environ is that of a program on this desktop.
func (d *desktop) environ(more ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "XDG_DATA_HOME=" + d.home, "XDG_CACHE_HOME=" + d.home,
		"XDG_RUNTIME_DIR=" + d.home, "DBUS_SESSION_BUS_ADDRESS=" + d.bus}
	return append(env, more...)
}

// start runs a program until the test ends or the returned function is called.
func (d *desktop) start(cmd *exec.Cmd, stdin io.Reader) (end func()) {
	d.t.Helper()
	said := new(bytes.Buffer)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stderr = d.environ(), d.home, stdin, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
			if d.t.Failed() {
				d.t.Logf("%s said: %s", cmd.Path, said)
			}
		}
	}
	d.t.Cleanup(end)
	return end
}

// keyring starts the daemon. With a password it makes or unlocks the login
// keyring, as when a person signs in to the machine. It returns the process
// with what ends it.
func (d *desktop) keyring(password string) (p *os.Process, end func()) {
	d.t.Helper()
	args := []string{"--foreground", "--components=secrets", "--control-directory=" + filepath.Join(d.home, "control")}
	if password != "" {
		args = append(args, "--unlock")
	}
	cmd := exec.Command("gnome-keyring-daemon", args...)
	stop := d.start(cmd, strings.NewReader(password))
	d.await(func() bool { return d.owned() && (password == "" || d.unlocked()) })
	return cmd.Process, func() {
		stop()
		d.await(func() bool { return !d.owned() })
	}
}

func (d *desktop) owned() bool {
	var owned bool
	err := d.conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, secretService).Store(&owned)
	if err != nil {
		d.t.Fatal(err)
	}
	return owned
}

func (d *desktop) unlocked() bool {
	locked, err := d.conn.Object(secretService, loginKeyring).GetProperty("org.freedesktop.Secret.Collection.Locked")
	return err == nil && locked.Value() == false
}

func (d *desktop) await(done func() bool) {
	d.t.Helper()
	for end := time.Now().Add(serviceWait); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatal("waited in vain for the keyring")
		}
	}
}

// program is one that uses the keyring.
func (d *desktop) program(env ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*serviceWait)
	d.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = d.environ(append(env, envPath+"="+d.file())...)
	return cmd
}

func (d *desktop) file() string { return filepath.Join(d.home, "credentials.json") }

// run runs a program and returns what it printed.
func (d *desktop) run(env ...string) string {
	d.t.Helper()
	out, err := d.program(env...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestSecretService(t *testing.T) {
	d := newDesktop(t)
	_, end := d.keyring(unlockWith)
	if got, want := d.run(envRecord+"=r0"), "hush r0\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if data, err := os.ReadFile(d.file()); err != nil || !strings.Contains(string(data), `"sealed"`) || strings.Contains(string(data), "hush") {
		t.Errorf("%s, %v", data, err)
	}
	if got, want := d.run(), "hush r0\n"; got != want {
		t.Errorf("a second program: got %q, want %q", got, want)
	}
	end()
	_, end = d.keyring(unlockWith) // the person signs in again
	if got, want := d.run(), "hush r0\n"; got != want {
		t.Errorf("after a new start: got %q, want %q", got, want)
	}
	end()
	d.keyring("") // the person signs in without a password, and nothing can ask for it
	for _, plain := range []string{"no", "yes"} {
		got := d.run(envPlain + "=" + plain)
		if !strings.HasPrefix(got, "error: keyring of the operating system: it is locked") {
			t.Errorf("locked, AllowPlain %s: %q", plain, got)
		}
		if plain == "yes" && !strings.Contains(got, "without it the records in "+d.file()+" cannot be opened") {
			t.Errorf("a sealed file: %q", got)
		}
	}
	if err := os.Remove(d.file()); err != nil {
		t.Fatal(err)
	}
	if got, want := d.run(envPlain+"=yes", envRecord+"=r1"), "hush r1\n"; got != want {
		t.Errorf("AllowPlain: got %q, want %q", got, want)
	}
	if data, err := os.ReadFile(d.file()); err != nil || strings.Contains(string(data), `"sealed"`) {
		t.Errorf("%s, %v", data, err)
	}
}

// TestFirstKeyOfManyProcesses: all that start at once have the same key.
func TestFirstKeyOfManyProcesses(t *testing.T) {
	d := newDesktop(t)
	d.keyring(unlockWith)
	wait, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer release.Close()
	programs, outputs := make([]*exec.Cmd, 8), make([]*bufio.Reader, 8)
	for i := range programs {
		p := d.program(envGate+"=yes", fmt.Sprintf("%s=r%d", envRecord, i))
		out, err := p.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.Stdin, p.Stderr = wait, os.Stderr
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		programs[i], outputs[i] = p, bufio.NewReader(out)
	}
	wait.Close()
	for i := range outputs {
		if line, err := outputs[i].ReadString('\n'); err != nil {
			t.Fatalf("program %d: %q, %v", i, line, err)
		}
	}
	release.Close()
	for i, p := range programs {
		out, err := io.ReadAll(outputs[i])
		if err := errors.Join(err, p.Wait()); err != nil || strings.Contains(string(out), "error") {
			t.Errorf("program %d: %v: %s", i, err, out)
		}
	}
	if got := d.run(); strings.Count(got, "hush") != len(programs) || strings.Contains(got, "error") {
		t.Errorf("in the end: %q", got)
	}
}

// TestKeyringThatDoesNotAnswer: a stopped daemon takes questions, as one does
// that waits for a person.
func TestKeyringThatDoesNotAnswer(t *testing.T) {
	d := newDesktop(t)
	daemon, _ := d.keyring(unlockWith)
	if err := daemon.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p := d.program(envTimeout+"=300ms", envAgain+"=yes", envRecord+"=r0")
	stdin, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if want := "first: keyring of the operating system: it did not answer within 300ms"; err != nil || !strings.HasPrefix(line, want) {
		t.Errorf("got %q, %v, want %q", line, err, want)
	}
	if err := daemon.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if want := "hush r0\n"; err != nil || string(rest) != want {
		t.Errorf("after it goes on: got %q, %v, want %q", rest, err, want)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestNoSecretService(t *testing.T) {
	d := newDesktop(t)
	if got, want := d.run(), "error: keyring of the operating system: The name org.freedesktop.secrets was not provided"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := d.run(envPlain+"=yes", envRecord+"=r0"), "hush r0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNoSession: without a D-Bus session none is started.
func TestNoSession(t *testing.T) {
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid())); err == nil {
		t.Skip("whoever runs this test has a session that cannot be hidden")
	}
	home := t.TempDir()
	launched := filepath.Join(home, "launched")
	if err := os.WriteFile(filepath.Join(home, "dbus-launch"), []byte("#!/bin/sh\n: >"+launched+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{"PATH=" + home + ":/usr/bin:/bin", "HOME=" + home, envPath + "=" + filepath.Join(home, "credentials.json")}
	out, err := cmd.CombinedOutput()
	if want := "error: keyring of the operating system: there is no D-Bus session"; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if _, err := os.Stat(launched); err == nil {
		t.Error("dbus-launch was run")
	}
}
