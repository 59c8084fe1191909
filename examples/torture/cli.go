// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	exitOK      = 0
	exitFailure = 1 // also when something was found
	exitUsage   = 2
)

// Options say what to run and for how long.
type options struct {
	time     time.Duration
	clients  int
	parallel int
	seed     uint64
	phases   []string // names; nil: all
	only     int      // number of the only client; 0: all
	shproxy  string   // path of the binary; "": built from the workspace
	server   string   // path of the binary that plays the server's role; "": this one
	race     bool
	log      string // file for what the proxy writes to stderr
	json     bool
	replicas bool // several, behind a balancer
	calls    int  // with replicas
}

// A report is what a run found out.
type report interface {
	writeJSON(io.Writer) error
	writeText(io.Writer) error
	passed() bool
}

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "torture: %v\n", err)
		return exitUsage
	}
	var res report
	if opts.replicas {
		res, err = runGroup(ctx, opts, stderr)
	} else {
		res, err = runTorture(ctx, opts, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "torture: %v\n", err)
		return exitFailure
	}
	if opts.json {
		err = res.writeJSON(stdout)
	} else {
		err = res.writeText(stdout)
	}
	if err != nil || !res.passed() {
		return exitFailure
	}
	return exitOK
}

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	var opts options
	var phases string
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the one error line
	flags.DurationVar(&opts.time, "time", 5*time.Minute, "when to end, all clients or not")
	flags.IntVar(&opts.clients, "clients", 10_000, "how many clients, in all phases together")
	flags.IntVar(&opts.parallel, "parallel", 48, "how many clients at a time")
	flags.Uint64Var(&opts.seed, "seed", 0, "what the clients do; 0: at random")
	flags.StringVar(&phases, "phases", "", "comma-separated phases, of "+strings.Join(phaseNames(), ",")+", with -replicas of "+strings.Join(sceneNames(), ",")+" (default all)")
	flags.IntVar(&opts.only, "only", 0, "number of the only client to run, of one phase")
	flags.StringVar(&opts.shproxy, "shproxy", "", "shproxy binary to torture (default built from this workspace)")
	flags.StringVar(&opts.server, "server", "", "binary of this program that plays the server (default this one)")
	flags.BoolVar(&opts.race, "race", false, "build shproxy with the race detector")
	flags.StringVar(&opts.log, "log", "", "file for what shproxy writes to stderr")
	flags.BoolVar(&opts.json, "json", false, "print the report as JSON")
	flags.BoolVar(&opts.replicas, "replicas", false, "torture three replicas behind nginx, with Redis, instead")
	flags.IntVar(&opts.calls, "calls", 20_000, "with -replicas, how many calls")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, "usage: go run ./examples/torture [flags]")
			flags.SetOutput(stderr)
			flags.PrintDefaults()
		}
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see -help", flags.Arg(0))
	}
	if phases != "" {
		opts.phases = strings.Split(phases, ",")
	}
	if opts.seed == 0 {
		opts.seed = rand.Uint64N(1_000_000_000) + 1
	}
	return &opts, opts.check()
}

func (o *options) check() error {
	switch {
	case o.time < 10*time.Second || o.time > time.Hour:
		return fmt.Errorf("-time %v: want 10s to 1h", o.time)
	case o.clients < 1 || o.clients > 1_000_000:
		return fmt.Errorf("-clients %d: want 1 to 1000000", o.clients)
	case o.parallel < 1 || o.parallel > 90:
		return fmt.Errorf("-parallel %d: want 1 to 90, since shproxy serves 100 sessions", o.parallel)
	case o.calls < 100 || o.calls > 1_000_000:
		return fmt.Errorf("-calls %d: want 100 to 1000000", o.calls)
	case o.only < 0:
		return fmt.Errorf("-only %d: want the number of a client", o.only)
	case o.only > 0 && len(o.phases) != 1:
		return errors.New("-only needs -phases with one phase")
	}
	names := phaseNames()
	if o.replicas {
		names = sceneNames()
	}
	for _, name := range o.phases {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-phases: unknown phase %q, want some of %s", name, strings.Join(names, ","))
		}
	}
	return nil
}

// chosen lists the phases to run.
func (o *options) chosen() []*phase {
	if o.phases == nil {
		return allPhases
	}
	var some []*phase
	for _, ph := range allPhases {
		if slices.Contains(o.phases, ph.name) {
			some = append(some, ph)
		}
	}
	return some
}

func phaseNames() []string {
	var names []string
	for _, ph := range allPhases {
		names = append(names, ph.name)
	}
	return names
}
