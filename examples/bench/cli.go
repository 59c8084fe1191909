// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// Options says what to measure and for how long.
type options struct {
	rounds   int
	duration time.Duration // of one measurement
	calls    int           // most calls of one measurement; 0: as many as fit in duration
	systems  []string      // names; nil: all
	peers    string        // directory of the installed peers
	install  bool
	shproxy  string // path of a shproxy binary; "": built from the workspace
	shclient string // likewise, with commandLine and fetch
	// fetchserver is likewise, with fetch.
	fetchserver string
	data        string // directory of the pages, with fetch
	json        bool

	forwardAuth bool // measure that, not bridges
	authServer  bool // likewise
	commandLine bool // likewise
	fetch       bool // likewise
}

// A comparison is what one run measures, and how it is shown.
type comparison struct {
	names   []string
	loads   []load
	prepare func(ctx context.Context, opts *options, scratch string, progress io.Writer) ([]system, error)
	write   func(r *results, w io.Writer) error
	// sessions is how many each system has from its start on.
	sessions int
}

// comparisons are what the flags ask for, one after the other.
func (o *options) comparisons() []comparison {
	switch {
	case o.forwardAuth:
		return []comparison{{forwardAuthNames(), forwardAuthLoads, prepareForwardAuth, (*results).writeForwardAuth, manySessions}}
	case o.authServer:
		return []comparison{{authServerNames(), authServerLoads, prepareAuthServers, (*results).writeAuthServers, manySessions}}
	case o.commandLine:
		return []comparison{{commandLineNames(), commandLineLoads, prepareCommandLines, (*results).writeCommandLines, manySessions}}
	case o.fetch:
		return []comparison{
			{readerNames(), readerLoads, prepareReaders, (*results).writeReaders, 1},
			{fetchNames(), fetchLoads, prepareFetchers, (*results).writeFetchers, 1},
		}
	}
	return []comparison{{systemNames(), loads, prepareBridges, (*results).writeMarkdown, manySessions}}
}

// run is main without the process: it plays a server's role when the first
// argument names one, else it runs the benchmark.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && isRole(args[0]) {
		return report(stderr, serveRole(args, stdin, stdout, stderr))
	}
	opts, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitUsage
	}
	return report(stderr, measureAndPrint(ctx, opts, stdout, stderr))
}

func report(stderr io.Writer, err error) int {
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailure
	}
	return exitOK
}

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	var opts options
	var systems string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the one error line
	flags.IntVar(&opts.rounds, "rounds", 3, "how often to measure every system; the report shows medians")
	flags.DurationVar(&opts.duration, "duration", 2*time.Second, "how long to load a system for one figure")
	flags.IntVar(&opts.calls, "calls", 0, "most calls for one figure (default no limit but the duration)")
	flags.StringVar(&systems, "systems", "", "comma-separated systems to measure, of "+strings.Join(systemNames(), ",")+
		"; with -forward-auth of "+strings.Join(forwardAuthNames(), ",")+"; with -auth-server of "+strings.Join(authServerNames(), ",")+
		"; with -command-line of "+strings.Join(commandLineNames(), ",")+"; with -fetch of "+strings.Join(readerNames(), ",")+" (default all)")
	flags.StringVar(&opts.peers, "peers", "", "directory of the installed peers (default mcp-oauth-gateway-bench in the user's cache directory)")
	flags.BoolVar(&opts.install, "install", false, "install missing peers into the peers directory first, with npm and pip")
	flags.StringVar(&opts.shproxy, "shproxy", "", "shproxy binary to measure (default built from this workspace)")
	flags.StringVar(&opts.shclient, "shclient", "", "shclient binary to measure with -command-line, or to use with -fetch (default built from this workspace, as it is released)")
	flags.BoolVar(&opts.forwardAuth, "forward-auth", false, "measure checks of access tokens for a reverse proxy instead of bridges")
	flags.BoolVar(&opts.authServer, "auth-server", false, "measure what authorization servers issue instead of bridges")
	flags.BoolVar(&opts.commandLine, "command-line", false, "measure commands that call one tool instead of bridges")
	flags.BoolVar(&opts.fetch, "fetch", false, "measure what turns web pages into Markdown instead of bridges")
	flags.StringVar(&opts.fetchserver, "fetchserver", "", "fetchserver binary to measure with -fetch (default built from this workspace, as it is released)")
	flags.StringVar(&opts.data, "data", "", "with -fetch, directory with the pages: aeb/html.tar and aeb/ground-truth.json (default $MCP_TEST_DATA)")
	flags.BoolVar(&opts.json, "json", false, "print every round as JSON instead of tables of medians")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, "usage: go run ./examples/bench [flags]")
			flags.SetOutput(stderr)
			flags.PrintDefaults()
		}
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see -help", flags.Arg(0))
	}
	if systems != "" {
		opts.systems = strings.Split(systems, ",")
	}
	return &opts, opts.check()
}

