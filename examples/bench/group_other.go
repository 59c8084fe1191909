// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

// signalGroup ends the leader; what it had started sees its pipes close.
func signalGroup(leader int, _ bool) error {
	process, err := os.FindProcess(leader)
	if err != nil {
		return err
	}
	defer process.Release()
	return process.Kill()
}
