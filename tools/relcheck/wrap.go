// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/tools/wrap"
)

// wrapBinaries packs what dist has written into dir for npm and PyPI, and prints
// the npm packages in the order in which to publish them. The files in them have
// the time of the tag's commit.
func wrapBinaries(ctx context.Context, repo, tag, dir string, platforms []string, out io.Writer) error {
	command, version, err := splitTag(tag)
	if err != nil {
		return err
	}
	stamp, err := commitTime(ctx, repo, tag)
	if err != nil {
		return err
	}
	r := wrap.Release{Command: command, Version: version, Time: stamp, License: filepath.Join(repo, "LICENSE")}
	for _, platform := range platforms {
		b := wrap.Binary{Platform: platform, Path: filepath.Join(dir, binaryName(command, version, platform))}
		if sbom := b.Path + sbomSuffix; exists(sbom) {
			b.SBOM = sbom
		}
		r.Binaries = append(r.Binaries, b)
	}
	npm, _, err := r.Write(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (relcheck dist %s %s writes the binaries)", err, tag, dir)
	}
	if err != nil {
		return err
	}
	for _, path := range npm {
		fmt.Fprintln(out, path)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// commitTime is when the commit of a tag was made.
func commitTime(ctx context.Context, repo, tag string) (time.Time, error) {
	out, err := exec.CommandContext(ctx, "git", "-C", repo, "log", "-1", "--format=%cI", tag).Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("git log %s: %w", tag, err)
	}
	return time.Parse(time.RFC3339, strings.TrimSpace(string(out)))
}
