// SPDX-License-Identifier: Apache-2.0

// Package peer exchanges raw JSON-RPC messages with an MCP server, one on each
// line, in the era that the server speaks. Messages stay as they are: nothing is
// decoded that need not be.
package peer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	// maxFrame bounds a message of the server, in bytes.
	maxFrame = 64 << 20

	// discoverLimit is how long a server may take to answer server/discover; one
	// that is silent is taken to be legacy (MCP 2026-07-28, stdio, "Backward
	// Compatibility").
	discoverLimit = 10 * time.Second
)

// ErrEnded is the error that the server has ended the connection.
var ErrEnded = errors.New("the server has ended the connection")

// Options say how to reach a server, and who does.
type Options struct {
	// Dial connects anew, to speak the versions of one era.
	Dial func(ctx context.Context, modern bool) (io.ReadWriteCloser, error)

	// Shared says that the connection for one era serves the other too, as that
	// of a server on stdio does.
	Shared bool

	// Modern says which era the server speaks; nil means to ask it.
	Modern *bool

	// Info is the client's clientInfo, a JSON object.
	Info []byte

	// Notification gets the notifications of the server, one after the other.
	// The frame belongs to it. Nil means that they are dropped.
	Notification func(frame []byte, m jsonrpc.Message)
}

// A Conn is a connection with a server. Its methods may be used by several
// goroutines at a time.
type Conn struct {
	profile era.Profile
	notify  func([]byte, jsonrpc.Message)
	rw      io.ReadWriteCloser
	modern  bool
	hello   Answer

	write sync.Mutex // held while a line is written
	ended chan struct{}

	mu      sync.Mutex
	last    int                    // mu guards it
	waiting map[string]chan Answer // mu guards it: by the key of the id
}

// Answer is a response of the server.
type Answer struct {
	Frame []byte
	jsonrpc.Message
}

// ResultBytes are those of the result; nil in an error.
func (a Answer) ResultBytes() []byte { return a.Result.Of(a.Frame) }

// ErrorBytes are those of the error; nil in a result.
func (a Answer) ErrorBytes() []byte { return a.Error.Of(a.Frame) }

// RefusedError is the error response to the first message of a session.
type RefusedError struct{ Answer Answer }

// Error holds the raw error of the response.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the server refuses to connect: %s", e.Answer.ErrorBytes())
}

// Dial connects without a first message, for callers that send one of their own.
func Dial(ctx context.Context, o Options, modern bool) (*Conn, error) {
	rw, err := o.Dial(ctx, modern)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		profile: era.Profile{Capabilities: []byte("{}"), Info: o.Info},
		notify:  o.Notification,
		rw:      rw,
		modern:  modern,
		ended:   make(chan struct{}),
		waiting: map[string]chan Answer{},
	}
	go c.read() // until Close, or the end of the server
	return c, nil
}

// Open connects, and finds out which era the server speaks.
func Open(ctx context.Context, o Options) (*Conn, error) {
	modern := o.Modern == nil || *o.Modern
	c, err := Dial(ctx, o, modern)
	if err != nil {
		return nil, err
	}
	if modern {
		answer, err := c.discover(ctx)
		switch {
		case err == nil && era.IsModern(answer.Frame, answer.Message):
			c.hello = answer
			return c, nil
		case ctx.Err() != nil:
			c.Close()
			return nil, ctx.Err()
		case o.Modern != nil && err == nil:
			c.Close()
			return nil, &RefusedError{answer}
		case o.Modern != nil:
			c.Close()
			return nil, err
		}
		if !o.Shared || errors.Is(err, ErrEnded) {
			c.Close()
			if c, err = Dial(ctx, o, false); err != nil {
				return nil, err
			}
		}
		c.modern = false
	}
	if err := c.initialize(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) discover(ctx context.Context) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverLimit)
	defer cancel()
	return c.Call(ctx, "server/discover", nil)
}

func (c *Conn) initialize(ctx context.Context) error {
	info := c.profile.Info
	if info == nil {
		info = []byte(`{"name":"shclient","version":"0"}`)
	}
	params := `{"protocolVersion":"` + era.Latest + `","capabilities":{},"clientInfo":` + string(info) + `}`
	answer, err := c.Call(ctx, "initialize", []byte(params))
	if err != nil {
		return err
	}
	if answer.Error.Present() {
		return &RefusedError{answer}
	}
	c.hello = answer
	return c.Notify("notifications/initialized", nil)
}

// Modern reports whether the server speaks a version since 2026-07-28.
func (c *Conn) Modern() bool { return c.modern }

// Hello is the answer to the first message: the result of initialize, or of
// server/discover.
func (c *Conn) Hello() Answer { return c.hello }

