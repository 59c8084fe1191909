// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends a request for a session, as no client library would, and returns the
// answer.
func (m *tester) raw(session, headers, body string) *http.Response {
	m.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(m.url, "http://"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: mcp.example\r\nMcp-Session-Id: %s\r\n%s\r\n%s", session, headers, body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		m.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// What a client does wrong is not taken for a failure of a replica: it makes no
// alarm, and nothing in the log.
func TestFaultOfClient(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	for _, test := range []struct {
		headers, body string
		want          int
	}{
		{"Transfer-Encoding: chunked\r\n", "zz\r\n", http.StatusBadRequest},
		{"Transfer-Encoding: chunked\r\n", "2\r\n{}zz\r\n", http.StatusBadRequest},
		{"Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", http.StatusOK},
		{"Content-Length: 2\r\nConnection: Upgrade\r\nUpgrade: \x80\r\n", "{}", http.StatusOK},
		{"Content-Length: 2\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", "{}", http.StatusOK},
	} {
		if resp := a.raw(b.name+".1", test.headers, test.body); resp.StatusCode != test.want {
			t.Errorf("%q: %s, want %d", test.headers+test.body, resp.Status, test.want)
		}
	}
	if f := a.Status().Forwarded; f["failed"] != 0 || f["unreachable"] != 0 || strings.Contains(a.log.String(), "WARN") {
		t.Errorf("counted %v\n%s", f, a.log)
	}
}

// A client is told once to go on.
func TestExpect(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: mcp.example\r\nMcp-Session-Id: %s.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n", b.name)
	answers := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatal(resp, err)
	}
	fmt.Fprint(conn, "{}")
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Answered-By") != b.name {
		t.Fatal(resp, err)
	}
}

// A header arrives as it does at the replica that has the session, though the
// client says that it is for the first one alone: it could be what tells who
// calls, or from where.
func TestConnectionHeader(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	origins := make(chan string, 2)
	b := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { origins <- r.Header.Get("Origin") })
	})
	for _, m := range []*tester{b, join(t, d, testKey, nil)} {
		m.raw(b.name+".1", "Content-Length: 0\r\nOrigin: https://evil.example\r\nConnection: Origin\r\n", "")
		if got := <-origins; got != "https://evil.example" {
			t.Errorf("Origin: %q", got)
		}
	}
}
