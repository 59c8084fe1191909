// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// addSurroundings adds what looks at the process.
func (s *server) addSurroundings() {
	add(s, "environmentDump", "Display the configuration and the names of the environment variables. Secrets are hidden",
		`{"type": "object", "additionalProperties": false, "properties": {
			"showSecrets": {"type": "boolean", "default": false, "description": "Show the first and last 4 characters of secrets, if the server's operator allows it"}}}`, environmentDump)
	add(s, "healthProbe", "Show how the service is", noArguments, healthProbe)
}

// maxVariables bounds the list of names.
const maxVariables = 500

func environmentDump(_ context.Context, c call, in struct {
	ShowSecrets bool `json:"showSecrets"`
}) (string, error) {
	o := c.server.o
	p := newPage("Environment Configuration")
	var values, names []string
	for _, entry := range o.environ {
		name, _, _ := strings.Cut(entry, "=")
		if o.showsValue(name) {
			values = append(values, entry)
		} else {
			names = append(names, name)
		}
	}
	slices.Sort(values)
	slices.Sort(names)

	p.section("MCP Configuration, and what -show-env names")
	for _, entry := range values[:min(len(values), maxVariables)] {
		name, value, _ := strings.Cut(entry, "=")
		switch secret := secretName(name) || knownSecret(value) || random(value); {
		case secret && in.ShowSecrets && o.showSecrets:
			value = ends(value)
		case secret:
			value = hidden
		}
		p.line(shown(name), "%s", shown(value))
	}
	if in.ShowSecrets && !o.showSecrets {
		p.note("showSecrets has no effect: the server was started without -show-secrets.")
	}
	p.section("Other variables, without their values")
	for _, name := range names[:min(len(names), maxVariables)] {
		p.note(shown(name))
	}
	p.section("Server")
	p.line("Server Type", "%s", c.server.form())
	p.line("Go", "%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return p.String(), nil
}

// showsValue reports whether the value of a variable may be shown at all:
// nobody can tell by its looks that a short password is one.
func (o *options) showsValue(name string) bool {
	return strings.HasPrefix(name, "MCP_") || slices.ContainsFunc(o.showEnv, func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // which was checked
		return ok
	})
}

func healthProbe(_ context.Context, c call, _ none) (string, error) {
	p := newPage("Service Health Check")
	p.section("Service Status")
	p.line("Status", "HEALTHY")
	p.line("Server", "echo-%s v%s", c.server.form(), version)
	p.line("Uptime", "%s", time.Since(c.server.started).Round(time.Second))
	versions := c.server.o.versions
	if len(versions) == 0 {
		versions = mcp.SupportedProtocolVersions()
	}
	p.line("Protocol", "%s", strings.Join(versions, ", "))
	p.line("Type", "%s", c.server.form())
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	p.line("Memory", "%d MiB", memory.Sys>>20)
	p.line("Goroutines", "%d", runtime.NumGoroutine())
	if c.server.o.stateful {
		p.section("Session Management")
		p.line("Active Sessions", "%d of at most %d", c.server.count(), c.server.o.maxSessions)
		p.line("Session Timeout", "%s", c.server.o.sessionTimeout)
	}
	return p.String(), nil
}
