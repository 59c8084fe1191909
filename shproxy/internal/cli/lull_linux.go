// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"net"
	"syscall"
)

// refuseNew makes the kernel drop what begins a connection, so that those that
// have begun can be accepted before the listener is closed. Who is dropped tries
// again a second later, and is refused then.
func refuseNew(listener net.Listener) error {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return errors.ErrUnsupported
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	const flags, syn = 13, 0x02 // of the TCP header, RFC 9293 3.1
	filter := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: flags},
		{Code: syscall.BPF_JMP | syscall.BPF_JSET | syscall.BPF_K, Jf: 1, K: syn},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 1<<32 - 1},
	}
	var failed error
	//lint:ignore SA1019 the alternative is a dependency, for these four instructions
	err = conn.Control(func(fd uintptr) { failed = syscall.AttachLsf(int(fd), filter) })
	return errors.Join(err, failed)
}
