// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import (
	"os"
	"os/exec"
)

func ownSession(*exec.Cmd)         {}
func ownGroup(*exec.Cmd)           {}
func pollable(f *os.File) *os.File { return f }

// There is no such thing here, and the mode that wants it says so.
var signalStop, signalContinue os.Signal = os.Interrupt, os.Interrupt
