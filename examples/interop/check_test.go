// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// buildShclient builds the command, once.
var buildShclient = sync.OnceValues(func() (string, error) { return build("../../shclient", "./cmd/shclient") })

// A verdict is what shclient check says of a published server. Each broken MUST
// was looked at by hand: it is the server's fault.
type verdict struct {
	server    string // as the README of shclient names it
	transport string
	command   func(t *testing.T, address string) *exec.Cmd // address is for HTTP
	protocols []string                                     // to check
	must      []string                                     // the rules that the server breaks
	// long is true where the check waits long, or starts many processes. Such
	// ones are tried with INTEROP_CHECK_ALL only.
	long bool
}

func goEverything(flags ...string) func(*testing.T, string) *exec.Cmd {
	return func(t *testing.T, address string) *exec.Cmd {
		args := buildProgram(t, buildGoServer)
		if address != "" {
			args = append(append(args, "-http", address), flags...)
		}
		return exec.Command(args[0], args[1:]...)
	}
}

func npmEverything(_ *testing.T, address string) *exec.Cmd {
	if address == "" {
		return exec.Command(npmCommand("mcp-server-everything"))
	}
	cmd := exec.Command(npmCommand("mcp-server-everything"), "streamableHttp")
	_, port, _ := net.SplitHostPort(address)
	cmd.Env = append(os.Environ(), "PORT="+port, "NODE_OPTIONS=--require "+inTestdata("loopback.cjs"))
	return cmd
}

func pythonServer(name string) func(*testing.T, string) *exec.Cmd {
	return func(*testing.T, string) *exec.Cmd { return exec.Command(pythonCommand(name)) }
}

const (
	v20241105 = "2024-11-05"
	v20250326 = "2025-03-26"
	v20250618 = "2025-06-18"
	v20251125 = "2025-11-25"
	v20260728 = "2026-07-28"
)

var (
	legacyVersions = []string{v20241105, v20250326, v20250618, v20251125}
	allVersions    = append(slices.Clone(legacyVersions), v20260728)
)

const (
	goName  = "go-sdk 1.8.0 everything-server"
	npmName = "npm server-everything 2026.8.31"
)

var verdicts = []verdict{
	{server: goName, transport: "HTTP, stateless", command: goEverything(), protocols: allVersions, must: []string{"header.name-encoded", "input.declared"}},
	{server: goName, transport: "HTTP, sessions", command: goEverything("-stateless=false"), protocols: legacyVersions},
	{server: goName, transport: "stdio", command: goEverything(), protocols: allVersions, must: []string{"input.declared"}, long: true},
	{
		server: npmName, transport: "HTTP, sessions", command: npmEverything, protocols: []string{v20251125},
		must: []string{"http.origin", "jsonrpc.result-or-error", "jsonrpc.version", "session.ended", "sse.resumed-stream"},
	},
	{server: npmName, transport: "stdio", command: npmEverything, protocols: []string{v20251125}, long: true},
	{server: "PyPI mcp-server-time 2026.10.19", transport: "stdio", command: pythonServer("mcp-server-time"), protocols: []string{v20251125, v20260728}, long: true},
	{server: "PyPI mcp-server-fetch 2026.10.24", transport: "stdio", command: pythonServer("mcp-server-fetch"), protocols: []string{v20251125, v20260728}, long: true},
}

// TestCheck holds shclient check to its verdicts, and the README of shclient to
// them as well. What a busy machine is late with is a broken SHOULD at most, so
// that those are not compared.
func TestCheck(t *testing.T) {
	requireSuite(t)
	t.Parallel()
	shclient, err := buildShclient()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../shclient/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		if row := v.row(); !bytes.Contains(readme, []byte(row)) {
			t.Errorf("the README of shclient lacks\n%s", row)
		}
		if v.long && os.Getenv("INTEROP_CHECK_ALL") == "" {
			continue
		}
		t.Run(v.server+"/"+v.transport, func(t *testing.T) {
			t.Parallel()
			args := []string{"check", "--format", "json", "--protocol", strings.Join(v.protocols, ",")}
			if v.transport == "stdio" {
				args = append(append(args, "--timeout", "1m", "--"), v.command(t, "").Args...)
			} else {
				args = append(args, listening(t, v))
			}
			report := checked(t, shclient, args)
			if spoken := report.spoken(); !slices.Equal(spoken, v.protocols) {
				t.Errorf("it speaks %q", spoken)
			}
			if must := report.broken("MUST"); !slices.Equal(must, v.must) {
				t.Errorf("MUST broken: %q, want %q\n%s", must, v.must, report.findings("MUST"))
			}
		})
	}
}

// row is the verdict in the README.
func (v verdict) row() string {
	rules := "none"
	if len(v.must) > 0 {
		rules = "`" + strings.Join(v.must, "`, `") + "`"
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", v.server, v.transport, strings.Join(v.protocols, ", "), rules)
}

// checkReport is what is looked at of a report.
type checkReport struct {
	Versions []struct {
		Version string
		Spoken  bool
	}
	Results []struct {
		Rule, Level, Version, Outcome, Detail string
		Findings                              []struct{ Message string }
	}
}

func (r checkReport) broken(level string) []string {
	var rules []string
	for _, result := range r.Results {
		if result.Level == level && result.Outcome == "broken" {
			rules = append(rules, result.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

func (r checkReport) findings(level string) string {
	var b strings.Builder
	for _, result := range r.Results {
		if result.Level == level && result.Outcome == "broken" {
			fmt.Fprintf(&b, "%s %s: %v\n", result.Version, result.Rule, result.Findings)
		}
	}
	return b.String()
}

func (r checkReport) spoken() []string {
	var versions []string
	for _, v := range r.Versions {
		if v.Spoken {
			versions = append(versions, v.Version)
		}
	}
	return versions
}

// checked runs the command. Status 5 means that a MUST is broken.
func checked(t *testing.T, program string, args []string) checkReport {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 5) {
		t.Fatalf("shclient %q: %v\n%s", args, err, &stderr)
	}
	var report checkReport
	if err := json.Unmarshal(out, &report); err != nil || len(report.spoken()) == 0 {
		t.Fatalf("shclient %q: %v\n%s", args, cmp.Or(err, errors.New("no version is spoken")), out)
	}
	return report
}

// listening starts a server over HTTP that runs until the test ends.
func listening(t *testing.T, v verdict) (url string) {
	t.Helper()
	// Below the ports that systems give to whoever asks for any, so that nobody
	// gets it meanwhile.
	address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
	cmd := v.command(t, address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	ctx, cancel := context.WithTimeoutCause(t.Context(), startTimeout, errors.New("time is up"))
	defer cancel()
	await(ctx, t, func() string {
		select {
		case <-ended:
			t.Fatalf("%s has ended", v.server)
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return v.server + " to listen on " + address
		}
		conn.Close()
		return ""
	})
	return "http://" + address + "/mcp"
}
