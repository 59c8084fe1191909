// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// proxied counts the connections to the proxy that the environment names.
var proxied atomic.Int32

func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		proxied.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		if err := os.Setenv(name, proxy.URL); err != nil {
			panic(err)
		}
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	proxy.Close()
	os.Exit(code)
}

func TestS73ProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	const address = "https://192.0.2.1/client.json"
	if resp, err := http.Get(address); err == nil {
		_ = resp.Body.Close()
	}
	if proxied.Swap(0) == 0 {
		t.Fatal("the environment names no proxy")
	}
	if _, err := newReader(t, options(nil)).Read(t.Context(), address); AsError(err) == nil || !strings.Contains(err.Error(), "not at a public address") {
		t.Errorf("got %v", err)
	}
	if proxied.Load() != 0 {
		t.Error("the proxy was asked")
	}
}

// What a hostile server can do costs 5 seconds at most, and is not remembered
// as an answer.
func TestS75HostileServers(t *testing.T) {
	const header = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, test := range map[string]struct {
		serve func(net.Conn) // after the request; nil: the connection is never made
		want  string
	}{
		"no connection":  {nil, "does not answer"},
		"silence":        {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "does not answer"},
		"hangs up":       {func(net.Conn) {}, "does not answer"},
		"not HTTP":       {say("SSH-2.0-OpenSSH_9.9\r\n"), "does not answer"},
		"slow header":    {slowly("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 100)), "does not answer"},
		"endless header": {forever("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("a", 1000)+"\r\n"), "does not answer"},
		"endless hints":  {forever("", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"), "does not answer"},
		"slow body":      {then(say(header+"\r\n"), slowly(strings.Repeat(" ", 1000))), "broke off"},
		"stops":          {then(say(header+"Content-Length: 100\r\n\r\n\""), slowly(" ")), "broke off"},
		"short":          {say(header + "Content-Length: 100\r\n\r\n\""), "broke off"},
		"endless body":   {forever(header+"Transfer-Encoding: chunked\r\n\r\n", "400\r\n"+strings.Repeat("x", 1<<10)+"\r\n"), "longer than 1 KiB"},
		"a byte more":    {say(header + "\r\n\"" + strings.Repeat("x", 1<<10-1) + "\""), "longer than 1 KiB"},
		"gzip bomb":      {forever(header+"Content-Encoding: gzip\r\n\r\n", strings.Repeat("\x00", 1<<10)), "is encoded"},
		"HTML":           {say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"), "not application/json"},
		"redirect":       {say("HTTP/1.1 307 Temporary Redirect\r\nLocation: https://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"), "does not know the app (307)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var honest atomic.Bool
				transport := newTransport()
				transport.DialTLSContext = func(context.Context, string, string) (net.Conn, error) {
					serve := test.serve
					if honest.Load() {
						serve = say(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", header, len(body), body))
					}
					if serve == nil {
						time.Sleep(30 * time.Second) // the dialer's own limit
						return nil, os.ErrDeadlineExceeded
					}
					client, server := net.Pipe()
					go func() {
						defer server.Close()
						if _, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
							serve(server)
						}
					}()
					return client, nil
				}
				o := options(nil)
				o.Transport = transport
				r := NewReader(o)
				defer r.Close()
				start := time.Now()
				_, err := r.Read(t.Context(), id)
				if AsError(err) == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				if took := time.Since(start); took > fetchTimeout {
					t.Errorf("took %v", took)
				}
				honest.Store(true)
				time.Sleep(rejectedPause)
				if text, err := r.Read(t.Context(), id); err != nil || text != "the document" {
					t.Errorf("after that: %q, %v", text, err)
				}
				time.Sleep(30 * time.Second)
			})
		})
	}
}

func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// slowly sends a byte a second.
func slowly(text string) func(net.Conn) {
	return func(c net.Conn) {
		for i := range len(text) {
			time.Sleep(time.Second)
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
		}
	}
}

// forever repeats the second text until nobody listens any more.
func forever(first, again string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, first)
		for err == nil {
			_, err = io.WriteString(c, again)
		}
	}
}

func then(first, second func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		first(c)
		second(c)
	}
}
