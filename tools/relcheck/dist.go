// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/tools/internal/build"
	"github.com/atrawog/mcp-oauth-gateway/tools/sbom"
)

// platforms are those that a release has binaries for.
var platforms = []string{
	"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64",
}

// dist builds the command of a tagged module for platforms, written GOOS/GOARCH,
// into out, with a bill of materials of each, and SHA256SUMS of all. HEAD must be the tag, so that the go command
// stamps its version into the binaries.
func dist(ctx context.Context, repo, tag, out string, platforms []string) error {
	if _, err := changesOf(repo, tag); err != nil {
		return err
	}
	dir, version, err := splitTag(tag)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var sums strings.Builder
	for _, platform := range platforms {
		name := binaryName(dir, version, platform)
		file := filepath.Join(out, name)
		target := build.Target{Module: filepath.Join(repo, dir), Command: dir, Platform: platform, File: file}
		if err := target.Build(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := hasVersion(file, version); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := writeSBOM(ctx, file, target.Module); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, name := range []string{name, name + sbomSuffix} {
			sum, err := sha256Of(filepath.Join(out, name))
			if err != nil {
				return err
			}
			fmt.Fprintf(&sums, "%s  %s\n", sum, name)
		}
	}
	return os.WriteFile(filepath.Join(out, dir+"_"+version+"_SHA256SUMS"), []byte(sums.String()), 0o644)
}

// sbomSuffix is what the bill of materials of a binary adds to its name.
const sbomSuffix = ".spdx.json"

func writeSBOM(ctx context.Context, file, module string) error {
	f, err := os.Create(file + sbomSuffix)
	if err != nil {
		return err
	}
	return errors.Join(sbom.Write(ctx, f, file, module, false), f.Close())
}

// binaryName is the name of a released binary, for example
// shproxy_v0.1.0_linux_amd64.
func binaryName(command, version, platform string) string {
	name := command + "_" + version + "_" + strings.ReplaceAll(platform, "/", "_")
	if strings.HasPrefix(platform, "windows/") {
		name += ".exe"
	}
	return name
}

// hasVersion checks the version that the go command stamped into a binary.
func hasVersion(file, version string) error {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return err
	}
	if info.Main.Version != version {
		return fmt.Errorf("the binary says it is %s: build from a clean checkout of the tag", info.Main.Version)
	}
	return nil
}

func sha256Of(file string) (string, error) {
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
