// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/cli"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

func TestMain(m *testing.M) {
	runAsCommand()
	testscript.Main(m, map[string]func(){
		"oauthdyn": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"browser":  browse,
	})
}

// commands are what scripts can do besides running programs.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"freeaddr":   freeAddr,
	"waitfor":    waitFor,
	"signin":     signIn,
	"oneline":    oneLine,
	"badkeys":    badKeys,
	"exitcode":   exitCode,
	"token":      getToken,
	"waitlisten": waitListen,
	"revoke":     revoke,
	"pemkey":     pemKey,
	"ask":        ask,
	"waitfile":   waitFile,
	"tokenlife":  tokenLife,
	"signal":     sendSignal,
	"addclient":  addClient,
	"grantid":    grantID,
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps a second at its end
			return nil
		},
	})
}

// freeAddr sets a variable to a loopback address that nobody listens on.
func freeAddr(ts *testscript.TestScript, _ bool, args []string) {
	addr, err := unusedAddr()
	ts.Check(err)
	ts.Setenv(args[0], addr)
}

// unusedAddr returns a loopback address that nobody listens on. Its port is
// below those that systems give to whoever asks for any, so that nobody gets it
// before the program that is told of it.
func unusedAddr() (string, error) {
	var err error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		var listener net.Listener
		if listener, err = net.Listen("tcp", addr); err == nil {
			return addr, listener.Close()
		}
	}
	return "", err
}

// waitFor waits until a URL answers 200.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		res, err := http.Get(args[0])
		if err == nil {
			ts.Check(res.Body.Close())
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(10 * time.Millisecond) // between two questions; nothing says when to ask
	}
	ts.Fatalf("%s does not answer", args[0])
}

// waitListen waits until somebody listens on an address.
func waitListen(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if conn, err := net.Dial("tcp", args[0]); err == nil {
			ts.Check(conn.Close())
			return
		}
		time.Sleep(10 * time.Millisecond) // between two attempts; nothing says when to try
	}
	ts.Fatalf("nobody listens on %s", args[0])
}

// sendSignal sends a signal to the newest background command: signal NAME.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	sig, ok := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}[args[0]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[0])
	}
	commands := ts.BackgroundCmds()
	ts.Check(commands[len(commands)-1].Process.Signal(sig))
}

// waitFile waits until there is a file.
func waitFile(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks; nothing says when to look
	}
	ts.Fatalf("%s does not come", args[0])
}

// signIn registers a client and signs a person in: signin ISSUER NAME PASSWORD
// [LABEL]. The label is that of the way to sign in, where there are several.
// With "!" it wants that to fail.
func signIn(ts *testscript.TestScript, neg bool, args []string) {
	const callback = "https://client.example/cb"
	res, err := http.Post(args[0]+"/register", "application/json",
		strings.NewReader(`{"redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none"}`))
	ts.Check(err)
	var id string
	_, err = fmt.Fscanf(res.Body, `{"client_id":%q,`, &id)
	ts.Check(err)
	ts.Check(res.Body.Close())
	b := &browser.Browser{Username: args[1], Password: args[2]}
	if len(args) > 3 {
		b.With = args[3]
	}
	at, err := b.Authorize(context.Background(), args[0]+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {callback},
		"code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"},
	}.Encode())
	if ok := err == nil && at.Query().Has("code"); ok == neg {
		ts.Fatalf("signed in: %v; %v", ok, err)
	}
}

// getToken signs a person in and sets a variable to the access token: token VAR
// ISSUER RESOURCE NAME PASSWORD [SCOPE...].
func getToken(ts *testscript.TestScript, _ bool, args []string) {
	b := &browser.Browser{Username: args[3], Password: args[4]}
	client, err := oauthdyn.New(oauthdyn.Config{AuthServer: args[1], Resource: args[2], Scopes: args[5:], OpenURL: b.Open,
		HTTPClient: &http.Client{Transport: behind(args[1])}})
	ts.Check(err)
	token, err := client.Authenticate(context.Background())
	ts.Check(err)
	ts.Setenv(args[0], token.AccessToken)
}

