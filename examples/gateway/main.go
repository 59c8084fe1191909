// SPDX-License-Identifier: Apache-2.0

// Command gateway is the whole MCP OAuth gateway in one program: an
// authorization server, a bridge around stdio MCP servers and a fetch server,
// all protected, on the loopback address, with an embedded store.
//
// At start it signs in to itself as a new client would and prints what
// happened; then it keeps serving. See README.md beside this file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// shutdownTime bounds the whole end of the program after Ctrl-C.
const shutdownTime = 1800 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings as parameters. It returns the exit status:
// 0 for success, 1 for a failure, 2 for wrong use.
func run(ctx context.Context, args []string, stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int {
	if len(args) == 1 && args[0] == demoServerArg {
		if err := runDemoServer(ctx, stdin, stdout); err != nil && !errors.Is(err, io.EOF) {
			fmt.Fprintln(stderr, "gateway: demo server:", err)
			return 1
		}
		return 0
	}
	o, err := parseFlags(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "gateway: %v\nhint: gateway --help lists the flags\n", err)
		return 2
	}
	o.logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.logLevel}))
	if err := serve(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "gateway:", err)
		return 1
	}
	return 0
}

// serve runs the gateway: start, transcript, and unless this is --once, service
// until ctx ends.
func serve(ctx context.Context, o *options, stdout io.Writer) (err error) {
	g, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		err = errors.Join(err, g.close(ctx))
	}()

	t := &transcript{out: stdout}
	t.banner(g)
	if err := t.play(ctx, g); err != nil {
		// With one server there is nothing left to serve; with several,
		// one that is broken must not take the others down.
		if ctx.Err() != nil {
			return nil
		}
		if o.once || len(g.mounts) == 1 || t.served == 0 {
			return err
		}
		fmt.Fprintf(stdout, "\nServing the rest: %v\n", err)
	}
	if o.once {
		return nil
	}
	t.tryNext(g)
	select {
	case <-ctx.Done():
		return nil
	case err := <-g.failed:
		return err
	}
}
