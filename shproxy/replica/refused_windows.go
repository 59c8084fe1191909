// SPDX-License-Identifier: Apache-2.0

package replica

import "syscall"

// errRefused is WSAECONNREFUSED.
const errRefused = syscall.Errno(10061)
