// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	aCall         = `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`
	aNotification = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
	aResponse     = `{"jsonrpc":"2.0","id":1,"result":{}}`
)

// taker is an owner that tells what it gets, works on it, and tells whether the
// client was still there then. A call it works on until the client leaves.
type taker struct{ got, stayed chan string }

func newTaker() *taker { return &taker{make(chan string, 100), make(chan string, 100)} }

func (o *taker) handler(*Member) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		what := r.Method + string(body)
		o.got <- what
		work := time.After(2 * flushTime)
		if strings.Contains(what, "tools/call") {
			work = time.After(time.Minute)
		}
		select {
		case <-work:
			o.stayed <- what
		case <-r.Context().Done():
			o.stayed <- "left"
			panic(http.ErrAbortHandler) // an answer could still arrive
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

// What a client sends who leaves at once arrives, though with a call the owner
// learns that nobody waits.
func TestClientLeftBefore(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	o := newTaker()
	b := join(t, d, testKey, o.handler)
	a := join(t, d, testKey, nil)
	a.knows(1)
	large := strings.Repeat(" ", smallBody)
	for _, test := range []struct {
		method, body string
		status       int
		stayed       bool
	}{
		{http.MethodDelete, "", http.StatusAccepted, true},
		{http.MethodPost, aNotification, http.StatusAccepted, true},
		{http.MethodPost, aResponse, http.StatusAccepted, true},
		{http.MethodPost, "[" + aNotification + "," + aResponse + "]", http.StatusAccepted, true},
		{http.MethodPost, aCall, http.StatusBadGateway, false},
		{http.MethodPost, "[" + aNotification + "," + aCall + "]", http.StatusBadGateway, false},
		{http.MethodPost, aCall + large, http.StatusBadGateway, false},
	} {
		for _, by := range []string{"session", "name"} {
			ctx, leave := context.WithCancel(t.Context())
			leave()
			r := httptest.NewRequestWithContext(ctx, test.method, "http://mcp.example/mcp", strings.NewReader(test.body))
			w := httptest.NewRecorder()
			start := time.Now()
			if by == "session" {
				r.Header.Set(headerSession, b.name+".1")
				a.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
			} else if !a.Pass(w, r, b.name, []byte(test.body)) {
				t.Error("it is not passed on")
			}
			what := fmt.Sprintf("by %s: %s %.100s", by, test.method, test.body)
			if w.Code != test.status {
				t.Errorf("%s: %d, want %d", what, w.Code, test.status)
			}
			if took := time.Since(start); took > lateTime/2 {
				t.Errorf("%s: ended after %v", what, took)
			}
			select {
			case got := <-o.got:
				if got != test.method+test.body {
					t.Errorf("%s: the owner got %.100s", what, got)
				}
			case <-time.After(10 * time.Second):
				t.Fatal(what + ": it did not arrive")
			}
			if stayed := <-o.stayed; (stayed != "left") != test.stayed {
				t.Errorf("%s: when it was done, %.10s", what, stayed)
			}
		}
	}
	if f := a.Status().Forwarded; f["failed"] != 0 || strings.Contains(a.log.String(), "WARN") {
		t.Errorf("counted %v\n%s", f, a.log)
	}
}

// The same with connections that are closed. A client that closed half of its
// own gets no answer that was not given.
func TestClientCloses(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	o := newTaker()
	b := join(t, d, testKey, o.handler)
	a := join(t, d, testKey, nil)
	a.knows(1)
	send := func(method, body string) *net.TCPConn {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s /mcp HTTP/1.1\r\nHost: mcp.example\r\nMcp-Session-Id: %s.1\r\nContent-Length: %d\r\n\r\n%s", method, b.name, len(body), body)
		return conn.(*net.TCPConn)
	}
	for range 10 {
		send(http.MethodDelete, "").Close()
		send(http.MethodPost, aNotification).Close()
	}
	for range 20 {
		select {
		case <-o.got:
		case <-time.After(10 * time.Second):
			t.Fatal("it did not arrive")
		}
	}
	for body, want := range map[string]int{aNotification: http.StatusAccepted, aCall: http.StatusBadGateway} {
		conn := send(http.MethodPost, body)
		defer conn.Close()
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != want {
			t.Errorf("half-closed, %s: %v, %v", body, resp, err)
		}
	}
}

// The owner of a call that is under way learns at once that the client leaves.
func TestCancelOfCall(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	o := newTaker()
	b := join(t, d, testKey, o.handler)
	a := join(t, d, testKey, nil)
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, strings.NewReader(aCall))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(headerSession, b.name+".1")
	go func() {
		<-o.got
		leave()
	}()
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("an answer: %s", resp.Status)
	}
	start := time.Now()
	if stayed := <-o.stayed; stayed != "left" || time.Since(start) > lateTime/2 {
		t.Errorf("%s, after %v", stayed, time.Since(start))
	}
}
