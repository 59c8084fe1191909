// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
)

// prefix is the import path of the repository.
const prefix = "github.com/atrawog/mcp-oauth-gateway"

// released lists the directories of the modules that get versions, each after
// the siblings it requires.
var released = []string{"oauthdyn", "shproxy", "fetchserver", "shclient"}

// findRepo walks up from the working directory to the one that holds go.work.
func findRepo() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work in this directory or above it")
		}
		dir = parent
	}
}