// Call sends a request, and waits for the response. params are raw JSON, or nil.
// To a modern server the _meta that it requires is added, unless params have
// one. When ctx ends, the server is told that the request is cancelled.
func (c *Conn) Call(ctx context.Context, method string, params []byte) (Answer, error) {
	return c.CallWith(ctx, method, params, nil)
}

// CallWith is Call with further members for the _meta that is added.
func (c *Conn) CallWith(ctx context.Context, method string, params []byte, meta map[string]any) (Answer, error) {
	c.mu.Lock()
	c.last++
	id := strconv.Itoa(c.last)
	answers := make(chan Answer, 1)
	c.waiting[jsonrpc.Key([]byte(id))] = answers
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, jsonrpc.Key([]byte(id)))
	}()
	if c.modern {
		var err error
		if params, err = c.withMeta(params, meta); err != nil {
			return Answer{}, err
		}
	}
	if err := c.send(method, []byte(id), params); err != nil {
		return Answer{}, err
	}
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		_ = c.Notify("notifications/cancelled", []byte(`{"requestId":`+id+`}`)) // nobody waits any more
		return Answer{}, ctx.Err()
	case <-c.ended:
	}
	select {
	case answer := <-answers: // came together with the end
		return answer, nil
	default:
		return Answer{}, ErrEnded
	}
}

// Notify sends a notification. params are raw JSON, or nil.
func (c *Conn) Notify(method string, params []byte) error { return c.send(method, nil, params) }

func (c *Conn) send(method string, id, params []byte) error {
	frame := []byte(`{"jsonrpc":"2.0",`)
	if id != nil {
		frame = append(append(append(frame, `"id":`...), id...), ',')
	}
	frame = jsonrpc.AppendString(append(frame, `"method":`...), method)
	if len(params) > 0 {
		frame = append(append(frame, `,"params":`...), params...)
	}
	frame = append(frame, '}')
	if _, err := jsonrpc.Scan(frame); err != nil {
		return fmt.Errorf("this makes no message: %w", err)
	}
	jsonrpc.Fold(frame)
	return c.line(frame)
}

// withMeta adds what every modern request says of its client, and more.
func (c *Conn) withMeta(params []byte, more map[string]any) ([]byte, error) {
	member := c.profile.AppendMeta([]byte(`{"_meta":`))
	if len(more) > 0 {
		extra, err := json.Marshal(more)
		if err != nil {
			return nil, err
		}
		member = append(append(member[:len(member)-1], ','), extra[1:]...)
	}
	params = bytes.TrimSpace(params)
	if len(params) == 0 {
		return append(member, '}'), nil
	}
	const head = `{"jsonrpc":"2.0","id":1,"method":"x","params":`
	m, err := jsonrpc.Scan([]byte(head + string(params) + `}`))
	if err != nil || m.Meta.Present() || params[0] != '{' {
		return params, nil // as it is; the server may judge
	}
	rest := bytes.TrimSpace(params[1:])
	if rest[0] != '}' {
		member = append(member, ',')
	}
	return append(member, rest...), nil
}

func (c *Conn) line(frame []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	if _, err := c.rw.Write(append(frame, '\n')); err != nil {
		return ErrEnded
	}
	return nil
}

// read hands out what the server says.
func (c *Conn) read() {
	defer close(c.ended)
	lines := bufio.NewScanner(c.rw)
	lines.Buffer(make([]byte, 0, 64<<10), maxFrame)
	for lines.Scan() {
		frame := bytes.Clone(bytes.TrimSpace(lines.Bytes()))
		m, err := jsonrpc.Scan(frame)
		if err != nil {
			continue // noise
		}
		switch m.Kind {
		case jsonrpc.Response:
			c.answered(Answer{frame, m})
		case jsonrpc.Notification:
			if c.notify != nil {
				c.notify(frame, m)
			}
		case jsonrpc.Request:
			c.asked(frame, m)
		}
	}
}

func (c *Conn) answered(a Answer) {
	key := jsonrpc.Key(a.ID.Of(a.Frame))
	c.mu.Lock()
	waiting := c.waiting[key]
	delete(c.waiting, key)
	c.mu.Unlock()
	if waiting != nil {
		waiting <- a
	}
}

// asked answers a request of the server: this client has no capabilities.
func (c *Conn) asked(frame []byte, m jsonrpc.Message) {
	id := m.ID.Of(frame)
	if jsonrpc.Is(frame, m.Method, "ping") {
		_ = c.line([]byte(`{"jsonrpc":"2.0","id":` + string(id) + `,"result":{}}`)) // one that is gone needs no answer
		return
	}
	_ = c.line(jsonrpc.AppendError(nil, id, jsonrpc.MethodNotFound, "this client has no such method", nil)) // as above
}

// Close ends the connection, and waits until it has ended.
func (c *Conn) Close() error {
	err := c.rw.Close()
	<-c.ended
	return err
}
