// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"crypto/tls"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What the system is told about a connection to a replica: for how long bytes
// may stay without an acknowledgement, and that it asks whether the machine is
// there. With the former set the number of probes does not count (Linux,
// tcp_keepalive_timer), so that several have to fit into it: one may get lost.
func TestCutOffIsNoticed(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	a.knows(1)
	conn, err := a.dial(t.Context(), "tcp", b.name+domain+":443")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*tls.Conn).NetConn().(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]int{}
	err = raw.Control(func(fd uintptr) {
		for _, option := range []int{unix.TCP_USER_TIMEOUT, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT} {
			var err error
			if got[option], err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	timeout, idle, interval, count := got[unix.TCP_USER_TIMEOUT], got[unix.TCP_KEEPIDLE], got[unix.TCP_KEEPINTVL], got[unix.TCP_KEEPCNT]
	if timeout != 10_000 || idle+count*interval != 10 {
		t.Errorf("noticed after %d ms, or %d s and %d probes %d s apart; want 10 s", timeout, idle, count, interval)
	}
	if probes := (timeout/1000-idle-1)/interval + 1; probes < 3 {
		t.Errorf("it is given up after %d probes", probes)
	}
}
