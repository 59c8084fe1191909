// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package replica

import "syscall"

// errRefused is the error of connecting to a port where nobody listens.
const errRefused = syscall.ECONNREFUSED
