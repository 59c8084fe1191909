// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// boundUnacked bounds how long the system repeats bytes that nobody
// acknowledges: a quarter of an hour else, while it sends no probes either
// (tcp(7), TCP_USER_TIMEOUT).
func boundUnacked(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		// A system that cannot be told goes on as it does.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(cutOff.Milliseconds()))
	})
}