func (o *options) check() error {
	if o.rounds < 1 || o.rounds > 100 {
		return fmt.Errorf("-rounds %d: want 1 to 100", o.rounds)
	}
	if o.duration <= 0 || o.duration > time.Minute {
		return fmt.Errorf("-duration %v: want more than 0 and at most 1m", o.duration)
	}
	if o.calls < 0 {
		return fmt.Errorf("-calls %d: want 0 or more", o.calls)
	}
	instead := 0
	for _, chosen := range []bool{o.forwardAuth, o.authServer, o.commandLine, o.fetch} {
		if chosen {
			instead++
		}
	}
	if instead > 1 {
		return errors.New("-forward-auth, -auth-server, -command-line and -fetch: one of them at a time")
	}
	if instead > 0 && !o.fetch && o.shproxy != "" {
		return errors.New("-shproxy: it has no part in -forward-auth, -auth-server and -command-line")
	}
	if o.shclient != "" && !o.commandLine && !o.fetch {
		return errors.New("-shclient: it has a part in -command-line and -fetch only")
	}
	if (o.fetchserver != "" || o.data != "") && !o.fetch {
		return errors.New("-fetchserver and -data: they have a part in -fetch only")
	}
	if o.fetch {
		var err error
		if o.data, err = dataDirectory(o.data); err != nil {
			return err
		}
	}
	var names []string
	for _, c := range o.comparisons() {
		for _, name := range c.names {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, name := range o.systems {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-systems: unknown system %q, want some of %s", name, strings.Join(names, ","))
		}
	}
	if o.peers == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no cache directory for the peers, name one with -peers: %w", err)
		}
		o.peers = filepath.Join(cache, "mcp-oauth-gateway-bench")
	}
	var err error
	o.peers, err = filepath.Abs(o.peers)
	return err
}

// measureAndPrint runs the benchmark and prints its report, also when some
// system failed: the others' figures stay worth reading.
func measureAndPrint(ctx context.Context, opts *options, stdout, stderr io.Writer) error {
	scratch, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	for _, c := range opts.comparisons() {
		err = errors.Join(err, c.measureAndPrint(ctx, opts, scratch, stdout, stderr))
	}
	return err
}

func (c comparison) measureAndPrint(ctx context.Context, opts *options, scratch string, stdout, stderr io.Writer) (err error) {
	b := &bench{rounds: opts.rounds, duration: opts.duration, calls: opts.calls, loads: c.loads, sessions: c.sessions, progress: stderr}
	if b.systems, err = c.prepare(ctx, opts, scratch, stderr); err != nil || len(b.systems) == 0 {
		return err
	}
	res, err := b.run(ctx)
	if err != nil {
		return err
	}
	res.Interpreters = interpreters(ctx)
	if opts.json {
		err = res.writeJSON(stdout)
	} else {
		err = c.write(res, stdout)
	}
	return errors.Join(err, res.failure())
}
