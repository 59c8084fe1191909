// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// knowsReplicas reports whether the command has the flags of replicas yet.
func knowsReplicas(t *testing.T, bin string) bool {
	t.Helper()
	help, err := exec.CommandContext(t.Context(), filepath.Join(bin, "shproxy"), "--help").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(help), "--directory")
}

// known takes out those flags if it does not.
func known(t *testing.T, bin string, args []string) []string {
	t.Helper()
	if knowsReplicas(t, bin) {
		return args
	}
	return slices.DeleteFunc(args, func(arg string) bool {
		return strings.HasPrefix(arg, "--directory") || strings.HasPrefix(arg, "--replica")
	})
}
