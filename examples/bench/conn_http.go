// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"time"
)

// An httpConn is a persistent connection. It is leaner than net/http's client,
// whose cost would hide that of a fast server.
type httpConn struct {
	conn  net.Conn
	in    *bufio.Reader
	reply reply
}

func dialHTTP(ctx context.Context, address string) (httpConn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return httpConn{}, err
	}
	return httpConn{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (c *httpConn) close() { c.conn.Close() }

func (c *httpConn) roundTrip(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	return c.reply.read(c.in)
}

// repeat makes calls until the plan is used up, the connection fails or ctx
// ends. The time between call and its return counts, if check accepts the reply.
func (c *httpConn) repeat(ctx context.Context, p *plan, call, check func(id int64) error) (t tally) {
	if err := c.conn.SetDeadline(p.deadline.Add(cmp.Or(p.patience, callTimeout))); err != nil {
		t.fail(err)
		return t
	}
	defer context.AfterFunc(ctx, c.close)()
	for {
		start := time.Now()
		id, ok := p.next(start)
		if !ok {
			return t
		}
		if err := call(id); err != nil {
			t.fail(err)
			return t
		}
		latency := time.Since(start)
		if err := check(id); err != nil {
			t.fail(err)
		} else {
			t.latencies = append(t.latencies, latency)
		}
		if c.reply.closing {
			t.fail(fmt.Errorf("the server closes the connection after a reply with status %d", c.reply.status))
			return t
		}
	}
}
