// SPDX-License-Identifier: Apache-2.0

package child

import "golang.org/x/sys/unix"

// pipeSize lets a long message pass in few reads; the system's own is 64 KiB.
const pipeSize = 256 << 10

// widen enlarges the pipe as far as the system allows.
func (p *pipe) widen() {
	conn, err := p.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
	})
}
