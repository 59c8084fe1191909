// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package bundle

import "os/exec"

func asGroup(*exec.Cmd) {}
