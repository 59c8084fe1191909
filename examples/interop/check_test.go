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

// A verdict is what shclient check says of a published server. Each broken rule
// was looked at by hand: it is the server's fault.
type verdict struct {
	server    string // as the README of shclient names it
	transport string
	command   func(t *testing.T, address string) *exec.Cmd // address is for HTTP
	// must and should are the rules of these levels that the server breaks.
	must, should []string
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

var verdicts = []verdict{
	{
		server: "go-sdk 1.8.0 everything-server", transport: "HTTP, stateless", command: goEverything(),
		must: []string{"header.name-encoded", "input.declared"}, should: []string{"http.no-buffering", "log.level-checked"},
	},
	{server: "go-sdk 1.8.0 everything-server", transport: "HTTP, sessions", command: goEverything("-stateless=false")},
	{
		server: "go-sdk 1.8.0 everything-server", transport: "stdio", command: goEverything(),
		must: []string{"input.declared"}, should: []string{"log.level-checked"},
	},
	{server: "npm server-everything 2026.8.31", transport: "HTTP, sessions", command: npmEverything},
	{server: "npm server-everything 2026.8.31", transport: "stdio", command: npmEverything},
	{server: "PyPI mcp-server-time 2026.10.19", transport: "stdio", command: pythonServer("mcp-server-time")},
	{server: "PyPI mcp-server-fetch 2026.10.24", transport: "stdio", command: pythonServer("mcp-server-fetch")},
}

// TestCheck holds shclient check to its verdicts, and the README of shclient to
// them as well.
func TestCheck(t *testing.T) {
	requireSuite(t)
	shclient, err := buildShclient()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../shclient/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		t.Run(v.server+"/"+v.transport, func(t *testing.T) {
			t.Parallel()
			args := []string{"check", "--format", "json"}
			if v.transport == "stdio" {
				args = append(append(args, "--"), v.command(t, "").Args...)
			} else {
				args = append(args, listening(t, v))
			}
			report := checked(t, shclient, args)
			must, should := report.broken("MUST"), report.broken("SHOULD")
			if !slices.Equal(must, v.must) {
				t.Errorf("MUST broken: %q, want %q\n%s", must, v.must, report.findings("MUST"))
			}
			if !slices.Equal(should, v.should) {
				t.Errorf("SHOULD broken: %q, want %q\n%s", should, v.should, report.findings("SHOULD"))
			}
			if row := v.row(report); !bytes.Contains(readme, []byte(row)) {
				t.Errorf("the README of shclient lacks\n%s", row)
			}
		})
	}
}

// row is the verdict in the README.
func (v verdict) row(r checkReport) string {
	code := func(rules []string) string {
		if len(rules) == 0 {
			return "none"
		}
		return "`" + strings.Join(rules, "`, `") + "`"
	}
	versions := r.spoken()
	return fmt.Sprintf("| %s | %s | %s to %s | %s | %s |", v.server, v.transport, versions[0], versions[len(versions)-1], code(v.must), code(v.should))
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
	for _, result := range report.Results {
		if result.Outcome == "unclear" {
			t.Errorf("%s is unclear in %s: %s", result.Rule, result.Version, result.Detail)
		}
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
