// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// instancesTimeout is for machines under load; it decides nothing else.
const instancesTimeout = 2 * time.Minute

// user is the environment of one person: bridges, their logins, and a browser.
type user struct {
	t        *testing.T
	dir      string
	browser  string // what the person does
	patience string // --auth-timeout
}

func newUser(t *testing.T) *user {
	t.Helper()
	u := &user{t: t, dir: t.TempDir(), browser: "sign-in", patience: "1m"}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shclient", "browser"} {
		if err := os.Symlink(self, filepath.Join(u.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// bridge is the command, not started.
func (u *user) bridge(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(u.dir, "shclient"), append(args, "--auth-timeout", u.patience)...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+u.dir, "BROWSER="+filepath.Join(u.dir, "browser")+" "+u.browser, windowsEnv+"="+u.windowsFile())
	return cmd
}

func (u *user) windowsFile() string { return filepath.Join(u.dir, "windows") }

// windows is how many were opened so far.
func (u *user) windows() int {
	u.t.Helper()
	text, err := os.ReadFile(u.windowsFile())
	if err != nil && !os.IsNotExist(err) {
		u.t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// credentials is the file of the logins.
func (u *user) credentials() string {
	return filepath.Join(u.dir, "mcp-oauth-gateway", "credentials.json")
}

// expire makes every access token in the file one that ended an hour ago.
func (u *user) expire() {
	u.t.Helper()
	text, err := os.ReadFile(u.credentials())
	if err != nil {
		u.t.Fatal(err)
	}
	var file struct{ Credentials map[string]json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		u.t.Fatal(err)
	}
	store, expired := oauthdyn.NewFileStore(u.credentials()), 0
	for key := range file.Credentials {
		c, err := store.Load(u.t.Context(), key)
		if err != nil {
			u.t.Fatal(err)
		}
		if c.Grant == nil {
			continue
		}
		c.Grant.Expiry = time.Now().Add(-time.Hour)
		c.Grant.Obtained = c.Grant.Expiry.Add(-time.Hour)
		if err := store.Save(u.t.Context(), key, c); err != nil {
			u.t.Fatal(err)
		}
		expired++
	}
	if expired != 1 {
		u.t.Fatalf("%d grants in the file, want 1", expired)
	}
}

// handshake is what a program says before it calls a tool.
const handshake = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
`

const callEcho = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}
`

// callAll starts n bridges at once, calls a tool through each, and returns the
// answers to the calls.
func (u *user) callAll(n int, url string) []string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), instancesTimeout)
	defer cancel()
	answers := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			answer, err := u.call(ctx, url)
			if err != nil {
				u.t.Errorf("instance %d: %v", i, err)
			}
			answers[i] = answer
		})
	}
	all.Wait()
	return answers
}

// call runs a bridge like a program that waits for its answer.
func (u *user) call(ctx context.Context, url string) (answer string, err error) {
	cmd := u.bridge(ctx, url)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if _, err := io.WriteString(stdin, handshake+callEcho); err != nil {
		return "", err
	}
	lines := bufio.NewReader(stdout)
	for !strings.HasPrefix(answer, `{"jsonrpc":"2.0","id":2,`) {
		if answer, err = lines.ReadString('\n'); err != nil {
			break
		}
	}
	stdin.Close()
	if waited := cmd.Wait(); err == nil {
		err = waited
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, &stderr)
	}
	return strings.TrimSpace(answer), err
}

// wantAll checks that all instances got the tool's answer.
func (u *user) wantAll(n int, url string) {
	u.t.Helper()
	for i, answer := range u.callAll(n, url) {
		if want := `{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"hello"}]}}`; answer != want {
			u.t.Errorf("instance %d answers %s", i, answer)
		}
	}
}

// Ten bridges of one user, as many windows of a client start them: they share
// one login, one registration and one refresh, whatever happens to the login.
func TestTenInstances(t *testing.T) {
	const n = 10
	s := oauthdyntest.New(t, &oauthdyntest.Options{
		Handler: mcpHandler(nil),
		// A refresh token that is used twice, even at once, ends the grant.
		Adjust: func(o *authserver.Options) { o.RefreshGrace = -1 },
	})
	t.Cleanup(s.Protected.CloseClientConnections)
	u := newUser(t)
	windows, registrations, tokens := 0, 0, 0
	step := func(what string, moreWindows, moreRegistrations, moreTokens int) {
		t.Helper()
		u.wantAll(n, s.ResourceURL)
		for _, count := range []struct {
			name            string
			got, more, seen *int
		}{
			{"windows", new(u.windows()), &moreWindows, &windows},
			{"registrations", new(s.Requests("/register")), &moreRegistrations, &registrations},
			{"token requests", new(s.Requests("/token")), &moreTokens, &tokens},
		} {
			if got := *count.got - *count.seen; got != *count.more {
				t.Errorf("%s: %d %s, want %d", what, got, count.name, *count.more)
			}
			*count.seen = *count.got
		}
	}
	step("without a login", 1, 1, 1)
	u.expire()
	step("with an access token that has expired", 0, 0, 1)
	if err := s.RevokeGrants(t.Context()); err != nil {
		t.Fatal(err)
	}
	step("with a grant that was revoked", 1, 0, 2) // the refresh that is refused, and the code
}

// A person who does not look at the window is not shown another by each
// instance, nor by those that come later; a client that gives up and tries again
// has the reason and the remedy in the error.
func TestTenInstancesAndNobodyThere(t *testing.T) {
	s := oauthdyntest.New(t, &oauthdyntest.Options{Handler: mcpHandler(nil)})
	t.Cleanup(s.Protected.CloseClientConnections)
	u := newUser(t)
	u.browser, u.patience = "ignore", "3s"
	timeouts, told := 0, 0
	for range 2 {
		for _, answer := range u.callAll(5, s.ResourceURL) {
			switch {
			case strings.Contains(answer, "nobody signed in within 3s"):
				timeouts++
			case strings.Contains(answer, "has not signed in") && strings.Contains(answer, "run shclient login "+s.ResourceURL):
				told++
			default:
				t.Errorf("answer: %s", answer)
			}
		}
	}
	opened := u.windows()
	if opened > 1 || told < 5 { // a slow browser is called off before it has a window
		t.Errorf("%d windows, want 1; %d instances waited for it, %d said what to do", opened, timeouts, told)
	}

	// At last somebody is there, and does what the error says.
	u.browser, u.patience = "sign-in", "1m"
	login := u.bridge(t.Context(), "login", s.ResourceURL)
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	u.wantAll(2, s.ResourceURL)
	if got := u.windows() - opened; got != 1 {
		t.Errorf("%d windows more, want 1", got)
	}
}
