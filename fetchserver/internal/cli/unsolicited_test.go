// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// TestUnsolicitedBytes: what an origin sends after its answer does not get to
// the terminal or the log of whoever runs the command.
func TestUnsolicitedBytes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	seen := make(chan struct{}, 1) // the client has closed the connection of the unsolicited bytes
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
				if req.URL.Path == "/robots.txt" {
					fmt.Fprint(conn, "\x1b[2JFORGED RECORD\n")
					_, _ = r.ReadByte()
					seen <- struct{}{}
					return
				}
				<-seen
			}()
		}
	}()
	cmd := command(t.Context(), "get", "--allow-private", listener.Addr().String(), "http://"+listener.Addr().String()+"/")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil || bytes.Contains(stderr.Bytes(), []byte("FORGED")) {
		t.Errorf("%v: %q", err, stderr.String())
	}
}
