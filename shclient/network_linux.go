// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// boundUnacked bounds how long the system repeats bytes that nobody
// acknowledges: a quarter of an hour else (tcp(7), TCP_USER_TIMEOUT).
func boundUnacked(_, _ string, conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedTimeout.Milliseconds()))
	})
	if err != nil {
		return err
	}
	if failed == unix.ENOPROTOOPT {
		return nil // not a system that can be told, though it calls itself Linux
	}
	return failed
}
