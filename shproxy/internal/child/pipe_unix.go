// SPDX-License-Identifier: Apache-2.0

//go:build unix

package child

import "golang.org/x/sys/unix"

// readNow reads what is there, whatever the deadline. The error may be EAGAIN.
func (p *pipe) readNow(b []byte) (n int, err error) {
	conn, err := p.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := conn.Control(func(fd uintptr) {
		for n, err = unix.Read(int(fd), b); err == unix.EINTR; {
			n, err = unix.Read(int(fd), b)
		}
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}
