// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// wire starts a server that answers each connection with what write writes.
func wire(t *testing.T, write func(net.Conn)) (string, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					write(conn)
				}
			})
		}
	})
	return "http://" + l.Addr().String(), netip.MustParseAddrPort(l.Addr().String())
}

// TestBombs streams a gibibyte of zeros, compressed, and looks at what it
// costs to stop at the cap.
func TestBombs(t *testing.T) {
	for _, coding := range []string{"gzip", "br", "zstd"} {
		t.Run(coding, func(t *testing.T) {
			// gzip and zstd decoders go on with the next member or frame.
			piece, times := zeros(t, coding, 1<<20), 1024
			if coding == "br" {
				piece, times = zeros(t, coding, 12<<20), 1
			}
			base, addr := origin(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				for range times {
					if _, err := w.Write(piece); err != nil {
						return
					}
				}
			})
			c := client(t, fetch.Options{}, addr)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.Get(t.Context(), base)
			runtime.ReadMemStats(&after)
			wantCode(t, err, fetch.CodeTooLarge)
			t.Logf("%d bytes allocated", after.TotalAlloc-before.TotalAlloc)
			if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 { // the chunks up to the cap, and the decoder
				t.Errorf("%d bytes were allocated for a cap of %d", used, fetch.DefaultMaxBytes)
			}
		})
	}
}

func TestCodings(t *testing.T) {
	text := strings.Repeat("text ", 100)
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	io.WriteString(zip, text)
	zip.Close()
	for _, test := range []struct {
		coding string
		body   []byte
		want   fetch.Code
		detail string // part of the error
	}{
		{"gzip", zipped.Bytes(), "", ""},
		{"GZIP ", zipped.Bytes(), "", ""},
		{"identity, gzip", zipped.Bytes(), "", ""},
		{"x-gzip,", zipped.Bytes(), "", ""},
		{"identity", []byte(text), "", ""},
		{"gzip", zipped.Bytes()[:zipped.Len()-1], fetch.CodeEncoding, "too early"},
		{"gzip", zipped.Bytes()[:12], fetch.CodeEncoding, "too early"},
		{"gzip", append(bytes.Clone(zipped.Bytes()[:zipped.Len()-8]), 0, 0, 0, 0, 0, 0, 0, 0), fetch.CodeEncoding, "broken"}, // checksum
		{"gzip", append(bytes.Clone(zipped.Bytes()), "trailing garbage"...), fetch.CodeEncoding, "broken"},
		{"gzip, br", zipped.Bytes(), fetch.CodeEncoding, "several"},
		{"gzip, gzip", zipped.Bytes(), fetch.CodeEncoding, "several"},
		{"deflate", zipped.Bytes(), fetch.CodeEncoding, `"deflate" is not supported`},
		{"\"evil\xff" + strings.Repeat("a", 100), zipped.Bytes(), fetch.CodeEncoding, "not supported"},
	} {
		base, addr := origin(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", test.coding)
			w.Write(test.body)
		})
		resp, err := client(t, fetch.Options{}, addr).Get(t.Context(), base)
		if codeOf(err) != test.want || err != nil && !strings.Contains(err.Error(), test.detail) || len(fmt.Sprint(err)) > 150 {
			t.Errorf("%.20q of %d bytes: %v, want code %q and %q", test.coding, len(test.body), err, test.want, test.detail)
		}
		if err == nil && (string(resp.Body) != text || resp.Received != int64(len(test.body))) {
			t.Errorf("%q: %d bytes from %d received, want %d from %d", test.coding, len(resp.Body), resp.Received, len(text), len(test.body))
		}
	}
}

func TestLengths(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		want         fetch.Code
		body         string
	}{
		{"more announced than sent", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", fetch.CodeConnect, ""},
		{"less announced than sent", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort and more", "", "short"},
		{"without a length", "HTTP/1.0 200 OK\r\n\r\nto the end", "", "to the end"},
		{"negative", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx", fetch.CodeConnect, ""},
		{"two different", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy", fetch.CodeConnect, ""},
		{"enormous", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nx", fetch.CodeTooLarge, ""},
		{"beyond numbers", "HTTP/1.1 200 OK\r\nContent-Length: 92233720368547758080\r\n\r\nx", fetch.CodeConnect, ""},
		{"chunks that break off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", fetch.CodeConnect, ""},
		{"a chunk of nonsense", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", fetch.CodeConnect, ""},
		{"not HTTP", "220 mail.example ESMTP\r\n", fetch.CodeConnect, ""},
		{"nothing", "", fetch.CodeConnect, ""},
		{"many small fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", 20000) + "\r\n", fetch.CodeConnect, ""},
		{"many interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 5000) + "HTTP/1.1 200 OK\r\n\r\n", fetch.CodeConnect, ""},
		{"no content with a coding", "HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n", "", ""},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			base, addr := wire(t, func(conn net.Conn) { io.WriteString(conn, test.answer) })
			resp, err := client(t, fetch.Options{}, addr).Get(t.Context(), base)
			if codeOf(err) != test.want {
				t.Errorf("error %v, want code %q", err, test.want)
			}
			if err == nil && string(resp.Body) != test.body {
				t.Errorf("body %q, want %q", resp.Body, test.body)
			}
		})
	}
}

func TestHEAD(t *testing.T) {
	base, addr := origin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "123456789")
		w.Header().Set("Content-Encoding", "gzip")
	})
	resp, err := client(t, fetch.Options{MaxBytes: 1000}, addr).Do(t.Context(), &fetch.Request{URL: base, Method: "HEAD"})
	if err != nil || len(resp.Body) != 0 || resp.Header.Get("Content-Length") != "123456789" {
		t.Errorf("%+v, %v", resp, err)
	}
}

// An origin that never stops, neither before its answer nor in it, ends at the
// time allowed for it.
func TestSlowOrigins(t *testing.T) {
	drip := func(conn net.Conn, text string) {
		io.WriteString(conn, text)
		for {
			time.Sleep(2 * time.Millisecond) // the drops, not a synchronisation
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
		}
	}
	for name, begin := range map[string]string{
		"drips its status line": "HTTP/1.1 200 ", "drips a field": "HTTP/1.1 200 OK\r\nX: ", "drips its body": "HTTP/1.1 200 OK\r\n\r\n",
		"drips a gzip header": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x00",
	} {
		base, addr := wire(t, func(conn net.Conn) { drip(conn, begin) })
		if _, err := client(t, fetch.Options{Timeout: 60 * time.Millisecond}, addr).Get(t.Context(), base); codeOf(err) != fetch.CodeTimeout {
			t.Errorf("an origin that %s: %v", name, err)
		}
	}
	base, addr := wire(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	_, err := client(t, fetch.Options{FirstByteTimeout: 50 * time.Millisecond, Timeout: 5 * time.Second}, addr).Get(t.Context(), base)
	wantCode(t, err, fetch.CodeTimeout)
	if err == nil || !strings.Contains(err.Error(), "begin") {
		t.Errorf("%v: it is not the first byte that was missed", err)
	}
}
