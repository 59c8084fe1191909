// SPDX-License-Identifier: Apache-2.0

// Package need skips tests where a program that they need is absent. With
// REQUIRE_ALL=1 in the environment, where everything must be there, it fails
// them instead.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Everything reports whether everything must be there.
func Everything() bool { return os.Getenv("REQUIRE_ALL") == "1" }

// Missing skips the test, or fails it. what says how to install what is missing.
func Missing(t testing.TB, what string) {
	t.Helper()
	if Everything() {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Program returns the path of a program, which install says how to get.
func Program(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name+" is absent: "+install)
	}
	return path
}

// Node and Python need both; what they run wants these versions.
func Node(t testing.TB) {
	Program(t, "node", "install Node.js 20 or newer: apt-get install nodejs npm")
}

// Python needs Python 3.
func Python(t testing.TB) {
	Program(t, "python3", "install Python 3.10 or newer: apt-get install python3 python3-venv")
}
