// SPDX-License-Identifier: Apache-2.0

// Command image builds the container images of our commands, without Docker: an
// OCI index for linux/amd64 and linux/arm64 of each, with an SBOM. The same commit
// and the same Go make the same digests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const usage = `usage: image [flags] NAME...

Builds the container images of the commands NAME (oauthdyn, shproxy, shclient,
fetchserver) for linux/amd64 and linux/arm64 from this checkout.

  -out DIR        write DIR/NAME, an OCI image layout, and DIR/NAME_OS_ARCH.tar for
                  docker load and podman load
  -push REPO      push to REPO/NAME as the version and, if no higher one is there, as
                  latest; credentials are those of docker login
  -base IMAGE     add the command to this image, such as node:22-slim@sha256:...,
                  instead of to an empty one
  -platform LIST  build for these only (default linux/amd64,linux/arm64)
  -workspace      take the modules that a command needs of this repository from the
                  checkout (go.work), not from their releases

Prints REPO/NAME:VERSION@DIGEST, or NAME:VERSION@DIGEST, for each.
`

// errUsage is what main shows the usage for.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "image: %v\n%s", err, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	repo      string // root of the checkout
	out       string
	push      string
	base      string
	platforms []string
	workspace bool
	names     []string
}

func parse(args []string) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.out, "out", "", "")
	flags.StringVar(&s.push, "push", "", "")
	flags.StringVar(&s.base, "base", "", "")
	flags.BoolVar(&s.workspace, "workspace", false, "")
	list := flags.String("platform", "linux/amd64,linux/arm64", "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	s.names, s.platforms = flags.Args(), strings.Split(*list, ",")
	for _, platform := range s.platforms {
		if !slices.Contains([]string{"linux/amd64", "linux/arm64"}, platform) {
			return nil, fmt.Errorf("%w: -platform %q: linux/amd64 or linux/arm64, parted by commas", errUsage, platform)
		}
	}
	if len(s.names) == 0 {
		return nil, fmt.Errorf("%w: name a command", errUsage)
	}
	for _, name := range s.names {
		if _, ok := commands[name]; !ok {
			return nil, fmt.Errorf("%w: %q is not one of oauthdyn, shproxy, shclient, fetchserver", errUsage, name)
		}
	}
	if s.out == "" && s.push == "" {
		return nil, fmt.Errorf("%w: say where images go to: -out, -push or both", errUsage)
	}
	return s, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if s.repo, err = findRepo(); err != nil {
		return err
	}
	for _, name := range s.names {
		if err := s.deliver(ctx, name, stdout); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// deliver builds one image, and takes it where it is wanted.
func (s *settings) deliver(ctx context.Context, name string, stdout io.Writer) error {
	p, err := s.build(ctx, name)
	if err != nil {
		return err
	}
	digest, err := p.index.Digest()
	if err != nil {
		return err
	}
	if s.out != "" {
		if err := p.save(s.out); err != nil {
			return err
		}
	}
	where := name
	if s.push != "" {
		where = strings.TrimSuffix(s.push, "/") + "/" + name
		if err := p.push(ctx, where); err != nil {
			return fmt.Errorf("push to %s: %w", where, err)
		}
	}
	_, err = fmt.Fprintf(stdout, "%s:%s@%s\n", where, p.tag(), digest)
	return err
}

// findRepo walks up from the working directory to the one that holds go.work.
func findRepo() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work in this directory or above it")
		}
		dir = parent
	}
}