// tokenLife signs a person in and checks for how many seconds the access token
// lives: tokenlife ISSUER RESOURCE NAME PASSWORD SECONDS.
func tokenLife(ts *testscript.TestScript, _ bool, args []string) {
	getToken(ts, false, append([]string{"TOKEN"}, args[:4]...))
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(ts.Getenv("TOKEN"), ".")[1])
	ts.Check(err)
	var claims struct{ Iat, Exp int }
	ts.Check(json.Unmarshal(data, &claims))
	if got := strconv.Itoa(claims.Exp - claims.Iat); got != args[4] {
		ts.Fatalf("the token lives for %s seconds, want %s", got, args[4])
	}
}

// revoke revokes an access token as the client that it was issued to: revoke
// ISSUER TOKEN.
func revoke(ts *testscript.TestScript, _ bool, args []string) {
	part, _, _ := strings.Cut(args[1][strings.IndexByte(args[1], '.')+1:], ".")
	data, err := base64.RawURLEncoding.DecodeString(part)
	ts.Check(err)
	var claims struct {
		ClientID string `json:"client_id"`
	}
	ts.Check(json.Unmarshal(data, &claims))
	res, err := http.PostForm(args[0]+"/revoke", url.Values{"client_id": {claims.ClientID}, "token": {args[1]}})
	ts.Check(err)
	ts.Check(res.Body.Close())
	if res.StatusCode != http.StatusOK {
		ts.Fatalf("revocation: %s", res.Status)
	}
}

// behind sends requests for any host to one server, as a proxy would.
type behind string

// RoundTrip implements http.RoundTripper.
func (b behind) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Host = req.URL.Host
	req.URL.Scheme, req.URL.Host, _ = strings.Cut(string(b), "://")
	return http.DefaultTransport.RoundTrip(req)
}

// ask makes a request and checks the answer: ask STATUS METHOD URL [Name=value
// to send | Name:value to get]... An empty value to get means a header that is
// there and empty.
func ask(ts *testscript.TestScript, _ bool, args []string) {
	req, err := http.NewRequest(args[1], args[2], nil)
	ts.Check(err)
	want := map[string]string{}
	for _, arg := range args[3:] {
		i := strings.IndexAny(arg, "=:")
		switch name, value := arg[:i], arg[i+1:]; {
		case arg[i] == ':':
			want[name] = value
		case name == "Host":
			req.Host = value
		default:
			req.Header.Set(name, value)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	ts.Check(err)
	ts.Check(res.Body.Close())
	if got := strconv.Itoa(res.StatusCode); got != args[0] {
		ts.Fatalf("status %s, want %s; headers %v", got, args[0], res.Header)
	}
	for name, value := range want {
		got, ok := res.Header[name]
		if !ok || value == "" && got[0] != "" || !strings.Contains(got[0], value) {
			ts.Fatalf("%s is %q, want %q", name, got, value)
		}
	}
}

// badKeys makes a store whose signing keys cannot be read: badkeys FILE.
func badKeys(ts *testscript.TestScript, _ bool, args []string) {
	db, err := bolt.Open(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	ts.Check(db.SaveKeys(context.Background(), []byte("rubbish"), 0))
	ts.Check(db.Close())
}

// exitCode runs the command and checks its exit code: exitcode CODE ARGS.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("oauthdyn", args[1:]...)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("%v, want exit code %s", err, args[0])
	}
}

// oneLine checks that stderr is one line for the user, and perhaps a hint.
func oneLine(ts *testscript.TestScript, _ bool, _ []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stderr")), "\n")
	ok := strings.HasPrefix(lines[0], "oauthdyn: ") &&
		(len(lines) == 1 || len(lines) == 2 && strings.HasPrefix(lines[1], "hint: "))
	if !ok {
		ts.Fatalf("stderr is not one clear line: %q", lines)
	}
}
