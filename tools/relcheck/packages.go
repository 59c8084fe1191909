// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/tools/wrap"
	"github.com/atrawog/mcp-oauth-gateway/tools/wrap/registry"
)

// host is the platform of this machine.
const host = runtime.GOOS + "/" + runtime.GOARCH

// checkout clones the tag of a module's newest version.
func (r *rehearsal) checkout(ctx context.Context, dir string) (at, tag string, err error) {
	tag = dir + "/" + r.newest(dir)
	at = filepath.Join(r.dir, "at", strings.ReplaceAll(tag, "/", "-"))
	if exists(at) {
		return at, tag, nil
	}
	_, err = r.run(ctx, r.dir, "git", "clone", "--quiet", "--config", "advice.detachedHead=false", "--branch", tag, r.clone, at)
	return at, tag, err
}

// packRelease does as the release workflow does with one module, for this
// machine: binary, bill of materials, checksums, packages.
func (r *rehearsal) packRelease(ctx context.Context, dir, out string) error {
	at, tag, err := r.checkout(ctx, dir)
	if err != nil {
		return err
	}
	relcheck, err := os.Executable()
	if err != nil {
		return err
	}
	for _, command := range []string{"dist", "wrap"} {
		if _, err := r.run(ctx, at, relcheck, command, tag, out, host); err != nil {
			return err
		}
	}
	sums := filepath.Join(out, dir+"_"+r.newest(dir)+"_SHA256SUMS")
	text, err := os.ReadFile(sums)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), "\n"); n != 2 {
		return fmt.Errorf("%s has %d lines, want those of the binary and of its bill of materials", sums, n)
	}
	return nil
}

// packInstalled packs what go install has made of a module.
func (r *rehearsal) packInstalled(dir, out string) error {
	version := r.newest(dir)
	stamp, err := os.Stat(r.command(dir, version))
	if err != nil {
		return err
	}
	release := wrap.Release{
		Command: dir, Version: version, Time: stamp.ModTime(), License: filepath.Join(r.clone, "LICENSE"),
		Binaries: []wrap.Binary{{Platform: host, Path: r.command(dir, version)}},
	}
	_, _, err = release.Write(out)
	return err
}

// usePackages packs the commands for npm and PyPI and uses them as the
// configuration lines of clients do, from registries on loopback.
func (r *rehearsal) usePackages(ctx context.Context) error {
	out := filepath.Join(r.dir, "dist")
	const built = "shclient" // as the workflow builds it; of the others, what go install built
	err := r.step("pack the commands for npm and PyPI", func() error {
		err := r.packRelease(ctx, built, out)
		for _, dir := range released {
			if dir != built && err == nil {
				err = r.packInstalled(dir, out)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	handler, err := registry.Handler(filepath.Join(out, "npm"), filepath.Join(out, "pypi"))
	if err != nil {
		return err
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	env := registry.Environment(filepath.Join(r.dir, "home"), server.URL)
	if err := r.step("npx: versions, and tools through the lines of clients", func() error { return r.useNPX(ctx, env) }); err != nil {
		return err
	}
	return r.step("uvx: versions, and tools through the lines of clients", func() error { return r.useUVX(ctx, env) })
}

func (r *rehearsal) useNPX(ctx context.Context, env []string) error {
	npx, err := r.need("npx", "apt-get install npm")
	if err != nil {
		return err
	}
	return r.useRunner(ctx, env, npx, "-y")
}

func (r *rehearsal) useUVX(ctx context.Context, env []string) error {
	uvx, err := r.need("uvx", "pip install uv")
	if err != nil {
		return err
	}
	return r.useRunner(ctx, env, uvx)
}

// useRunner runs the commands through a program that gets them from a registry.
func (r *rehearsal) useRunner(ctx context.Context, env []string, runner ...string) error {
	line := func(args ...string) []string { return append(append([]string{}, runner...), args...) }
	for _, dir := range released {
		args := line(dir, "--version")
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env = r.dir, env
		got, err := cmd.Output()
		if want := dir + " " + r.newest(dir) + "\n"; err != nil || string(got) != want {
			return fmt.Errorf("%s printed %q (%v), want %q", strings.Join(args, " "), got, err, want)
		}
	}
	if err := hasTool(ctx, r.dir, env, "fetch", line("fetchserver", "--stdio")...); err != nil {
		return err
	}
	// A bridge from the registry, around a server from it, and its client.
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	_, port, _ := strings.Cut(addr, ":")
	args := append(line("shproxy", "--port", port, "--"), line("fetchserver", "--stdio")...)
	bridge, err := r.serveAt(ctx, "http://"+addr+"/healthz", env, args[0], args[1:]...)
	if err != nil {
		return err
	}
	err = hasTool(ctx, r.dir, env, "fetch", line("shclient", "http://"+addr+"/mcp")...)
	return errors.Join(err, bridge.stop(addr))
}

// makeImage builds the image of a command from its tag; tools/image has tests of
// its own for what is in it.
func (r *rehearsal) makeImage(ctx context.Context) error {
	const dir = "shproxy"
	return r.step("image of "+dir, func() error {
		at, _, err := r.checkout(ctx, dir)
		if err != nil {
			return err
		}
		builder := filepath.Join(r.dir, "image")
		build := exec.CommandContext(ctx, "go", "-C", filepath.Join(r.repo, "tools"), "build", "-o", builder, "./image")
		build.Env = append(os.Environ(), "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
		got, err := r.run(ctx, at, builder, "-platform", "linux/amd64", "-out", filepath.Join(r.dir, "images"), dir)
		if err != nil {
			return err
		}
		if want := dir + ":" + r.newest(dir) + "@sha256:"; !strings.HasPrefix(got, want) {
			return fmt.Errorf("it printed %q, want %s…", got, want)
		}
		return nil
	})
}
