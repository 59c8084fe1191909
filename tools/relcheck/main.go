// SPDX-License-Identifier: Apache-2.0

// Command relcheck prepares and rehearses releases of the modules of this
// repository: it serves them from a module proxy made of files, as the public
// proxy would, before anything is tagged or pushed.
//
//	relcheck tidy       go mod tidy in every module, siblings taken from the working tree
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "relcheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	repo, err := findRepo()
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return fmt.Errorf("usage: relcheck tidy")
	}
	switch args[0] {
	case "tidy":
		return tidy(ctx, repo)
	default:
		return fmt.Errorf("unknown command %q; usage: relcheck tidy", args[0])
	}
}
