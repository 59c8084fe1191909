// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package replica

import "syscall"

// boundUnacked leaves the bound to the system.
func boundUnacked(_, _ string, _ syscall.RawConn) error { return nil }
