// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// What has begun to connect is accepted, and nothing new begins.
func TestRefuseNew(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("for Linux only")
	}
	listener, err := listenAs(t.Context(), publicListener(true), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	early, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if err := refuseNew(listener); err != nil {
		t.Fatal(err)
	}
	if late, err := net.DialTimeout("tcp", listener.Addr().String(), 100*time.Millisecond); err == nil {
		late.Close()
		t.Error("a new connection is made")
	}
	if _, err := io.WriteString(early, "hello"); err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(accepted, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

// addressOf a server is closed once.
type addressOf struct {
	net.Listener
	close func()
}

func (a *addressOf) Close() error {
	a.close()
	return nil
}

// It waits for idle connections to be used, before and after the address is
// closed, and no longer than it may.
func TestLull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lull
		l.watch(&http.Server{})
		early, late, unused := &net.TCPConn{}, &net.TCPConn{}, &net.TCPConn{}
		l.note(early, http.StateIdle)
		l.note(unused, http.StateIdle)
		l.note(unused, http.StateClosed)
		step := "open"
		address := &addressOf{close: func() {
			step = "closed"
			l.note(late, http.StateIdle) // its answer began before those that end their connections
		}}
		go func() {
			l.close(t.Context(), address)
			step = "quiet"
		}()
		want := func(s string) {
			t.Helper()
			synctest.Wait()
			if step != s {
				t.Errorf("it is %s, want %s", step, s)
			}
		}
		want("open")
		l.note(early, http.StateActive)
		want("closed")
		l.note(late, http.StateActive)
		want("quiet")
		l.note(unused, http.StateIdle)
		begun := time.Now()
		l.close(t.Context(), &addressOf{close: func() {}})
		if took := time.Since(begun); took != lullTime {
			t.Errorf("it took %v", took)
		}
	})
}

// Answers end their connection while the program is stopping, and streams that
// last until then say so from the beginning.
func TestClosing(t *testing.T) {
	tests := []struct {
		method, contentType string
		before, after       bool // stopping
		want                string
	}{
		{http.MethodPost, sse.ContentType, false, false, ""},
		{http.MethodPost, sse.ContentType, false, true, "close"},
		{http.MethodPost, "application/json", true, true, "close"},
		{http.MethodGet, sse.ContentType, false, false, "close"},
		{http.MethodGet, "application/json", false, false, ""},
	}
	for _, test := range tests {
		p := &program{cluster: &cluster{}, fleet: &fleet{}}
		p.fleet.stopping.Store(test.before)
		h := p.closing(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			p.fleet.stopping.Store(test.after)
			w.Header().Set("Content-Type", test.contentType)
			_ = http.NewResponseController(w).Flush()
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(test.method, "/mcp", nil))
		if got := w.Result().Header.Get("Connection"); got != test.want {
			t.Errorf("%+v: Connection: %q", test, got)
		}
	}
}

// A provisional answer does not stand in for the final one.
func TestClosingAfterProvisional(t *testing.T) {
	p := &program{cluster: &cluster{}, fleet: &fleet{}}
	p.fleet.stopping.Store(true)
	server := httptest.NewServer(p.closing(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		clear(w.Header()) // as httputil.ReverseProxy does
		w.WriteHeader(http.StatusOK)
	})))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if !resp.Close {
		t.Error("the connection stays open")
	}
}
