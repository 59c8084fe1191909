// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"testing"
	"time"
)

// TestSandwich lets the suite judge both bridges in a row: shproxy carries
// shclient, whose server is the SDK's over HTTP.
func TestSandwich(t *testing.T) {
	requireSuite(t)
	server := requireEverythingServer(t)
	shproxy, shclient := buildShproxy(t), buildShclient(t)
	for _, test := range []struct{ version, stateless string }{
		// With sessions the SDK's server refuses the modern version, without it
		// cannot ask legacy clients anything.
		{"2025-06-18", "false"},
		{"2025-11-25", "false"},
		{"2026-07-28", "true"},
	} {
		t.Run(test.version, func(t *testing.T) {
			url := startHTTPServer(t, server, "-stateless="+test.stateless)
			judgeServer(t, test.version, startShproxy(t, shproxy, shclient, url), knownFailures(t, "expected-failures-sandwich-"+test.version+".yml"))
		})
	}
}

// freeAddress returns one that nobody listens on. Its port is below those that
// systems give to whoever asks for any, so that nobody gets it meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal(err)
	return ""
}

// startHTTPServer runs the SDK's server on a free port until the test ends.
func startHTTPServer(t *testing.T, program string, flags ...string) (url string) {
	t.Helper()
	address := freeAddress(t) // the server can only be told one
	cmd := exec.Command(program, append([]string{"-http", address}, flags...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address + "/mcp"
		}
	}
	t.Fatalf("the server does not listen on %s", address)
	return ""
}
