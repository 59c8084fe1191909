// SPDX-License-Identifier: Apache-2.0

// Command torture shows that shproxy loses no message and leaks no process,
// whatever clients and servers do to it.
//
// It runs the shproxy command around a server that, as each call asks,
// crashes, hangs, floods its outputs, ignores TERM or forks processes, and
// lets clients loose on it that vanish at random moments. Every message is
// numbered and checked. Afterwards nothing may be left: no process, no open
// file, no goroutine, no session and no memory. In the end the proxy itself is
// terminated and killed under load.
//
//	go run ./examples/torture            # from the root of the repository
//	go run ./examples/torture -seed 42   # the same clients again
//
// README.md says how to read the report.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if args := os.Args[1:]; len(args) > 0 && isRole(args[0]) {
		code, err := play(args, os.Stdin, os.Stdout, os.Stderr)
		if err != nil {
			fmt.Fprintf(os.Stderr, "torture: %v\n", err)
		}
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
