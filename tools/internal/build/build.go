// SPDX-License-Identifier: Apache-2.0

// Package build makes the binaries of releases and of images. The same commit and
// the same Go make the same bytes, whatever the machine, the directory and the
// user's settings.
package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A Target is a binary to build.
type Target struct {
	Module    string // directory of the module
	Command   string // name of the command, a directory of cmd/
	Platform  string // GOOS/GOARCH
	Workspace bool   // build with the siblings of go.work, not with the released ones
	File      string // absolute name of the binary
}

// Build runs go build.
func (t Target) Build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-o", t.File, "./cmd/"+t.Command)
	cmd.Dir = t.Module
	cmd.Env = t.Env()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
}

// Env is the environment for the go command: this process's, with what decides
// about the binary set.
func (t Target) Env() []string {
	goos, goarch, _ := strings.Cut(t.Platform, "/")
	env := append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch,
		"GOFLAGS=-trimpath", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off")
	if t.Workspace {
		return append(env, "GOWORK=")
	}
	return append(env, "GOWORK=off")
}
