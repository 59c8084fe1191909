// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A machine that slept, by its two clocks.
func TestSlept(t *testing.T) {
	begin := newInstant(time.Now())
	later := func(wall, up time.Duration) instant {
		return instant{begin.wall.Add(wall), begin.up + up}
	}
	for _, tt := range []struct {
		name string
		now  instant
		want bool
	}{
		{"at once", later(0, 0), false},
		{"an hour at work", later(time.Hour, time.Hour), false},
		{"the clock was adjusted", later(5*time.Second, time.Second), false},
		{"a night asleep", later(8*time.Hour, time.Second), true},
		{"the clock was set back", later(-time.Hour, time.Second), false},
	} {
		transport := &wakeTransport{last: begin}
		if got := transport.slept(tt.now); got != tt.want {
			t.Errorf("%s: slept: %t", tt.name, got)
		}
		if transport.slept(tt.now) {
			t.Errorf("%s: slept twice", tt.name)
		}
	}
}

// After a sleep no connection from before is used.
func TestWakeDialsAnew(t *testing.T) {
	var dialed atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialed.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	transport, err := (&Options{}).transport()
	if err != nil {
		t.Fatal(err)
	}
	wake := transport.(*wakeTransport)
	defer wake.CloseIdleConnections()
	get := func(want int32) {
		t.Helper()
		resp, err := (&http.Client{Transport: wake}).Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if got := dialed.Load(); got != want {
			t.Errorf("%d connections, want %d", got, want)
		}
	}
	get(1)
	get(1)
	wake.mu.Lock()
	wake.last.wall = wake.last.wall.Add(-time.Hour) // the monotonic clock has stood still
	wake.mu.Unlock()
	get(2)
	get(2)
}

// A connection over HTTP/2 whose other end is gone without a word, as after a
// change of the network, is given up in bounded time: requests on it fail, and
// the next one finds a new connection. The clock is that of synctest.
func TestDeadConnection(t *testing.T) {
	certificate := httptest.NewTLSServer(nil)
	certificate.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Certificate())
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNetwork(&http.Server{
			TLSConfig: &tls.Config{Certificates: certificate.TLS.Certificates, NextProtos: []string{"h2"}},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
				}
			}),
		})
		transport, err := (&Options{TLSConfig: &tls.Config{RootCAs: roots}}).transport()
		if err != nil {
			t.Fatal(err)
		}
		wake := transport.(*wakeTransport)
		wake.DialContext = n.dial
		client := &http.Client{Transport: wake}
		get := func(path string) error {
			resp, err := client.Get("https://example.com" + path)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.ProtoMajor != 2 {
				t.Errorf("%s, want HTTP/2", resp.Proto)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		}
		if err := get("/"); err != nil {
			t.Fatal(err)
		}
		begin, failed := time.Now(), make(chan error)
		go func() { failed <- get("/slow") }()

		// Long silence alone is no reason.
		time.Sleep(time.Hour)
		select {
		case err := <-failed:
			t.Fatalf("given up after %v of silence: %v", time.Since(begin), err)
		default:
		}
		if got := n.dialed; got != 1 {
			t.Errorf("%d connections, want 1", got)
		}

		n.cut()
		begin = time.Now()
		err = <-failed
		if took := time.Since(begin); err == nil || took > pingAfter+pingTimeout+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		if err := get("/"); err != nil || n.dialed != 2 {
			t.Errorf("then: %v, %d connections, want 2", err, n.dialed)
		}
		wake.CloseIdleConnections()
		n.close()
	})
}

// pipeNetwork is a network of pipes to one server, of which all connections so
// far can be made to lose what is sent.
type pipeNetwork struct {
	server *http.Server
	conns  chan net.Conn
	over   chan struct{}
	tasks  sync.WaitGroup

	dialed int
	lost   chan struct{} // closed when what is sent is lost
	open   []net.Conn
}

func newPipeNetwork(server *http.Server) *pipeNetwork {
	n := &pipeNetwork{server: server, conns: make(chan net.Conn), over: make(chan struct{}), lost: make(chan struct{})}
	n.tasks.Go(func() { _ = server.ServeTLS(n, "", "") }) // ends with close
	return n
}

// Accept, Close and Addr make it the listener of the server.
func (n *pipeNetwork) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.over:
		return nil, net.ErrClosed
	}
}

func (n *pipeNetwork) Close() error   { return nil }
func (n *pipeNetwork) Addr() net.Addr { return &net.TCPAddr{} }

func (n *pipeNetwork) dial(context.Context, string, string) (net.Conn, error) {
	client, here := net.Pipe()
	there, server := net.Pipe()
	n.conns <- server
	n.dialed++
	n.open = append(n.open, here, there)
	lost := n.lost
	n.tasks.Go(func() { relay(there, here, lost) })
	n.tasks.Go(func() { relay(here, there, lost) })
	return client, nil
}

// relay copies until one end closes. What comes when it is lost is swallowed.
func relay(to, from net.Conn, lost <-chan struct{}) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		read, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-lost:
			continue
		default:
		}
		if _, err := to.Write(buf[:read]); err != nil {
			return
		}
	}
}

func (n *pipeNetwork) cut() {
	close(n.lost)
	n.lost = make(chan struct{})
}

func (n *pipeNetwork) close() {
	close(n.over)
	for _, c := range n.open {
		c.Close()
	}
	_ = n.server.Close() // its listener is closed
	n.tasks.Wait()
}
