// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// transcript prints what the gateway's own first client does, a line a step,
// with the time each took.
type transcript struct {
	out    io.Writer
	steps  int
	served int // wrapped servers that answered
	took   time.Duration
}

// banner says what is running, before any step.
func (t *transcript) banner(g *gateway) {
	fmt.Fprintf(t.out, "MCP OAuth gateway\n")
	fmt.Fprintf(t.out, "  serving   %s\n", g.origin)
	fmt.Fprintf(t.out, "  data      %s (embedded store)\n", g.data)
	if g.password != "" {
		fmt.Fprintf(t.out, "  user      %s, password %s (shown this once)\n", userName, g.password)
	} else {
		fmt.Fprintf(t.out, "  user      %s, password as printed at the first start (--reset-password for a new one)\n", userName)
	}
	for _, m := range g.mounts {
		fmt.Fprintf(t.out, "  %-9s %s\n", m.name, m.url)
	}
	fmt.Fprintln(t.out)
}

// step runs one step and prints its outcome.
func (t *transcript) step(name string, do func() (string, error)) error {
	t.steps++
	start := time.Now()
	said, err := do()
	took := time.Since(start)
	t.took += took
	if err != nil {
		fmt.Fprintf(t.out, "%2d  %-30s failed after %s\n", t.steps, name, short(took))
		return fmt.Errorf("step %d, %s: %w", t.steps, name, err)
	}
	head, rest, _ := strings.Cut(said, "\n")
	fmt.Fprintf(t.out, "%2d  %-30s %7s  %s\n", t.steps, name, short(took), head)
	for line := range strings.Lines(rest) {
		fmt.Fprintf(t.out, "%44s%s\n", "", strings.TrimRight(line, "\n"))
	}
	return nil
}

// short rounds a duration for reading.
func short(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// tryNext prints the exact lines that a person can paste now.
func (t *transcript) tryNext(g *gateway) {
	first := g.mounts[0]
	fmt.Fprintf(t.out, `
Try next, in another terminal (log in as %s when the browser opens):

  go run ./shclient/cmd/shclient list %s

or paste this into a client's configuration, once shclient is installed
(go install ./shclient/cmd/shclient):

  {"mcpServers": {"%s": {"command": "shclient", "args": ["%s"]}}}

Ctrl-C ends everything.
`, userName, first.url, first.name, first.url)
}
