// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"os/exec"
)

// windowsEnv names a file in which the browser of the tests writes a line per
// window.
const windowsEnv = "SHCLIENT_TEST_WINDOWS"

func noteWindow(name, page string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintln(file, page)
	return err
}

// keepChild starts the program in its arguments with the streams of its own, and
// stays. It is the client that gets killed.
func keepChild() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
