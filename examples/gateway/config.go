// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
)

const (
	maxConfigBytes = 1 << 20
	maxServers     = 100
)

// wrapped is a stdio MCP server that the gateway offers at /NAME/mcp.
type wrapped struct {
	name    string
	command string
	args    []string
	env     []string // NAME=value, on top of the gateway's own environment
	dir     string
}

// serverName is what a mount can be called: one path segment that needs no
// escaping.
var serverName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// reservedNames are the first path segments that the gateway itself serves.
var reservedNames = []string{"authorize", "consent", "fetch", "healthz", "jwks", "login", "logout", "readyz", "register", "revoke", "status", "token"}

// readConfig reads the mcpServers JSON that MCP clients use.
func readConfig(path string) ([]wrapped, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfigBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxConfigBytes)
	}
	servers, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return servers, nil
}

// parseConfig returns the servers in the order of their names.
func parseConfig(data []byte) ([]wrapped, error) {
	var file struct {
		MCPServers map[string]json.RawMessage `json:"mcpServers"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("not the JSON of a client configuration: %w", err)
	}
	if len(file.MCPServers) == 0 {
		return nil, errors.New(`no servers in it; want {"mcpServers": {"NAME": {"command": "…", "args": ["…"]}}}`)
	}
	if len(file.MCPServers) > maxServers {
		return nil, fmt.Errorf("%d servers in it; at most %d are served", len(file.MCPServers), maxServers)
	}
	var servers []wrapped
	for _, name := range slices.Sorted(maps.Keys(file.MCPServers)) {
		s, err := parseServer(name, file.MCPServers[name])
		if err != nil {
			return nil, fmt.Errorf("server %q: %w", name, err)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func parseServer(name string, data json.RawMessage) (wrapped, error) {
	var entry struct {
		Type    string            `json:"type"` // "stdio" in VS Code's files
		URL     string            `json:"url"`
		Command string            `json:"command"`
		Args    []string          `json:"args"`
		Env     map[string]string `json:"env"`
		Cwd     string            `json:"cwd"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&entry); err != nil {
		return wrapped{}, err
	}
	switch {
	case !serverName.MatchString(name):
		return wrapped{}, errors.New("the name becomes part of a URL; use letters, digits, '.', '_' and '-'")
	case slices.Contains(reservedNames, name):
		return wrapped{}, errors.New("the gateway itself uses this path; choose another name")
	case entry.URL != "":
		return wrapped{}, errors.New("it has a url: only stdio servers are wrapped; connect to a remote one with shclient")
	case entry.Command == "":
		return wrapped{}, errors.New("it has no command")
	}
	s := wrapped{name: name, command: entry.Command, args: entry.Args, dir: entry.Cwd}
	for _, key := range slices.Sorted(maps.Keys(entry.Env)) {
		s.env = append(s.env, key+"="+entry.Env[key])
	}
	return s, nil
}

// check finds out before anything starts whether the command exists.
func (s wrapped) check() error {
	if _, err := exec.LookPath(s.command); err != nil {
		return fmt.Errorf("server %q: %w; install it or correct the command", s.name, err)
	}
	return nil
}
