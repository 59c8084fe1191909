// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// A system is one thing to measure.
type system interface {
	name() string    // for -systems
	title() string   // for the tables
	missing() string // why it cannot run here; "" if it can
	// start returns as soon as sessions can be opened.
	start(ctx context.Context) (server, error)
}

// A server is a started system.
type server interface {
	open(ctx context.Context) (session, error)
	pids() []int // the processes that are the system, without its children
	stop() (left int)
}

// A session is an initialized MCP session.
type session interface {
	// lanes returns lanes that together make depth calls at a time.
	lanes(ctx context.Context, depth int) ([]lane, error)
}

// Names of the systems that come with the repository.
const (
	stdioName   = "stdio"
	httpName    = "http"
	shproxyName = "shproxy"

	// shproxy between other eras; see bridges.
	modernName   = "modern"
	toLegacyName = "to-legacy"
	toModernName = "to-modern"
)

func ownNames() []string {
	return []string{stdioName, httpName, shproxyName, modernName, toLegacyName, toModernName}
}

func systemNames() []string {
	names := ownNames()
	for _, p := range peers {
		names = append(names, p.key)
	}
	return names
}

// prepareBridges returns the systems that opts names, with what they need built or
// installed.
func prepareBridges(ctx context.Context, opts *options, scratch string, progress io.Writer) ([]system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	wanted := func(name string) bool { return opts.systems == nil || slices.Contains(opts.systems, name) }
	var systems []system
	if wanted(stdioName) {
		systems = append(systems, &stdioSystem{self: self})
	}
	if wanted(httpName) {
		systems = append(systems, &httpSystem{self: self})
	}
	ours := slices.DeleteFunc(bridges(self), func(s *bridgeSystem) bool { return !wanted(s.key) })
	if len(ours) > 0 {
		binary, err := findCommand(ctx, opts.shproxy, scratch, shproxyName, progress)
		if err != nil {
			return nil, err
		}
		for _, s := range ours {
			s.command = []string{binary, "--port", portArg, "--"}
			systems = append(systems, s)
		}
	}
	for _, p := range peers {
		if !wanted(p.key) {
			continue
		}
		if opts.install {
			if err := p.ensure(ctx, opts.peers, progress); err != nil {
				return nil, err
			}
		}
		systems = append(systems, p.system(opts.peers, []string{self, roleStdio}))
	}
	return systems, nil
}

// findCommand returns an absolute path, building the command if need be. Flags
// are those of the compiler.
func findCommand(ctx context.Context, binary, scratch, name string, progress io.Writer, flags ...string) (string, error) {
	if binary == "" {
		return buildCommand(ctx, scratch, name, progress, flags...)
	}
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("-%s: %w", name, err)
	}
	return filepath.Abs(binary)
}

// buildCommand builds the command of the workspace's module of that name.
func buildCommand(ctx context.Context, scratch, name string, progress io.Writer, flags ...string) (string, error) {
	root, err := workspaceRoot()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(scratch, name)
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	fmt.Fprintln(progress, "building", name)
	env := []string{"GOWORK=" + filepath.Join(root, "go.work")}
	argv := slices.Concat([]string{"go", "build", "-C", root, "-o", binary}, flags, []string{"./" + name + "/cmd/" + name})
	if err := runTool(ctx, env, argv...); err != nil {
		return "", fmt.Errorf("building %s: %w", name, err)
	}
	return binary, nil
}

// stdioSystem is the echo server without any bridge: one process a session.
type stdioSystem struct{ self string }

func (s *stdioSystem) name() string                          { return stdioName }
func (s *stdioSystem) title() string                         { return "bare stdio" }
func (s *stdioSystem) missing() string                       { return "" }
func (s *stdioSystem) start(context.Context) (server, error) { return &stdioServer{self: s.self}, nil }

type stdioServer struct {
	self      string
	processes []*process
}

func (s *stdioServer) open(context.Context) (session, error) {
	p, err := startProcess([]string{s.self, roleStdio}, nil, true)
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, p)
	return openStdioSession(p.stdin, p.stdout)
}

func (s *stdioServer) pids() []int {
	var pids []int
	for _, p := range s.processes {
		pids = append(pids, p.pid())
	}
	return pids
}

func (s *stdioServer) stop() (left int) {
	for _, p := range s.processes {
		left += p.stop()
	}
	return left
}

// httpSystem is a bare net/http handler, in a process of its own, that gives
// the echo server's replies.
type httpSystem struct{ self string }

func (s *httpSystem) name() string    { return httpName }
func (s *httpSystem) title() string   { return "bare net/http" }
func (s *httpSystem) missing() string { return "" }

func (s *httpSystem) start(ctx context.Context) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return startHTTPServer(ctx, []string{s.self, roleHTTP, address}, nil, address, openHTTPSession)
}

// portArg stands for the port in a bridgeSystem's command.
const portArg = "{port}"

// bridgeSystem is a bridge that wraps the echo server.
type bridgeSystem struct {
	key, label string
	absent     string   // why it cannot run
	command    []string // with portArg; the child's command follows
	child      []string
	client     opener
}

// bridges are shproxy with clients and servers of both eras: bytes pass where
// the two speak the same.
func bridges(self string) []*bridgeSystem {
	legacy, modern := []string{self, roleStdio}, []string{self, roleModern}
	return []*bridgeSystem{
		{key: shproxyName, label: "shproxy", child: legacy, client: openHTTPSession},
		{key: modernName, label: "shproxy, modern", child: modern, client: openModernSession},
		{key: toLegacyName, label: "shproxy, modern to legacy", child: legacy, client: openModernSession},
		{key: toModernName, label: "shproxy, legacy to modern", child: modern, client: openHTTPSession},
	}
}

func (s *bridgeSystem) name() string    { return s.key }
func (s *bridgeSystem) title() string   { return s.label }
func (s *bridgeSystem) missing() string { return s.absent }

func (s *bridgeSystem) start(ctx context.Context) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	argv := slices.Concat(s.command, s.child)
	for i := range argv {
		if argv[i] == portArg {
			argv[i] = port
		}
	}
	return startHTTPServer(ctx, argv, nil, address, s.client)
}

// httpServer is a process that serves MCP at /mcp.
type httpServer struct {
	*process
	address string
	client  opener
}

// An opener begins a session at a path of an address, in the era of its client.
type opener func(ctx context.Context, address, path string) (session, error)

func startHTTPServer(ctx context.Context, argv, env []string, address string, client opener) (*httpServer, error) {
	p, err := startProcess(argv, env, false)
	if err != nil {
		return nil, err
	}
	if err := p.waitListening(ctx, address); err != nil {
		p.stop()
		return nil, err
	}
	return &httpServer{process: p, address: address, client: client}, nil
}

func (s *httpServer) open(ctx context.Context) (session, error) {
	opened, err := s.client(ctx, s.address, "/mcp")
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, s.output)
	}
	return opened, nil
}

func (s *httpServer) pids() []int { return []int{s.pid()} }
