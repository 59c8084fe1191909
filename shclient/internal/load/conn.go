// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// A connLane is a persistent HTTP/1.1 connection. Its requests are prepared
// bytes, written at once; net/http's client would hand them from goroutine to
// goroutine, at several times the cost.
type connLane struct {
	session *httpSession
	call    template
	head    []byte // of the request, up to the value of Content-Length
	address string
	tls     *tls.Config // nil: none

	in      *bufio.Reader
	request []byte
	answer  answer
	used    time.Time

	ctx    context.Context // of dialing; done when the lane is closed
	cancel context.CancelFunc

	mu     sync.Mutex
	conn   net.Conn // mu guards it
	closed bool     // mu guards it
}

func newConnLane(s *httpSession, call template, address *url.URL, header http.Header) *connLane {
	l := &connLane{session: s, call: call, in: bufio.NewReaderSize(nil, bufferSize)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	port := map[string]string{"http": "80", "https": "443"}[address.Scheme]
	l.address = net.JoinHostPort(address.Hostname(), cmp.Or(address.Port(), port))
	if address.Scheme == "https" {
		l.tls = &tls.Config{}
		if s.TLS != nil {
			l.tls = s.TLS.Clone()
		}
		l.tls.NextProtos = []string{"http/1.1"}
		if l.tls.ServerName == "" {
			l.tls.ServerName = address.Hostname()
		}
	}
	var head bytes.Buffer
	head.WriteString("POST " + address.RequestURI() + " HTTP/1.1\r\nHost: " + address.Host + "\r\n")
	_ = header.Write(&head) // a buffer takes all
	head.WriteString("Content-Length: ")
	l.head = head.Bytes()
	return l
}

// staleAfter is how long a connection may rest before it is looked at: servers
// close those that do.
const staleAfter = time.Second

// Do makes a call on the connection, or on a new one.
func (l *connLane) Do(deadline time.Time) (time.Time, error) {
	conn, err := l.connection(deadline)
	if err != nil {
		return time.Time{}, err
	}
	answered, reusable, err := l.exchange(conn, deadline)
	l.used = answered
	if !reusable {
		l.drop()
	}
	if err != nil && l.ctx.Err() != nil {
		err = errInterrupted
	}
	return answered, err
}

func (l *connLane) exchange(conn net.Conn, deadline time.Time) (answered time.Time, reusable bool, err error) {
	if err := conn.SetDeadline(deadline); err != nil {
		return answered, false, err
	}
	id := l.session.ids.Add(1)
	l.request = strconv.AppendInt(append(l.request[:0], l.head...), int64(l.call.size(id)), 10)
	l.request = l.call.append(append(l.request, "\r\n\r\n"...), id)
	if _, err := conn.Write(l.request); err != nil {
		return answered, false, err
	}
	resp, err := readResponse(l.in)
	if err != nil {
		return answered, false, err
	}
	m, err := l.answer.read(resp, id)
	answered = l.answer.at
	if err == nil {
		err = Judge(l.answer.frame, m)
	}
	_, drained := io.CopyN(io.Discard, resp.Body, maxDrainBytes)
	return answered, drained == io.EOF && !resp.Close, err
}

var post = &http.Request{Method: http.MethodPost}

// readResponse skips interim responses.
func readResponse(in *bufio.Reader) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(in, post)
		if err != nil || resp.StatusCode >= 200 {
			return resp, err
		}
	}
}

// connection is the one that is open, unless the server has closed it.
func (l *connLane) connection(deadline time.Time) (net.Conn, error) {
	l.mu.Lock()
	conn, closed := l.conn, l.closed
	l.mu.Unlock()
	if closed {
		return nil, errInterrupted
	}
	if conn != nil && (time.Since(l.used) < staleAfter || l.isAlive(conn)) {
		return conn, nil
	}
	l.drop()
	ctx, cancel := context.WithDeadline(l.ctx, deadline)
	defer cancel()
	conn, err := l.dial(ctx)
	if l.ctx.Err() != nil {
		err = errInterrupted
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return nil, errInterrupted
	}
	l.conn = conn
	l.in.Reset(conn)
	return conn, nil
}

// isAlive reports whether nothing has come on an idle connection, not even its
// end.
func (l *connLane) isAlive(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(time.Microsecond)) != nil {
		return false
	}
	_, err := l.in.Peek(1)
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

func (l *connLane) dial(ctx context.Context) (net.Conn, error) {
	var conn net.Conn
	var err error
	if l.session.Dial != nil {
		conn, err = l.session.Dial(ctx)
	} else {
		conn, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", l.address)
	}
	if err != nil || l.tls == nil {
		return conn, err
	}
	secure := tls.Client(conn, l.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// drop forgets the connection.
func (l *connLane) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// Close ends the connection.
func (l *connLane) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.drop()
}

// A clientLane sends through the client of the session, where a proxy is in
// between. It costs more than a connection of its own.
type clientLane struct {
	session *httpSession
	call    template
	header  http.Header
	answer  answer
	ctx     context.Context // done when the lane is closed
	cancel  context.CancelFunc
}

func newClientLane(s *httpSession, call template, header http.Header) *clientLane {
	l := &clientLane{session: s, call: call, header: header}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Do makes a call.
func (l *clientLane) Do(deadline time.Time) (time.Time, error) {
	ctx, cancel := context.WithDeadline(l.ctx, deadline)
	defer cancel()
	id := l.session.ids.Add(1)
	resp, err := l.session.post(ctx, l.call.append(nil, id), l.header.Clone())
	if err != nil {
		if l.ctx.Err() != nil {
			err = errInterrupted
		}
		return time.Time{}, err
	}
	defer resp.Body.Close()
	m, err := l.answer.read(resp, id)
	if err == nil {
		err = Judge(l.answer.frame, m)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrainBytes) // so that the connection can be used again
	return l.answer.at, err
}

// Close ends a call in flight.
func (l *clientLane) Close() { l.cancel() }
