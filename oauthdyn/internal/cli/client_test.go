// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// TestClientScripts runs the client half of the command against real servers.
func TestClientScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/client",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps a second at its end
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("BROWSER", "browser sign-in")
			env.Values["t"] = env.T()
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitCode,
			"oneline":  oneLine,
			"server":   startServer,
			"paste":    paste,
			"nosecret": noSecret,
		},
	})
}

// browse is the BROWSER of the scripts: a person who signs in, without a screen.
// Its arguments are what the person does, and the URL.
func browse() {
	b := oauthdyntest.Browser{Username: oauthdyntest.Username, Password: oauthdyntest.Password, Deny: os.Args[1] == "deny"}
	if err := b.Open(context.Background(), os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startServer is "server KIND": it starts an authorization server and a
// resource in the test process, and sets ISSUER and URL to their addresses.
func startServer(ts *testscript.TestScript, _ bool, args []string) {
	tb, _ := ts.Value("t").(testing.TB)
	s := oauthdyntest.New(tb, &oauthdyntest.Options{Scopes: []string{"read"}})
	ts.Setenv("URL", s.ResourceURL)
	ts.Setenv("ISSUER", s.Issuer)
	switch args[0] {
	case "healthy":
	case "wrong-issuer":
		s.SetFaults(oauthdyntest.Faults{Issuer: "https://auth.example.com"})
	case "no-s256":
		s.SetFaults(oauthdyntest.Faults{NoS256: true})
	case "down":
		s.SetFaults(oauthdyntest.Faults{Status: http.StatusServiceUnavailable})
	case "no-token-endpoint":
		s.SetFaults(oauthdyntest.Faults{Path: "/token", Status: http.StatusNotFound})
	case "refresh-revoked":
		s.SetFaults(oauthdyntest.Faults{RefreshRevoked: true})
	case "nobody":
		s.Protected.Close()
	case "unprotected":
		mux := http.NewServeMux()
		mux.HandleFunc("/mcp", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
		open := httptest.NewServer(mux)
		ts.Defer(open.Close)
		ts.Setenv("URL", open.URL+"/mcp")
	default:
		ts.Fatalf("unknown kind of server %q", args[0])
	}
}

// running is the command with a person who reads what it says.
func running(ts *testscript.TestScript, args []string) (cmd *exec.Cmd, stdin io.WriteCloser, lines *bufio.Scanner) {
	cmd = exec.Command("oauthdyn", args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	stdin, err := cmd.StdinPipe()
	ts.Check(err)
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	return cmd, stdin, bufio.NewScanner(stderr)
}

// paste runs a command like "login URL --no-browser" and pastes the address
// that a browser on another machine ends at.
func paste(ts *testscript.TestScript, _ bool, args []string) {
	cmd, stdin, lines := running(ts, args)
	for lines.Scan() {
		page := strings.TrimSpace(lines.Text())
		if !strings.HasPrefix(page, "http") {
			continue
		}
		b := oauthdyntest.Browser{Username: oauthdyntest.Username, Password: oauthdyntest.Password}
		at, err := b.Authorize(context.Background(), page)
		ts.Check(err)
		_, err = fmt.Fprintln(stdin, at)
		ts.Check(err)
		break
	}
	for lines.Scan() { // up to the end
	}
	ts.Check(cmd.Wait())
}

// noSecret checks that what was printed holds none of the secrets in the
// credential file.
func noSecret(ts *testscript.TestScript, _ bool, _ []string) {
	store, err := os.ReadFile(filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), "mcp-oauth-gateway", "credentials.json"))
	ts.Check(err)
	secrets := secretsIn(string(store))
	if len(secrets) == 0 {
		ts.Fatalf("the credential file holds no secret")
	}
	for _, name := range []string{"stdout", "stderr"} {
		text := ts.ReadFile(name)
		for _, s := range secrets {
			if strings.Contains(text, s) {
				ts.Fatalf("%s holds a secret", name)
			}
		}
	}
}

// secretsIn returns the values of secret members in a credential file.
func secretsIn(store string) []string {
	var found []string
	for _, name := range []string{"access_token", "refresh_token", "client_secret", "registration_access_token"} {
		for _, part := range strings.Split(store, `"`+name+`": "`)[1:] {
			value, _, _ := strings.Cut(part, `"`)
			found = append(found, value)
		}
		for _, part := range strings.Split(store, `"`+name+`":"`)[1:] {
			value, _, _ := strings.Cut(part, `"`)
			found = append(found, value)
		}
	}
	return found
}
