// SPDX-License-Identifier: Apache-2.0

// Command relcheck prepares and rehearses releases of the modules of this
// repository: it serves them from a module proxy made of files, as the public
// proxy would, before anything is tagged or pushed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
)

const usage = `usage:
  relcheck tidy          go mod tidy in every module, siblings taken from the working tree
  relcheck update        raise all dependencies of every module
  relcheck check         go.mod files, changelogs, tags and versions are as a release needs them
  relcheck api [MODULE]  how public packages differ from the last release, and the smallest next version
  relcheck fuzz [-together] TIME [PATTERN]
                         run fuzz tests of the workspace for TIME each, for example 30s: all, or those
                         that match, as in "fetchserver/robots FuzzRules"; one by one, or all together
  relcheck rehearse [alone|use]
                         release HEAD in a scratch clone, run each module's tests alone, and use what is
                         released as a stranger would; or do one of the two after the release
  relcheck sums          write the sums of siblings that are released together into go.sum
  relcheck notes TAG     check a release tag and print its changelog section
  relcheck dist TAG DIR [GOOS/GOARCH...]
                         build the tagged command for all platforms into DIR, with bills of materials and checksums
  relcheck wrap TAG DIR [GOOS/GOARCH...]
                         pack the binaries that dist has written into DIR for npm and PyPI, into DIR/npm
                         and DIR/pypi; prints the npm packages in the order in which to publish them
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "relcheck:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, out io.Writer) error {
	repo, err := findRepo()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return errUsage
	}
	switch command, args := args[0], args[1:]; {
	case command == "tidy" && len(args) == 0:
		return tidy(ctx, repo)
	case command == "update" && len(args) == 0:
		return update(ctx, repo)
	case command == "check" && len(args) == 0:
		return check(ctx, repo)
	case command == "api" && len(args) <= 1:
		if len(args) == 0 {
			args = released
		}
		return api(ctx, repo, args, out)
	case command == "fuzz":
		o, err := parseFuzz(args)
		if err != nil {
			return err
		}
		return fuzz(ctx, repo, o, out)
	case command == "rehearse" && len(args) == 0:
		return rehearse(ctx, repo, "", out)
	case command == "rehearse" && len(args) == 1 && (args[0] == "alone" || args[0] == "use"):
		return rehearse(ctx, repo, args[0], out)
	case command == "sums" && len(args) == 0:
		return sums(ctx, repo, out)
	case command == "notes" && len(args) == 1:
		return notes(ctx, repo, args[0], out)
	case command == "dist" && len(args) >= 2:
		return dist(ctx, repo, args[0], args[1], orAll(args[2:]))
	case command == "wrap" && len(args) >= 2:
		return wrapBinaries(ctx, repo, args[0], args[1], orAll(args[2:]), out)
	default:
		return errUsage
	}
}

// orAll is the platforms that are named, or all.
func orAll(named []string) []string {
	if len(named) > 0 {
		return named
	}
	return platforms
}
