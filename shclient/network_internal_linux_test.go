// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What the system is told about a connection: for how long bytes may stay
// without an acknowledgement, and that it asks whether the other end lives.
func TestDeadConnectionOfTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	transport, err := (&Options{Network: "tcp4"}).transport()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := transport.(*wakeTransport).DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct {
		name               string
		level, number, got int
	}{
		{"TCP_USER_TIMEOUT, milliseconds", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE, seconds", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{"TCP_KEEPINTVL, seconds", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		want := option.got
		err := raw.Control(func(fd uintptr) {
			var err error
			if option.got, err = unix.GetsockoptInt(int(fd), option.level, option.number); err != nil {
				t.Errorf("%s: %v", option.name, err)
			}
		})
		if err != nil || option.got != want {
			t.Errorf("%s is %d, want %d: %v", option.name, option.got, want, err)
		}
	}
}
