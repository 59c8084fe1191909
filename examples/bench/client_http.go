// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// An httpSession is an MCP session over Streamable HTTP.
type httpSession struct {
	address, path string
	header        string // lines of every request
	meta          string // member of the params of every call
}

// openHTTPSession initializes a session as the lifecycle page of MCP says.
func openHTTPSession(ctx context.Context, address, path string) (session, error) {
	s := &httpSession{address: address, path: path}
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.begin("initialize", initializeFrame, initializeID, "protocolVersion"); err != nil {
		return nil, err
	}
	if id := c.reply.sessionID; id != "" {
		s.header = headerLine("Mcp-Session-Id", id) + headerLine("MCP-Protocol-Version", protocolVersion)
	}
	c.head = s.requestHead()
	if err := c.post([]byte(initializedFrame)); err != nil {
		return nil, fmt.Errorf("notifications/initialized: %w", err)
	}
	if c.reply.status >= 300 {
		return nil, fmt.Errorf("notifications/initialized: HTTP status %d", c.reply.status)
	}
	return s, nil
}

// lanes opens depth connections: HTTP/1.1 carries one call at a time on each.
func (s *httpSession) lanes(ctx context.Context, depth int) ([]lane, error) {
	return dialLanes(ctx, depth, s.dial)
}

// dialLanes opens depth lanes. With an error it returns those that are open.
func dialLanes[L lane](ctx context.Context, depth int, dial func(context.Context) (L, error)) ([]lane, error) {
	var lanes []lane
	for range depth {
		l, err := dial(ctx)
		if err != nil {
			return lanes, err
		}
		lanes = append(lanes, l)
	}
	return lanes, nil
}

func (s *httpSession) dial(ctx context.Context) (*httpLane, error) {
	c, err := dialHTTP(ctx, s.address)
	if err != nil {
		return nil, err
	}
	return &httpLane{httpConn: c, head: s.requestHead(), meta: s.meta}, nil
}

// requestHead returns a POST request up to the value of its Content-Length.
func (s *httpSession) requestHead() []byte {
	head := "POST " + s.path + " HTTP/1.1\r\nHost: " + s.address +
		"\r\nContent-Type: " + typeJSON + "\r\nAccept: " + typeJSON + ", " + typeEvents + "\r\n"
	return []byte(head + s.header + "Content-Length: ")
}

func headerLine(name, value string) string { return name + ": " + value + "\r\n" }

// An httpLane is a persistent connection of a session.
type httpLane struct {
	httpConn
	head    []byte
	meta    string
	frame   []byte
	request []byte
	checker checker
}

// begin sends the first request of a session. The result is one if it has the
// member.
func (c *httpLane) begin(method, frame string, id int64, want string) error {
	if err := c.conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	if err := c.post([]byte(frame)); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	answer, err := c.reply.message(id)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if member(answer, want) == nil {
		return fmt.Errorf("%s: unexpected reply %.200s", method, answer)
	}
	return nil
}

func (c *httpLane) drive(ctx context.Context, p *plan) tally {
	call := func(id int64) error {
		c.frame = appendCall(c.frame[:0], id, p.times, c.meta)
		return c.post(c.frame)
	}
	return c.repeat(ctx, p, call, func(id int64) error { return c.verify(id, p.times) })
}

func (c *httpLane) post(body []byte) error {
	c.request = append(c.request[:0], c.head...)
	c.request = strconv.AppendInt(c.request, int64(len(body)), 10)
	c.request = append(c.request, "\r\n\r\n"...)
	c.request = append(c.request, body...)
	return c.roundTrip(c.request)
}

func (c *httpLane) verify(id int64, times int) error {
	frame, err := c.reply.message(id)
	if err != nil {
		return err
	}
	return c.checker.check(frame, id, times)
}
