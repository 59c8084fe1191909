// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// With -command-line the program compares what it costs to run a command that
// calls one tool: the whole process, from exec to its end.
const (
	shclientName  = "shclient"
	inspectorName = "inspector"
	mcporterName  = "mcporter"
)

func commandLineNames() []string { return []string{shclientName, inspectorName, mcporterName} }

// runsOfCommand is how many runs there are for one figure. Warming up takes a
// quarter as many.
const runsOfCommand = 20

// runTimeout bounds one run.
const runTimeout = 30 * time.Second

// Keys of commandLineLoads.
const (
	runHTTP    = "http"
	runStdio   = "stdio"
	runVersion = "version"
	runMemory  = "memory" // like runHTTP
)

var commandLineLoads = []load{
	{Key: runHTTP, Title: "call, over HTTP", Sessions: 1, Depth: 1, Most: runsOfCommand},
	{Key: runStdio, Title: "call, starting a server on stdio", Sessions: 1, Depth: 1, Most: runsOfCommand},
	{Key: runVersion, Title: "--version", Sessions: 1, Depth: 1, Most: runsOfCommand},
	{Key: runMemory, Title: "peak memory", Sessions: 1, Depth: 1, Most: 3},
}

var (
	inspectorPeer = peer{key: inspectorName, remark: ", --cli", pack: "@modelcontextprotocol/inspector", version: "2.12.0", kind: npmPackage}
	mcporterPeer  = peer{key: mcporterName, pack: "mcporter", version: "0.12.3", kind: npmPackage}
)

// releaseFlags build a command as it is released.
var releaseFlags = []string{"-trimpath", "-ldflags", "-s -w"}

