// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// strangerMain is a program outside the repository that uses a public package
// of each module and prints the module versions it was built with.
//
//go:embed testdata/stranger.go.txt
var strangerMain string

// useAsStranger does with the released modules what their users will do, in
// directories that know nothing of the repository.
func (r *rehearsal) useAsStranger(ctx context.Context) error {
	for i, pins := range r.pinnings() {
		err := r.step("import, pinned: "+pinList(pins), func() error {
			return r.importPinned(ctx, filepath.Join(r.dir, fmt.Sprintf("stranger%d", i)), pins)
		})
		if err != nil {
			return err
		}
	}
	for _, dir := range released {
		for _, version := range r.tags[dir][len(r.tags[dir])-r.rehearsed(dir):] {
			target := prefix + "/" + dir + "/cmd/" + dir + "@" + version
			if err := r.step("go install "+target, func() error { return r.install(ctx, dir, target, version) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// rehearsed is the number of versions that the rehearsal gave a module.
func (r *rehearsal) rehearsed(dir string) int {
	if slices.Contains(twice, dir) {
		return 2
	}
	return 1
}

// pinnings chooses, for each of the modules with two versions, the older one
// once while the other module has its newer one.
func (r *rehearsal) pinnings() []map[string]string {
	var all []map[string]string
	for _, older := range twice {
		pins := map[string]string{}
		for _, dir := range released {
			pins[dir] = r.newest(dir)
		}
		pins[older] = r.tags[older][len(r.tags[older])-2]
		all = append(all, pins)
	}
	return all
}

func pinList(pins map[string]string) string {
	var list []string
	for _, dir := range slices.Sorted(maps.Keys(pins)) {
		list = append(list, dir+" "+pins[dir])
	}
	return strings.Join(list, ", ")
}

// importPinned makes a module with the pinned versions, asks the go command
// which ones it selected, and the running program which ones it has.
func (r *rehearsal) importPinned(ctx context.Context, at string, pins map[string]string) error {
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(at, "main.go"), []byte(strangerMain), 0o644); err != nil {
		return err
	}
	if _, err := r.run(ctx, at, "go", "mod", "init", "stranger.example/app"); err != nil {
		return err
	}
	get, want, list := []string{"get"}, "", []string{"list", "-m"}
	for _, dir := range slices.Sorted(maps.Keys(pins)) {
		path := prefix + "/" + dir
		get = append(get, path+"@"+pins[dir])
		list = append(list, path)
		want += path + " " + pins[dir] + "\n"
	}
	if _, err := r.run(ctx, at, "go", get...); err != nil {
		return err
	}
	for _, args := range [][]string{list, {"run", "."}} {
		got, err := r.run(ctx, at, "go", args...)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("go %s: got\n%swant\n%s", args[0], got, want)
		}
	}
	return nil
}

// command is the path of a command that install has installed.
func (r *rehearsal) command(name, version string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(r.bin(), version, name+".exe")
	}
	return filepath.Join(r.bin(), version, name)
}

// install installs a command at a version and asks it which one it is.
func (r *rehearsal) install(ctx context.Context, name, target, version string) error {
	command := r.command(name, version)
	if _, err := r.run(ctx, r.dir, "env", "GOBIN="+filepath.Dir(command), "go", "install", target); err != nil {
		return err
	}
	got, err := r.run(ctx, r.dir, command, "--version")
	if err != nil {
		return err
	}
	if want := name + " " + version + "\n"; got != want {
		return fmt.Errorf("%s --version printed %q, want %q", name, got, want)
	}
	return nil
}
