// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"syscall"
)

const (
	pipeSize = 256 << 10
	setSize  = 1031 // F_SETPIPE_SZ
)

// widen enlarges a pipe as shproxy does, so that bare stdio is not measured
// with a narrower one.
func widen(pipe *os.File) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setSize, pipeSize)
	})
}
