// SPDX-License-Identifier: Apache-2.0

package child

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize lets a long message pass in few reads; the system's own is 64 KiB.
const pipeSize = 256 << 10

// widen enlarges a pipe as far as the system allows.
func widen(pipe *os.File) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
	})
}
