// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/cli"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"oauthdyn": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeaddr": freeAddr,
			"waitfor":  waitFor,
			"signin":   signIn,
			"oneline":  oneLine,
			"badkeys":  badKeys,
			"exitcode": exitCode,
		},
	})
}

// freeAddr sets a variable to a loopback address that nobody listens on.
func freeAddr(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], listener.Addr().String())
	ts.Check(listener.Close())
}

// waitFor waits until a URL answers 200.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
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

// signIn registers a client and signs a person in: signin ISSUER NAME PASSWORD.
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
	at, err := b.Authorize(context.Background(), args[0]+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {callback},
		"code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"},
	}.Encode())
	if ok := err == nil && at.Query().Has("code"); ok == neg {
		ts.Fatalf("signed in: %v; %v", ok, err)
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
