// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// commands are the built programs, in a home of their own.
type commands struct {
	t         *testing.T
	dir, home string
}

func buildCommands(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	const module = "github.com/atrawog/mcp-oauth-gateway/"
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), module+"oauthdyn/cmd/oauthdyn", module+"shclient/cmd/shclient")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func (c *commands) command(program string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(c.dir, program), args...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+c.home, "BROWSER="+self+" "+alice.name, "OAUTHDYN_INITIAL_ACCESS_TOKEN="+providerInitialToken)
	return cmd
}

// run runs a command that has to end with a status, and returns what it prints.
func (c *commands) run(status int, program string, args ...string) string {
	c.t.Helper()
	cmd := c.command(program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		c.t.Fatal(err)
	}
	if got != status {
		c.t.Fatalf("%s %q: exit status %d, want %d\n%s%s", program, args, got, status, &stdout, &stderr)
	}
	return stdout.String()
}

// members runs a command and returns the JSON that it prints.
func (c *commands) members(program string, args ...string) map[string]any {
	c.t.Helper()
	out := c.run(0, program, append(args, "--json")...)
	var m map[string]any
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		c.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return m
}

// TestCommands uses the commands with a server that we did not write.
func TestCommands(t *testing.T) {
	key := newKey(t)
	issuer, dir := startOIDCProvider(t, key), buildCommands(t)
	url := newSite(t).addAny("/opaque", issuer, "Bearer")
	for name, use := range map[string]func(c *commands, issuer, url string){
		"life": commandLife, "device": commandDevice, "shared logins": commandsShareLogins, "DPoP": commandDPoP,
		"robot": func(c *commands, _, url string) { commandRobot(c, url, key) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			use(&commands{t: t, dir: dir, home: t.TempDir()}, issuer, url)
		})
	}
}

// commandLife takes a registration and a login from their beginning to their
// end.
func commandLife(c *commands, issuer, url string) {
	t := c.t
	if report := c.run(0, "oauthdyn", "doctor", url); !strings.Contains(report, " 0 failed, 0 skipped") {
		t.Errorf("doctor: %s", report)
	}
	registered := c.members("oauthdyn", "register", issuer, "--scope", "read offline_access", "--show-secrets")
	if registered["issuer"] != issuer || registered["registration_access_token"] == nil {
		t.Errorf("registered: %v", registered)
	}
	changed := c.members("oauthdyn", "client", "update", issuer, "--client-uri", "https://app.example.com", "--show-secrets")
	if changed["client_uri"] != "https://app.example.com" || changed["client_id"] != registered["client_id"] ||
		changed["registration_access_token"] == registered["registration_access_token"] {
		t.Errorf("changed: %v", changed)
	}
	if shown := c.members("oauthdyn", "client", "show", url); shown["client_uri"] != "https://app.example.com" || shown["registration_access_token"] != nil {
		t.Errorf("shown: %v", shown)
	}
	if signedIn := c.members("oauthdyn", "login", url); signedIn["client_id"] != registered["client_id"] || signedIn["access_token"] != nil {
		t.Errorf("signed in: %v", signedIn)
	}
	first := c.run(0, "oauthdyn", "token", url)
	if i := c.members("oauthdyn", "introspect", url); i["active"] != true || i["sub"] != "alice" {
		t.Errorf("introspection: %v", i)
	}
	c.run(0, "oauthdyn", "refresh", url)
	if second := c.run(0, "oauthdyn", "token", url); second == first {
		t.Error("the token was not refreshed")
	}
	c.run(0, "oauthdyn", "revoke", url)
	c.run(3, "oauthdyn", "token", url)
	c.run(0, "oauthdyn", "login", url)
	if deleted := c.members("oauthdyn", "client", "delete", url); deleted["deleted"] != registered["client_id"] {
		t.Errorf("deleted: %v", deleted)
	}
	c.run(3, "oauthdyn", "token", url)
	c.run(1, "oauthdyn", "client", "show", url)
}

// commandDevice signs in with a code.
func commandDevice(c *commands, _, url string) {
	c.signInWithCode("login", url, "--device")
	c.run(0, "oauthdyn", "token", url)
	c.run(0, "oauthdyn", "refresh", url)
}

// commandRobot signs in with a key, beside a person.
func commandRobot(c *commands, url string, key *ecdsa.PrivateKey) {
	t := c.t
	c.run(0, "oauthdyn", "login", url)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.home, "robot.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	robot := []string{url, "--client-id", "robot", "--client-key-file", file, "--client-credentials"}
	first := c.members("oauthdyn", append([]string{"token"}, robot...)...) // without a login
	if first["client_id"] != "robot" || first["access_token"] == nil {
		t.Errorf("robot: %v", first)
	}
	c.run(0, "oauthdyn", append([]string{"refresh"}, robot...)...)
	if second := c.members("oauthdyn", append([]string{"token"}, robot...)...); second["access_token"] == first["access_token"] {
		t.Error("the robot's token was not replaced")
	}
	if person := c.members("oauthdyn", "token", url); person["client_id"] == "robot" {
		t.Error("the robot took the place of the person")
	}
	// The key may come from the environment.
	cmd := c.command("oauthdyn", "login", url, "--client-id", "robot", "--client-credentials")
	cmd.Env = append(cmd.Env, "OAUTHDYN_CLIENT_KEY="+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// signInWithCode reads the page from the screen and opens it elsewhere.
func (c *commands) signInWithCode(args ...string) {
	c.t.Helper()
	cmd := c.command("oauthdyn", args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		fmt.Fprintln(&said, line)
		if strings.HasPrefix(line, "http://") {
			if err := alice.visit(c.t.Context(), line); err != nil {
				c.t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		c.t.Fatalf("%v\n%s", err, &said)
	}
}

// commandsShareLogins uses a login of one command in the other.
func commandsShareLogins(c *commands, _, url string) {
	c.run(0, "oauthdyn", "register", url) // where it needs an initial access token, which shclient has no flag for
	c.run(0, "shclient", "login", url)
	c.run(0, "oauthdyn", "token", url)
	c.run(0, "shclient", "logout", url)
	c.run(3, "oauthdyn", "token", url)
	c.run(0, "oauthdyn", "login", url)
	c.run(0, "shclient", "logout", url)
	c.run(3, "oauthdyn", "token", url)
}

// commandDPoP says that a token which is bound to a key is of no use alone.
func commandDPoP(c *commands, _, url string) {
	t := c.t
	if login := c.members("oauthdyn", "login", url, "--dpop"); login["token_type"] != "DPoP" {
		t.Errorf("login: %v", login)
	}
	cmd := c.command("oauthdyn", "token", url)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil || !strings.Contains(stderr.String(), "bound to a key") {
		t.Errorf("%v: %s", err, &stderr)
	}
}
