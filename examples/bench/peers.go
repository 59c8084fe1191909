// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A peer is another project's bridge, at the one version that is measured.
type peer struct {
	key     string
	remark  string // for the title
	pack    string // its package's name
	version string
	kind    packageKind
	// command returns what runs it around child, given the directory that its
	// packages are in. Nil for what is no bridge.
	command func(dir string, child []string) []string
}

type packageKind int

const (
	npmPackage packageKind = iota
	pypiPackage
)

var peers = []peer{
	{key: "supergateway", pack: "supergateway", version: "4.0.0", kind: npmPackage, command: supergateway},
	{key: "mcp-proxy", pack: "mcp-proxy", version: "6.7.19", kind: npmPackage, command: mcpProxy},
	{key: "original", remark: " (the original)", pack: "mcp-streamablehttp-proxy", version: "0.2.0", kind: pypiPackage, command: original},
}

const absentHint = "not installed: run with -install"

// loopbackOnly makes a Node server that names no host listen on loopback.
const loopbackOnly = `data:text/javascript,import net from "node:net";` +
	`const listen = net.Server.prototype.listen;` +
	`net.Server.prototype.listen = function (port, ...rest) { return listen.call(this, port, "127.0.0.1", ...rest); };`

// supergateway takes the child as one line for a shell, and has no option for
// the address. Its log of every message is off, as in a peer's best case.
func supergateway(dir string, child []string) []string {
	return []string{"node", "--import", loopbackOnly, filepath.Join(dir, "supergateway", "dist", "index.js"),
		"--stdio", shellLine(child), "--outputTransport", "streamableHttp", "--stateful",
		"--port", portArg, "--logLevel", "none"}
}

// shellLine is a command of plain words as one line for a shell.
func shellLine(command []string) string {
	quoted := make([]string, len(command))
	for i, arg := range command {
		quoted[i] = `"` + arg + `"`
	}
	return strings.Join(quoted, " ")
}

func mcpProxy(dir string, child []string) []string {
	return append([]string{"node", filepath.Join(dir, "mcp-proxy", "dist", "bin", "mcp-proxy.mjs"),
		"--host", "127.0.0.1", "--port", portArg, "--server", "stream", "--"}, child...)
}

// original is the Python proxy that shproxy succeeds. At its default level it
// would log every message, twice.
func original(dir string, child []string) []string {
	return append([]string{filepath.Join(dir, "mcp-streamablehttp-proxy"),
		"--host", "127.0.0.1", "--port", portArg, "--log-level", "error", "--"}, child...)
}

// system returns the peer as found under the peers directory.
func (p peer) system(peersDir string, child []string) system {
	s := &bridgeSystem{key: p.key, label: p.label(), client: openHTTPSession}
	if !p.installed(peersDir) {
		s.absent = absentHint
		return s
	}
	s.command = p.command(p.dir(peersDir), child)
	return s
}

func (p peer) label() string { return p.pack + " " + p.version + p.remark }

// dir returns the directory of the peer's packages, or commands.
func (p peer) dir(peersDir string) string {
	switch {
	case p.kind == npmPackage:
		return filepath.Join(peersDir, "npm", "node_modules")
	case runtime.GOOS == "windows":
		return filepath.Join(peersDir, "python", "Scripts")
	}
	return filepath.Join(peersDir, "python", "bin")
}

// installed reports whether the peer is there, in the version wanted.
func (p peer) installed(peersDir string) bool {
	if p.kind == pypiPackage {
		for _, lib := range []string{"lib/python*", "Lib"} { // elsewhere, on Windows
			if found, _ := filepath.Glob(filepath.Join(peersDir, "python", lib, "site-packages", p.distInfo())); found != nil {
				return true
			}
		}
		return false
	}
	manifest, err := os.ReadFile(filepath.Join(p.dir(peersDir), p.pack, "package.json"))
	if err != nil {
		return false
	}
	var about struct{ Version string }
	return json.Unmarshal(manifest, &about) == nil && about.Version == p.version
}

// distInfo is the name that pip records an installed package under.
func (p peer) distInfo() string {
	return strings.ReplaceAll(p.pack, "-", "_") + "-" + p.version + ".dist-info"
}

// ensure installs the peer if it is not there.
func (p peer) ensure(ctx context.Context, peersDir string, progress io.Writer) error {
	if p.installed(peersDir) {
		return nil
	}
	fmt.Fprintf(progress, "installing %s %s into %s\n", p.pack, p.version, peersDir)
	if err := p.install(ctx, peersDir); err != nil {
		return fmt.Errorf("installing %s: %w", p.pack, err)
	}
	return nil
}

// install fetches the peer at its version; what it depends on is as new as
// the registry offers. No package's install script runs.
func (p peer) install(ctx context.Context, peersDir string) error {
	if err := os.MkdirAll(peersDir, 0o755); err != nil {
		return err
	}
	if p.kind == npmPackage {
		return runTool(ctx, nil, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
			"--prefix", filepath.Join(peersDir, "npm"), p.pack+"@"+p.version)
	}
	venv := filepath.Join(peersDir, "python")
	if err := runTool(ctx, nil, "python3", "-m", "venv", venv); err != nil {
		return err
	}
	return runTool(ctx, nil, filepath.Join(p.dir(peersDir), "python"), "-m", "pip", "install",
		"--disable-pip-version-check", "--only-binary", ":all:", p.pack+"=="+p.version)
}

// interpreters returns the versions of what runs the peers, if it is there.
func interpreters(ctx context.Context) string {
	var versions []string
	for _, name := range []string{"node", "python3"} {
		if out, err := exec.CommandContext(ctx, name, "--version").Output(); err == nil {
			versions = append(versions, name+" "+strings.TrimPrefix(strings.TrimSpace(string(out)), "Python "))
		}
	}
	return strings.Join(versions, ", ")
}
