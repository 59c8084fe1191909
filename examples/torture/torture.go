// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A torture is one run of all phases.
type torture struct {
	opts     *options
	keeper   *keeper
	shproxy  string // path of the command under test
	server   string // path of this program
	marker   string // in every process of the run
	progress io.Writer
	logTo    io.Writer

	mu         sync.Mutex
	violations []violation    // guarded by mu; the first ones
	counts     map[string]int // guarded by mu; all of them, by kind
}

const (
	keptViolations = 50
	markerPrefix   = "torture-run-"
)

// runTorture runs the phases and cleans up after them, also when it fails.
func runTorture(ctx context.Context, opts *options, progress io.Writer) (res *results, err error) {
	err = inTorture(ctx, opts, progress, func(t *torture, _ string) error {
		res, err = t.phases(ctx)
		return err
	})
	return res, err
}

// inTorture prepares what all modes need, with a directory for their files, and
// cleans up after do.
func inTorture(ctx context.Context, opts *options, progress io.Writer, do func(t *torture, scratch string) error) error {
	scratch, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	keeper, err := newKeeper()
	if err != nil {
		return err
	}
	defer keeper.close()
	t := &torture{opts: opts, keeper: keeper, marker: markerPrefix + rand.Text(), progress: progress, counts: make(map[string]int)}
	defer t.sweep()
	if err := t.prepare(ctx, scratch); err != nil {
		return err
	}
	if opts.log != "" {
		file, err := os.Create(opts.log)
		if err != nil {
			return err
		}
		defer file.Close()
		t.logTo = &lockedWriter{w: file}
	}
	return do(t, scratch)
}

// prepare finds or builds the programs.
func (t *torture) prepare(ctx context.Context, scratch string) (err error) {
	if t.server = t.opts.server; t.server == "" {
		if t.server, err = os.Executable(); err != nil {
			return err
		}
	}
	if t.shproxy = t.opts.shproxy; t.shproxy == "" {
		t.shproxy = filepath.Join(scratch, "shproxy")
		args := []string{"build", "-o", t.shproxy}
		if t.opts.race {
			args = append(args, "-race")
		}
		if err := t.command(ctx, "go", append(args, "github.com/atrawog/mcp-oauth-gateway/shproxy/cmd/shproxy")...); err != nil {
			return err
		}
	}
	if _, err := os.Stat(t.shproxy); err != nil {
		return fmt.Errorf("-shproxy: %w", err)
	}
	return nil
}

// command runs a tool, and shows its output only if it fails.
func (t *torture) command(ctx context.Context, name string, args ...string) error {
	var said strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	err := t.keeper.start(cmd)
	if err == nil {
		err = t.keeper.wait(cmd)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args[0], err, said.String())
	}
	return nil
}

// accepts reports whether shproxy knows flags: it finds fault with them before
// it misses the command.
func (t *torture) accepts(flags ...string) bool {
	cmd := exec.Command(t.shproxy, slices.Concat([]string{"--port", "0"}, flags, []string{"--", "/no/such/command"})...)
	if err := t.keeper.start(cmd); err != nil {
		return false
	}
	_ = t.keeper.wait(cmd)
	return cmd.ProcessState.ExitCode() != exitUsage
}

// phases runs each phase that shproxy can do, within the time there is.
func (t *torture) phases(ctx context.Context) (*results, error) {
	begun := time.Now()
	res := &results{
		Marker: t.marker, Date: begun.UTC(), Seed: t.opts.seed, Race: t.opts.race, CPUs: runtime.NumCPU(), Go: runtime.Version(), Asked: t.opts.clients,
	}
	var todo []*phase
	share, weight, overhead := 0, 0, time.Duration(0)
	for _, ph := range t.opts.chosen() {
		if !t.accepts(ph.flags...) {
			res.Skipped = append(res.Skipped, fmt.Sprintf("%s: this shproxy does not take %s", ph.name, strings.Join(ph.flags, " ")))
			continue
		}
		todo = append(todo, ph)
		share += ph.share
		weight += ph.share * ph.slow
		overhead += ph.overhead
	}
	for _, ph := range todo {
		clients := max(1, (t.opts.clients-res.Clients)*ph.share/share)
		left := t.opts.time - time.Since(begun) - overhead
		part := left * time.Duration(ph.share*ph.slow) / time.Duration(weight)
		share, weight, overhead = share-ph.share, weight-ph.share*ph.slow, overhead-ph.overhead
		if left <= 0 {
			res.Skipped = append(res.Skipped, ph.name+": no time was left")
			continue
		}
		result, err := t.phase(ctx, ph, clients, part)
		if err != nil {
			return nil, fmt.Errorf("phase %s: %w", ph.name, err)
		}
		res.Phases = append(res.Phases, result)
		res.Clients += result.Clients
	}
	res.Seconds = time.Since(begun).Seconds()
	t.mu.Lock()
	defer t.mu.Unlock()
	res.Violations, res.Counts = t.violations, t.counts
	if res.Clients == 0 && ctx.Err() == nil {
		return nil, errors.New("no phase was run")
	}
	return res, ctx.Err()
}

// report notes a violation.
func (t *torture) report(v violation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[v.Kind]++
	if len(t.violations) < keptViolations {
		t.violations = append(t.violations, v)
	}
}

// total counts the violations.
func (t *torture) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, count := range t.counts {
		n += count
	}
	return n
}

func (t *torture) say(format string, args ...any) {
	fmt.Fprintf(t.progress, "torture: "+format+"\n", args...)
}

// sweep kills what is left of the run and returns how many there were.
func (t *torture) sweep() int {
	n := 0
	for range 10 {
		left := marked(t.marker)
		if len(left) == 0 {
			break
		}
		for _, p := range left {
			p.kill()
			n++
		}
		time.Sleep(10 * time.Millisecond)
	}
	return n
}

// lockedWriter lets several replicas write to one file.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
