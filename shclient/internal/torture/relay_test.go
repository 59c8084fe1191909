// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A mode is what a relay does to connections.
type mode int

const (
	passing  mode = iota
	refusing      // nobody listens
	breaking      // connections are reset at once
	gateway       // requests are answered with 502, as by a reverse proxy
	holding       // what comes is swallowed
)

var modeNames = [...]string{passing: "passing", refusing: "refusing", breaking: "breaking", gateway: "502", holding: "holding"}

func (m mode) String() string { return modeNames[m] }

// A relay stands between the bridge and the server, byte by byte. Its address
// stays the same.
type relay struct {
	t       testing.TB
	address string
	target  string

	mu       sync.Mutex // guards the rest
	mode     mode
	listener net.Listener
	pairs    map[*pair]bool
	accepted int

	tasks sync.WaitGroup
}

// A pair is a connection of the bridge, and the one to the server that it
// became; nil if it did not.
type pair struct {
	client, server *net.TCPConn
	closed         chan struct{} // by close, when the bridge has closed its side
	close          func()
	stale          bool // it never reaches the server

	mu    sync.Mutex    // guards the rest
	cut   func()        // what to do in the middle of the next event; nil: nothing
	slow  bool          // bytes come in small pieces
	stuck chan struct{} // bytes wait until it is closed; nil: they do not
}

func newRelay(t testing.TB, address, target string) *relay {
	r := &relay{t: t, address: address, target: target, pairs: map[*pair]bool{}, mode: refusing}
	r.set(passing)
	t.Cleanup(func() {
		r.set(refusing)
		r.each(func(p *pair) { p.reset() })
		r.tasks.Wait()
	})
	return r
}

// set says what becomes of new connections.
func (r *relay) set(m mode) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.mode
	r.mode = m
	switch {
	case m == refusing && was != refusing:
		_ = r.listener.Close()
	case m != refusing && was == refusing:
		listener, err := listen(r.address)
		if err != nil {
			r.t.Fatalf("relay: %v", err)
		}
		r.listener = listener
		r.tasks.Go(func() { r.accept(listener) })
	}
}

func (r *relay) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		r.tasks.Go(func() { r.take(conn.(*net.TCPConn)) })
	}
}

func (r *relay) take(conn *net.TCPConn) {
	p := &pair{client: conn, closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	r.mu.Lock()
	m := r.mode
	p.stale = m != passing
	r.pairs[p] = true
	r.accepted++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.pairs, p)
		r.mu.Unlock()
	}()
	defer p.close()
	defer conn.Close()
	switch m {
	case refusing, breaking:
		p.reset()
	case gateway:
		badGateway(conn)
	case holding:
		_, _ = io.Copy(io.Discard, conn)
	default:
		r.connect(p)
	}
}

// badGateway answers requests until the client is gone.
func badGateway(conn net.Conn) {
	for requests := bufio.NewReader(conn); ; {
		req, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if _, err := io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<h1>"); err != nil {
			return
		}
	}
}

func (r *relay) connect(p *pair) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		p.reset()
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.server = server.(*net.TCPConn)
	p.mu.Unlock()
	var down sync.WaitGroup
	down.Go(func() { p.download() })
	_, _ = io.Copy(p.server, p.client)
	_, _ = io.Copy(io.Discard, p.client) // what the server does not take any more
	p.close()
	_ = p.server.Close()
	down.Wait()
}

// download carries what the server says, with what befalls it on the way.
func (p *pair) download() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := p.server.Read(buffer)
		if !p.forward(buffer[:n]) {
			return
		}
		if err != nil {
			_ = p.client.CloseWrite()
			return
		}
	}
}

// forward reports false if the connection was cut.
func (p *pair) forward(data []byte) bool {
	p.mu.Lock()
	cut, slow, stuck := p.cut, p.slow, p.stuck
	p.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-p.closed:
			return false
		}
	}
	if at := bytes.Index(data, []byte("data: {")); cut != nil && at >= 0 {
		_, _ = p.client.Write(data[:at+7+rand.IntN(len(data)-at-7)])
		cut()
		return false
	}
	for pieces := 0; slow && len(data) > 0 && pieces < 50; pieces++ {
		n := min(1+rand.IntN(50), len(data))
		if _, err := p.client.Write(data[:n]); err != nil {
			return true // as if the client had it
		}
		data = data[n:]
		time.Sleep(time.Millisecond / 2)
	}
	_, _ = p.client.Write(data) // to a client that is there
	return true
}

// reset ends a connection as a crash does.
func (p *pair) reset() {
	p.leaveServer()
	_ = p.client.SetLinger(0)
	_ = p.client.Close()
}

// finish ends a connection in good order, though at a bad moment.
func (p *pair) finish() {
	p.leaveServer()
	_ = p.client.CloseWrite()
}

// leaveServer comes first, so that the server is not the last to know.
func (p *pair) leaveServer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		_ = p.server.Close()
	}
}

func (r *relay) each(do func(*pair)) []*pair {
	r.mu.Lock()
	var all []*pair
	for p := range r.pairs {
		all = append(all, p)
	}
	r.mu.Unlock()
	for _, p := range all {
		do(p)
	}
	return all
}

// hangUp ends all connections, and waits until the bridge knows.
func (r *relay) hangUp(abruptly bool) error {
	all := r.each(func(p *pair) {
		if abruptly {
			p.reset()
		} else {
			p.finish()
		}
	})
	for _, p := range all {
		if abruptly {
			continue // its next write fails, that of a whole request as well
		}
		if err := p.awaitClosed(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pair) awaitClosed() error {
	select {
	case <-p.closed:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the bridge keeps a connection that was ended %s ago", patience)
	}
}

// retire ends the connections that never reached the server.
func (r *relay) retire() error {
	for _, p := range r.each(func(*pair) {}) {
		p.mu.Lock()
		stale := p.server == nil && p.stale
		p.mu.Unlock()
		if !stale {
			continue
		}
		p.finish()
		if err := p.awaitClosed(); err != nil {
			return err
		}
	}
	return nil
}

// cut ends each of the present connections in the middle of its next event.
func (r *relay) cut() {
	r.each(func(p *pair) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cut = p.finish
		if rand.IntN(2) == 0 {
			p.cut = p.reset
		}
	})
}

// slow makes the bytes of the present connections come in small pieces, or not
// any more.
func (r *relay) slow(slow bool) {
	r.each(func(p *pair) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.slow = slow
	})
}

// hold keeps back what the server says on the present connections, until
// the result is called.
func (r *relay) hold() (resume func()) {
	stuck := make(chan struct{})
	r.each(func(p *pair) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stuck = stuck
	})
	return func() { close(stuck) }
}

// mend lets the present connections alone again.
func (r *relay) mend() {
	r.each(func(p *pair) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cut, p.slow, p.stuck = nil, false, nil
	})
}

// connections counts those that the bridge has open, and had.
func (r *relay) connections() (open, ever int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pairs), r.accepted
}