// prepareCommandLines returns the commands that opts names, built or installed.
func prepareCommandLines(ctx context.Context, opts *options, scratch string, progress io.Writer) ([]system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(scratch, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	var systems []system
	wanted := func(name string) bool { return opts.systems == nil || slices.Contains(opts.systems, name) }
	if wanted(shclientName) {
		binary, err := findCommand(ctx, opts.shclient, scratch, shclientName, progress, releaseFlags...)
		if err != nil {
			return nil, err
		}
		systems = append(systems, &commandLine{key: shclientName, label: "shclient, " + sizeText(binary), self: self, home: home, argv: shclientCommand(binary)})
	}
	for _, p := range []struct {
		peer
		argv func(dir string) commandOf
	}{{inspectorPeer, inspectorCommand}, {mcporterPeer, mcporterCommand}} {
		if !wanted(p.key) {
			continue
		}
		if opts.install {
			if err := p.ensure(ctx, opts.peers, progress); err != nil {
				return nil, err
			}
		}
		s := &commandLine{key: p.key, label: p.label(), self: self, home: home, argv: p.argv(filepath.Join(p.dir(opts.peers), p.pack))}
		if !p.installed(opts.peers) {
			s.absent = absentHint
		}
		systems = append(systems, s)
	}
	return systems, nil
}

func sizeText(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
}

// A commandOf is the command line of a load: it calls the tool echo with a text
// at a URL, or of a server that it starts.
type commandOf func(load, url string, child []string, text string) []string

func shclientCommand(binary string) commandOf {
	return func(load, url string, child []string, text string) []string {
		switch load {
		case runVersion:
			return []string{binary, "--version"}
		case runStdio:
			return append([]string{binary, "call", "echo", "text=" + text, "--"}, child...)
		}
		return []string{binary, "call", url, "echo", "text=" + text}
	}
}

func inspectorCommand(dir string) commandOf {
	return func(load, url string, child []string, text string) []string {
		command := []string{"node", filepath.Join(dir, "clients", "launcher", "build", "index.js"), "--cli"}
		switch load {
		case runVersion:
			return append(command, "--version")
		case runStdio:
			command = append(command, child...)
		default:
			command = append(command, url, "--transport", "http")
		}
		return append(command, "--method", "tools/call", "--tool-name", "echo", "--tool-arg", "text="+text)
	}
}

func mcporterCommand(dir string) commandOf {
	return func(load, url string, child []string, text string) []string {
		command := []string{"node", filepath.Join(dir, "dist", "cli.js")}
		switch load {
		case runVersion:
			return append(command, "--version")
		case runStdio:
			return append(command, "call", "--stdio", shellLine(child), "echo", "text="+text)
		}
		return append(command, "call", "--http-url", url, "--allow-http", "echo", "text="+text)
	}
}

// commandLine is a command that calls tools.
type commandLine struct {
	key, label string
	absent     string
	self       string
	home       string // so that no configuration of the user has a part in it
	argv       commandOf
}

func (s *commandLine) name() string    { return s.key }
func (s *commandLine) title() string   { return s.label }
func (s *commandLine) missing() string { return s.absent }

// start starts the server that is called over HTTP, which is no part of what is
// measured.
func (s *commandLine) start(ctx context.Context) (server, error) {
	started, err := (&httpSystem{self: s.self}).start(ctx)
	if err != nil {
		return nil, err
	}
	return &commandLineServer{server: started, command: s, address: started.(*httpServer).address}, nil
}

type commandLineServer struct {
	server
	command *commandLine
	address string
}

func (s *commandLineServer) pids() []int                                    { return nil }
func (s *commandLineServer) open(context.Context) (session, error)          { return s, nil }
func (s *commandLineServer) lanes(_ context.Context, _ int) ([]lane, error) { return []lane{s}, nil }
func (s *commandLineServer) close()                                         {}
func (s *commandLineServer) drive(ctx context.Context, p *plan) (t tally) {
	for {
		id, ok := p.next(time.Now())
		if !ok || ctx.Err() != nil {
			return t
		}
		text := string(bytes.TrimSpace(appendText(nil, id))) // as some print it
		argv := s.command.argv(p.load, "http://"+s.address+"/mcp", []string{s.command.self, roleStdio}, text)
		want := text
		if p.load == runVersion {
			want = "\n" // any line
		}
		if p.load == runMemory {
			argv = append([]string{s.command.self, rolePeak}, argv...)
		}
		s.command.run(ctx, argv, want, &t)
	}
}

// run runs a command, whose output must have a text in it.
func (s *commandLine) run(ctx context.Context, argv []string, want string, t *tally) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	var stdout bytes.Buffer
	said := new(tail)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = s.home
	// Nothing here is behind TLS, so nobody need read certificates.
	cmd.Env = append(os.Environ(), "HOME="+s.home, "XDG_CONFIG_HOME="+s.home, "XDG_CACHE_HOME="+s.home, "NODE_EXTRA_CA_CERTS=")
	cmd.Stdout, cmd.Stderr = &stdout, said
	ownGroup(cmd)
	cmd.Cancel = func() error { return signalGroup(cmd.Process.Pid, true) }
	cmd.WaitDelay = stopTimeout
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	switch {
	case err != nil:
		t.fail(fmt.Errorf("%w; %s", err, said))
		return
	case !bytes.Contains(stdout.Bytes(), []byte(want)):
		t.fail(fmt.Errorf("printed %.200q, which does not echo; %s", stdout.Bytes(), said))
		return
	}
	t.latencies = append(t.latencies, took)
	t.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.peak = max(t.peak, readPeak(stdout.Bytes()))
}

// rolePeak runs the command that follows and adds a line with its peak memory.
// A process of its own does so, since a child inherits its parent's peak, and
// this one's is small.
const rolePeak = "peak"

type peakLine struct {
	Peak int64 `json:"peak_bytes"`
}

func runPeak(argv []string, stdout, stderr io.Writer) error {
	if len(argv) == 0 {
		return errors.New(rolePeak + ": want a command")
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	line, err := json.Marshal(peakLine{peakBytes(cmd.ProcessState)})
	if err == nil {
		_, err = fmt.Fprintf(stdout, "\n%s\n", line)
	}
	return err
}

// readPeak finds the line of runPeak, which is the last; 0 without one.
func readPeak(output []byte) int64 {
	last := output[bytes.LastIndexByte(bytes.TrimSpace(output), '\n')+1:]
	var line peakLine
	if json.Unmarshal(last, &line) != nil {
		return 0
	}
	return line.Peak
}
