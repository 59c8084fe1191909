// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
)

// maxMessage bounds a message of the browser in bytes. What a page can make
// larger is dropped.
const maxMessage = 64 << 20

// message is one of the Chrome DevTools Protocol: a command, its answer or an
// event.
type message struct {
	ID      int64            `json:"id,omitzero"`
	Session target.SessionID `json:"sessionId,omitzero"`
	Method  string           `json:"method,omitzero"`
	Params  jsonv2.Value     `json:"params,omitzero"`
	Result  jsonv2.Value     `json:"result,omitzero"`
	Error   *struct {
		Code    int64  `json:"code"`
		Message string `json:"message"`
	} `json:"error,omitzero"`
}

var jsonOptions = jsonv2.JoinOptions(jsonv2.DefaultOptionsV2(), jsonv2.AllowInvalidUTF8(true))

// errGone: the browser has ended, or closed its end of the pipe.
var errGone = errors.New("render: the browser has ended")

// conn speaks with a browser over two pipes, each message ended by a zero byte.
// Of the events, only those of sessions that somebody watches are kept.
type conn struct {
	r    io.ReadCloser
	w    io.WriteCloser
	gone chan struct{} // closed when nothing more is read

	writing sync.Mutex

	mu       sync.Mutex
	last     int64
	waiting  map[int64]chan *message
	watchers map[target.SessionID]func(*message) // must not block
}

func newConn(r io.ReadCloser, w io.WriteCloser) *conn {
	return &conn{
		r: r, w: w, gone: make(chan struct{}),
		waiting:  make(map[int64]chan *message),
		watchers: make(map[target.SessionID]func(*message)),
	}
}

// watch has f called for each event of a session, until it is nil.
func (c *conn) watch(id target.SessionID, f func(*message)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f == nil {
		delete(c.watchers, id)
	} else {
		c.watchers[id] = f
	}
}

// read delivers messages until the pipe ends.
func (c *conn) read() {
	defer close(c.gone)
	defer c.r.Close()
	in := bufio.NewReaderSize(c.r, 64<<10)
	for {
		raw, err := readMessage(in)
		if err != nil {
			return
		}
		m := new(message)
		if len(raw) == 0 || jsonv2.Unmarshal(raw, m, jsonOptions) != nil {
			continue
		}
		c.mu.Lock()
		answer, watcher := c.waiting[m.ID], c.watchers[m.Session]
		c.mu.Unlock()
		switch {
		case m.ID != 0:
			if answer != nil {
				answer <- m // has room for the one answer there is
			}
		case watcher != nil:
			watcher(m)
		}
	}
}

// readMessage returns a message without its end, and nothing for one that is
// too large.
func readMessage(in *bufio.Reader) ([]byte, error) {
	var whole []byte
	size := 0
	for {
		part, err := in.ReadSlice(0)
		if size += len(part); size <= maxMessage {
			whole = append(whole, part...)
		} else {
			whole = nil
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err != nil:
			return nil, err
		case whole == nil:
			return nil, nil
		}
		return whole[:len(whole)-1], nil
	}
}

func (c *conn) send(m *message) error {
	raw, err := jsonv2.Marshal(m, jsonOptions)
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.w.Write(append(raw, 0)); err != nil {
		return errGone
	}
	return nil
}

// session sends commands to a page, or to the browser if its id is empty. It is
// a cdp.Session for cdp.Call.
type session struct {
	conn *conn
	id   target.SessionID
}

// Call sends a command and waits for its answer.
func (s session) Call(ctx context.Context, method string, params, result any) error {
	raw, err := jsonv2.Marshal(params, jsonOptions)
	if err != nil {
		return err
	}
	answer := make(chan *message, 1)
	s.conn.mu.Lock()
	s.conn.last++
	id := s.conn.last
	s.conn.waiting[id] = answer
	s.conn.mu.Unlock()
	defer func() {
		s.conn.mu.Lock()
		delete(s.conn.waiting, id)
		s.conn.mu.Unlock()
	}()
	if err := s.conn.send(&message{ID: id, Session: s.id, Method: method, Params: raw}); err != nil {
		return err
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("render: %s: %s", method, m.Error.Message)
		}
		return jsonv2.Unmarshal(m.Result, result, jsonOptions)
	case <-s.conn.gone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Subscribe is there for the interface: events go to watchers.
func (s session) Subscribe(string) (<-chan jsonv2.Value, func()) {
	none := make(chan jsonv2.Value)
	close(none)
	return none, func() {}
}

// post sends a command whose answer nobody needs: if it fails, what it was
// about is gone.
func post[P, R any](s session, c cdp.Command[P, R], params P) {
	raw, err := jsonv2.Marshal(params, jsonOptions)
	if err != nil {
		return
	}
	s.conn.mu.Lock()
	s.conn.last++
	id := s.conn.last
	s.conn.mu.Unlock()
	_ = s.conn.send(&message{ID: id, Session: s.id, Method: c.Method, Params: raw})
}

// event decodes the parameters of an event.
func event[E any](m *message, _ cdp.Event[E]) *E {
	e := new(E)
	if jsonv2.Unmarshal(m.Params, e, jsonOptions) != nil {
		return nil
	}
	return e
}
