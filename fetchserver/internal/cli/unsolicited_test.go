// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestUnsolicitedBytes: what an origin sends after its answer does not get to
// the terminal or the log of whoever runs the command. The origin redirects
// to another one, so that its connection is idle when the bytes come: on a
// connection in use they would be the next answer, and a bad one.
func TestUnsolicitedBytes(t *testing.T) {
	seen := make(chan struct{}) // closed when the command has read the bytes, and left the connection
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-seen:
			fmt.Fprint(w, "ok")
		case <-t.Context().Done():
		}
	}))
	defer page.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.URL.Path == "/robots.txt" {
				fmt.Fprint(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			fmt.Fprintf(conn, "HTTP/1.1 302 Found\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n\x1b[2JFORGED RECORD\n", page.URL)
			_, _ = r.ReadByte()
			close(seen)
			return
		}
	}()
	cmd := command(t.Context(), "get", "--allow-private", listener.Addr().String(), "--allow-private", page.Listener.Addr().String(), "http://"+listener.Addr().String()+"/")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil || bytes.Contains(stderr.Bytes(), []byte("FORGED")) {
		t.Errorf("%v: %q", err, stderr.String())
	}
}
