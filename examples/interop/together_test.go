// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

// TestTogether has all clients at one proxy at the same time. They use the
// same ids and the same progress tokens, and each must get what is its own.
func TestTogether(t *testing.T) {
	requireProxy(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), cellTimeout)
	defer cancel()
	mark := newMark(t)
	p := startProxy(t, "--idle-timeout", "2s", "--", "env", mark, npmCommand("mcp-server-everything"))
	var conns []*conn
	sessions := 0
	for _, who := range []client{goSDK, typescriptV1, typescriptV2, python, remote} {
		conns = append(conns, connect(ctx, t, who, p, eraLegacy, legacyVersion))
		sessions += who.sessions(legacyVersion)
	}
	if n := p.health(ctx, t).Sessions; n != sessions {
		t.Errorf("%d sessions, want %d", n, sessions)
	}
	type inFlight struct {
		id   int
		wait func() string
	}
	const calls = 4
	flights := make([][calls]inFlight, len(conns))
	steps := func(i, j int) int { return 2 + i + j }
	for j := range calls {
		for i, c := range conns {
			f := &flights[i][j]
			f.id, f.wait = c.startCall(callParams{
				Name: "trigger-long-running-operation", Arguments: map[string]any{"duration": 0.3, "steps": steps(i, j)}, Progress: true,
			})
		}
	}
	for i, c := range conns {
		for j, f := range flights[i] {
			if got, want := f.wait(), fmt.Sprintf("Long running operation completed. Duration: 0.3 seconds, Steps: %d.", steps(i, j)); got != want {
				t.Errorf("%s: %q, want %q", c.who.name, got, want)
			}
			for step := range steps(i, j) {
				if got := c.progressOf(f.id); got.Progress != float64(step+1) || got.Total != float64(steps(i, j)) {
					t.Errorf("%s: progress %v of %v, want %d of %d", c.who.name, got.Progress, got.Total, step+1, steps(i, j))
				}
			}
		}
		c.none("notifications/progress", "")
	}
	for _, c := range conns {
		c.do("close", nil)
	}
	conns[0].awaitNoSession()
	conns[0].awaitNoProcess(mark)
	p.stop(t)
}

// TestAskedTogether has clients of 2026-07-28 at one proxy, all of which a
// server of the older versions asks for something at the same time. Two say the
// same of themselves, so that they may get the same processes.
func TestAskedTogether(t *testing.T) {
	requireProxy(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), cellTimeout)
	defer cancel()
	mark := newMark(t)
	p := startProxy(t, "--protocol", "modern", "--", "env", mark, npmCommand("mcp-server-everything"))
	var conns []*conn
	for i, who := range []client{goSDK, typescriptV2, typescriptV2, python} {
		answer := elicitation{Action: "accept", Content: map[string]any{"name": fmt.Sprint("client ", i)}}
		conns = append(conns, connectAnswering(ctx, t, who, p, eraModern, modernVersion, answer))
	}
	for range 3 {
		var waits []func() string
		for _, c := range conns {
			_, wait := c.startCall(callParams{Name: "trigger-elicitation-request", Arguments: map[string]any{}})
			waits = append(waits, wait)
		}
		for i, wait := range waits {
			if got, want := wait(), fmt.Sprint("Name: client ", i); !strings.Contains(got, want) {
				t.Errorf("%s: %.300q lacks %q", conns[i].who.name, got, want)
			}
		}
	}
	for _, c := range conns {
		c.do("close", nil)
	}
	conns[0].idle(health{})
	p.stop(t)
	if left := markedProcesses(mark); len(left) > 0 {
		t.Errorf("left when shproxy had ended: %s", describe(left))
	}
}

// TestNPX wraps a server as most people do. npx runs npm, which runs a shell,
// which runs the server; all must end with the session.
func TestNPX(t *testing.T) {
	requireProxy(t)
	if _, err := exec.LookPath("npx"); err != nil {
		need.Missing(t, "npx is absent: install Node.js with npm: apt-get install nodejs npm")
	}
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), cellTimeout)
	defer cancel()
	mark := newMark(t)
	p := startProxy(t, "--no-probe", "--", "env", mark, "npx", "--prefix", inTestdata(""), "--no-install", "mcp-server-everything")
	c := connect(ctx, t, typescriptV2, p, eraLegacy, legacyVersion)
	c.wantText("get-sum", map[string]any{"a": 20, "b": 22}, "42")
	if n := len(markedProcesses(mark)); canFindProcesses && n < 2 {
		t.Errorf("%d processes: npx no longer starts others", n)
	}
	c.do("close", nil)
	c.awaitNoSession()
	c.awaitNoProcess(mark)
	p.stop(t)
}

// TestCrash kills the server of a session that does nothing. The session goes
// on with another.
func TestCrash(t *testing.T) {
	requireProxy(t)
	if !canFindProcesses {
		t.Skip("finds the server's process by /proc")
	}
	for _, who := range []client{goSDK, typescriptV1, typescriptV2, python, remote} {
		t.Run(who.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), cellTimeout)
			defer cancel()
			mark := newMark(t)
			file := filepath.Join(t.TempDir(), "memory.jsonl")
			p := startProxy(t, slices.Concat(who.proxyFlags(), []string{"--", "env", mark, "MEMORY_FILE_PATH=" + file, npmCommand("mcp-server-memory")})...)
			c := connect(ctx, t, who, p, eraLegacy, legacyVersion)
			entities := map[string]any{"entities": []any{map[string]any{"name": "Ada", "entityType": "person", "observations": []string{"likes bridges"}}}}
			c.wantText("create_entities", entities, "Ada")
			killed := markedProcesses(mark)
			for pid := range killed {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			await(ctx, t, func() string {
				for pid := range markedProcesses(mark) {
					if killed[pid] != "" {
						return "the end of what was killed"
					}
				}
				return ""
			})
			read := callParams{Name: "read_graph", Arguments: map[string]any{}}
			await(ctx, t, func() string { // a call at that very moment may fail
				raw, err := c.try("call", read)
				if err == nil && strings.Contains(string(raw), "likes bridges") {
					return ""
				}
				return fmt.Sprintf("a server again: %v, %.200s", err, raw)
			})
			if n := p.health(ctx, t).Sessions; n != who.sessions(legacyVersion) {
				t.Errorf("%d sessions, want %d", n, who.sessions(legacyVersion))
			}
			c.do("close", nil)
			c.awaitNoSession()
			c.awaitNoProcess(mark)
			p.stop(t)
		})
	}
}

// requireProxy is for tests that are about shproxy itself.
func requireProxy(t *testing.T) {
	t.Helper()
	requireSuite(t)
	if *directFlag {
		t.Skip("is about shproxy itself")
	}
}
