// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/load"
)

// loadFlags are those of the load command.
type loadFlags struct {
	plan   load.Plan
	method string
	params string
	server eraFlag
	svg    string
	asJSON bool
}

const loadHelp = `Call a tool again and again, and show how many calls a second the server answers
and how long each takes.

By default every lane calls again as soon as it has an answer (a closed loop), on
--sessions sessions with --concurrency calls in flight in each. With --rate calls
start at that rate whatever the server does (an open loop), as far as lanes are
free; the latency then counts from the moment at which a call should have started,
so that a server that stalls cannot hide the calls that it held up. A list for
--concurrency or --rate is a ramp: a step, and a row of the table, for each.

Calls that fail are counted by kind and are not in the latencies. The exit status
is 5 if a call failed at the tool or the server, 3 if it was denied, 4 if there was
no connection. Ctrl-C ends the load and shows what there is until then.

` + targetHelp

func (a *app) loadCommand() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load TARGET TOOL [key=value | key:=json | key=@file]...",
		Short: "Measure a server under load",
		Long:  loadHelp,
		Example: `  shclient load https://example.com/mcp echo message=hello
  shclient load https://example.com/mcp echo message=hello --concurrency 1,4,16,64 --duration 5s
  shclient load https://example.com/mcp echo message=hello --rate 500 --sessions 10 --svg latency.svg
  shclient load https://example.com/mcp --method tools/list --calls 1000 --json
  shclient load echo message=hello -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, args, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if err := f.check(cmd, args); err != nil {
				return err
			}
			return a.load(cmd, t, args, f)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.plan.Sessions, "sessions", 1, "`number` of sessions; of processes, for a server on stdio")
	flags.IntSliceVar(&f.plan.Concurrency, "concurrency", []int{8}, "calls in flight in each session; a list is a ramp")
	flags.Float64SliceVar(&f.plan.Rate, "rate", nil, "calls to start per second; a list is a ramp")
	flags.DurationVar(&f.plan.Duration, "duration", 10*time.Second, "how long each step takes")
	flags.Int64Var(&f.plan.Calls, "calls", 0, "`number` of calls after which a step ends; 0 means as many as fit")
	flags.DurationVar(&f.plan.Warmup, "warmup", time.Second, "how long calls are made before they count")
	flags.DurationVar(&f.plan.Timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	flags.StringVar(&f.method, "method", "", "make requests of this `method` instead of calling a tool")
	flags.StringVar(&f.params, "params", "", "the params of --method, a `JSON` object")
	flags.Var(&f.server, "server-protocol", "`era` that the server speaks: auto (it is asked), legacy or modern")
	flags.StringVar(&f.svg, "svg", "", "draw the distribution of the latency to a `file`")
	flags.BoolVar(&f.asJSON, "json", false, "write one JSON document")
	return cmd
}

func (f *loadFlags) check(cmd *cobra.Command, args []string) error {
	switch {
	case f.method == "" && len(args) == 0:
		return usage(cmd, "the name of a tool is missing; or make other requests with --method")
	case f.method != "" && len(args) > 0:
		return usage(cmd, "a tool and --method exclude each other")
	case f.method == "" && f.params != "":
		return usage(cmd, "--params goes with --method")
	}
	if err := f.plan.Check(); err != nil {
		return usage(cmd, "%v", err)
	}
	return nil
}

func (a *app) load(cmd *cobra.Command, t target, args []string, f loadFlags) error {
	ctx := cmd.Context()
	server, err := a.loadTarget(cmd, t, f.server.era)
	if err != nil {
		return err
	}
	first, err := server.Open(ctx)
	if err != nil {
		return loadFailed(t, err)
	}
	report := load.Report{Target: t.String(), Transport: t.transport(), Protocol: first.Version(), Method: f.method}
	call := load.Call{Method: f.method, Params: []byte(f.params)}
	if f.method == "" {
		report.Method, report.Tool = "tools/call", args[0]
		if call, err = a.toolCall(ctx, t, first, args); err != nil {
			first.Close()
			return loadFailed(t, err)
		}
	}
	sessions, err := load.OpenAll(ctx, server, first, f.plan.Sessions)
	if err != nil {
		first.Close()
		return loadFailed(t, err)
	}
	defer sessions.Close()
	if err := a.runLoad(ctx, sessions, call, f.plan, &report); err != nil {
		return usage(cmd, "%v", err)
	}
	if err := a.writeLoad(&report, f); err != nil {
		return err
	}
	return loadOutcome(&report)
}

// loadTarget is the server, as the generator speaks with it.
func (a *app) loadTarget(cmd *cobra.Command, t target, era shclient.Era) (load.Target, error) {
	protocol := map[shclient.Era]load.Protocol{shclient.EraLegacy: load.Legacy, shclient.EraModern: load.Modern}[era]
	client := load.Client{Name: "shclient-load", Version: buildinfo.Version()}
	if t.url == "" {
		return load.NewLines(load.Lines{Protocol: protocol, Client: client, Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			// Ctrl-C must not kill the server before the session is closed.
			conn, err := a.dialLines(context.WithoutCancel(ctx), cmd, t, era)
			if err != nil {
				err = unreachable(t, fmt.Errorf("cannot start %s: %w", t, err))
			}
			return conn, err
		}}), nil
	}
	o, err := a.options(cmd, t)
	if err != nil {
		return nil, err
	}
	server, err := load.NewHTTP(load.HTTP{URL: t.url, Protocol: protocol, Client: client, Through: func(base http.RoundTripper) (*http.Client, error) {
		o.HTTPClient = &http.Client{Transport: base}
		return shclient.NewHTTPClient(o)
	}})
	if err != nil {
		return nil, usage(cmd, "%s", plain(err))
	}
	return server, nil
}

// runLoad makes the steps of the plan. An error is one of the call.
func (a *app) runLoad(ctx context.Context, sessions load.Sessions, call load.Call, plan load.Plan, report *load.Report) error {
	steps := plan.Steps()
	if plan.Warmup > 0 {
		warm := steps[0]
		warm.Duration, warm.Calls = plan.Warmup, 0
		if _, err := a.runStep(ctx, sessions, call, warm, "warm-up", new(load.Tally)); err != nil {
			return err
		}
	}
	before := load.CPU()
	for i, step := range steps {
		title, tally := "", new(load.Tally)
		if len(steps) > 1 {
			title = fmt.Sprintf("step %d of %d", i+1, len(steps))
		}
		outcome, err := a.runStep(ctx, sessions, call, step, title, tally)
		if err != nil {
			return err
		}
		report.Add(outcome, tally)
		if ctx.Err() != nil {
			break
		}
	}
	if _, made := report.Failed(); made > 0 {
		report.ClientCPU = float64((load.CPU()-before).Nanoseconds()/made) / 1000
	}
	return nil
}

func (a *app) runStep(ctx context.Context, sessions load.Sessions, call load.Call, step load.Step, title string, tally *load.Tally) (load.Outcome, error) {
	lanes, err := sessions.Lanes(call, step.Concurrency)
	if err != nil {
		return load.Outcome{}, err
	}
	defer func() {
		for _, lane := range lanes {
			lane.Close()
		}
	}()
	defer a.startLoadBar(title, step, tally)()
	return load.Run(ctx, lanes, step, tally), nil
}

func (a *app) writeLoad(report *load.Report, f loadFlags) error {
	if f.svg != "" {
		if err := writeFile(f.svg, report.WriteSVG); err != nil {
			return err
		}
	}
	if f.asJSON {
		return writeJSON(a.stdout, report)
	}
	return report.Write(a.stdout)
}

// writeFile makes a file of what write writes, whole or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".shclient-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // unless it has its name
	err = errors.Join(write(file), file.Chmod(0o644), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}

// loadFailed is the error of a session that could not be opened, or of what was
// asked in it.
func loadFailed(t target, err error) error {
	f, ok := errors.AsType[*load.Failure](err)
	if !ok {
		return at(t, err)
	}
	switch {
	case f.Status != 0:
		return at(t, &shclient.StatusError{Endpoint: t.String(), Status: f.Status, Detail: f.Text})
	case f.Class == load.ClassUnreachable:
		return unreachable(t, f)
	case f.IsNoMCP():
		return unreachable(t, fmt.Errorf("no MCP server: %w", f))
	}
	return &exitError{failure{exitTool, plain(f), ""}, f}
}

// loadOutcome is the error that calls failed.
func loadOutcome(report *load.Report) error {
	failed, made := report.Failed()
	if failed == 0 {
		return nil
	}
	code, classes := exitTool, report.Classes()
	switch {
	case classes[load.ClassTool]+classes[load.ClassServer] > 0:
	case classes[load.ClassAuth] > 0:
		code = exitAuth
	default:
		code = exitUnreachable
	}
	return &exitError{failure: failure{code: code, text: fmt.Sprintf("%d of %d calls failed", failed, made)}}
}
