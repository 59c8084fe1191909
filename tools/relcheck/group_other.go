// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import "os/exec"

func asGroup(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
