// SPDX-License-Identifier: Apache-2.0

// Package sbom tells what is in a binary that the go command built: its
// modules, their versions, sums and licences, as an SPDX document and as the
// licence texts that have to come with it. The same binary makes the same bytes.
package sbom

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/tools/internal/build"
)

// A Module is something that a binary or an image consists of.
type Module struct {
	Path    string // import path, or stdlib
	Version string // as the go command writes it
	Sum     string // as in go.sum; empty if the binary does not tell
	License string // SPDX expression; empty if it is not known
	Texts   []Text // its licence and notice files
}

// A Text is a file with a licence or a notice.
type Text struct {
	Name string
	Body string
}

// An Inventory is what a binary consists of.
type Inventory struct {
	Name     string    // of the command
	Platform string    // GOOS/GOARCH
	Revision string    // the commit
	Modified bool      // built from more than the commit
	Created  time.Time // of the commit, UTC
	SHA256   string    // of the binary, in hex
	Main     Module
	Modules  []Module // all others, by path
}

// Read looks at a binary. It takes the licences from the sources of the modules,
// which the go command finds from the main module's directory; workspace says that
// the binary was built with the siblings of go.work. It fails for a binary that
// does not know its commit.
func Read(ctx context.Context, file, module string, workspace bool) (*Inventory, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	created, err := time.Parse(time.RFC3339, settings["vcs.time"])
	if err != nil {
		return nil, fmt.Errorf("%s does not tell its commit: build it in a git checkout with -buildvcs=true", file)
	}
	inv := &Inventory{
		Name:     path.Base(info.Path),
		Platform: settings["GOOS"] + "/" + settings["GOARCH"],
		Revision: settings["vcs.revision"],
		Modified: settings["vcs.modified"] == "true",
		Created:  created.UTC(),
		Main:     Module{Path: info.Main.Path, Version: info.Main.Version, Sum: info.Main.Sum},
	}
	if inv.SHA256, err = sum(file); err != nil {
		return nil, err
	}
	target := build.Target{Module: module, Command: inv.Name, Platform: inv.Platform, Workspace: workspace}
	dirs, err := directories(ctx, target)
	if err != nil {
		return nil, err
	}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		inv.Modules = append(inv.Modules, Module{Path: dep.Path, Version: dep.Version, Sum: dep.Sum})
	}
	inv.Modules = append(inv.Modules, Module{Path: stdlib, Version: strings.Fields(info.GoVersion)[0]})
	for i := range inv.Modules {
		if err := inv.Modules[i].findLicense(dirs); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(inv.Modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return inv, inv.Main.findLicense(dirs)
}

// stdlib is how scanners call what comes with Go.
const stdlib = "stdlib"

func sum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// directories maps the modules of a command to where their sources are.
func directories(ctx context.Context, t build.Target) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", "./cmd/"+t.Command)
	cmd.Dir = t.Module
	cmd.Env = t.Env()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	dirs := map[string]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Replace   *struct{ Path string }
			}
		}
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			dirs[stdlib], err = goroot(ctx)
			return dirs, err
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		case p.Module == nil:
		case p.Module.Replace != nil:
			dirs[p.Module.Replace.Path] = p.Module.Dir
		default:
			dirs[p.Module.Path] = p.Module.Dir
		}
	}
}

func goroot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return filepath.Clean(strings.TrimSpace(string(output))), err
}
