// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Lines says how to get to a server that speaks lines, such as a command.
type Lines struct {
	Protocol Protocol
	Client   Client

	// Dial starts the server. Closing the connection ends it.
	Dial func(ctx context.Context) (io.ReadWriteCloser, error)

	// Probe is how long a server that may speak either era has to answer
	// server/discover before it is started again as a legacy one. Default 10 s.
	Probe time.Duration
}

// NewLines returns the server that Dial starts, once for each session.
func NewLines(o Lines) Target {
	if o.Probe <= 0 {
		o.Probe = 10 * time.Second
	}
	return &linesTarget{o}
}

type linesTarget struct{ Lines }

// Open starts the server; again if it is of the other era, since some end when
// they are asked in a strange way.
func (t *linesTarget) Open(ctx context.Context) (Session, error) {
	if t.Protocol != Legacy {
		s, err := t.open(ctx, true)
		if err == nil || t.Protocol == Modern || ctx.Err() != nil {
			return s, err
		}
	}
	return t.open(ctx, false)
}

func (t *linesTarget) open(ctx context.Context, modern bool) (Session, error) {
	conn, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &linesSession{linesTarget: t, conn: conn, waiting: make(map[string]*waiter), ended: make(chan struct{}), replies: make(chan []byte, maxReplies), writing: make(chan struct{}, 1)}
	go s.receive()
	go s.answer()
	if modern {
		err = s.discover(ctx)
	} else {
		err = s.initialize(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *linesSession) discover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.Probe)
	defer cancel()
	s.version = era.Modern
	frame, m, err := s.Ask(ctx, "server/discover", nil)
	s.opening = m.Result.Of(frame)
	if err == nil && !era.IsModern(frame, m) {
		err = &Failure{Class: ClassServer, Kind: "the server does not speak " + era.Modern, Text: errorText(Judge(frame, m))}
	}
	return err
}

func (s *linesSession) initialize(ctx context.Context) error {
	frame, m, err := s.Ask(ctx, "initialize", s.Client.initialize())
	if err != nil {
		return err
	}
	if err := Judge(frame, m); err != nil {
		return err
	}
	version, _ := jsonrpc.Lookup(frame, m.Result, "protocolVersion")
	if s.version = jsonrpc.Text(version.Of(frame)); !era.IsLegacy(s.version) {
		return badAnswer("initialize is answered with protocol version %q", s.version)
	}
	s.opening = m.Result.Of(frame)
	return s.send([]byte(initialized + "\n"))
}

// maxReplies is how many answers to a server may wait until it reads them.
const maxReplies = 64

// A linesSession is a server on lines. One goroutine reads what it says.
type linesSession struct {
	*linesTarget
	conn    io.ReadWriteCloser
	version string
	opening []byte

	replies chan []byte // to requests of the server

	writing chan struct{} // a lock, held while a line is written
	guard   *time.Timer   // writing guards it

	mu      sync.Mutex
	ids     int64              // mu guards it
	waiting map[string]*waiter // mu guards it, by raw id
	err     error              // mu guards it: why nothing is received any more

	ended chan struct{} // closed when nothing is received or answered any more
}

// A waiter waits for an answer.
type waiter struct {
	id    int64
	keep  bool // the frame is wanted
	heard chan heard
}

type heard struct {
	at    time.Time
	err   error
	frame []byte
	m     jsonrpc.Message
}

func (s *linesSession) Version() string { return s.version }
func (s *linesSession) Opening() []byte { return s.opening }

// add makes w wait for the answer to a new request, and returns its id.
func (s *linesSession) add(w *waiter) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.ids++
	w.id = s.ids
	s.waiting[strconv.FormatInt(w.id, 10)] = w
	return w.id, nil
}

// remove makes w wait no longer, and drops an answer that came all the same.
func (s *linesSession) remove(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, strconv.FormatInt(w.id, 10))
	select {
	case <-w.heard:
	default:
	}
}

// writeTimeout is how long a server may leave a line unread before it counts as
// dead: a write that blocks has no other end than that of the connection.
const writeTimeout = 30 * time.Second

func (s *linesSession) send(line []byte) error {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	if s.guard == nil {
		s.guard = time.AfterFunc(writeTimeout, s.interrupt)
	} else {
		s.guard.Reset(writeTimeout)
	}
	defer s.guard.Stop()
	_, err := s.conn.Write(line)
	return err
}

// answer writes what the server is told when it asks something, apart from the
// reader, which must not wait for it.
func (s *linesSession) answer() {
	defer close(s.ended)
	for line := range s.replies {
		_ = s.send(line) // the reader finds out that the server is gone
	}
}

// receive hands answers to who waits for them, until the server ends.
func (s *linesSession) receive() {
	defer close(s.replies)
	lines := bufio.NewScanner(s.conn)
	lines.Buffer(make([]byte, 0, 64<<10), maxAnswer)
	for lines.Scan() {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			s.take(line, time.Now())
		}
	}
	err := lines.Err()
	if err == nil {
		err = io.EOF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	for id, w := range s.waiting {
		delete(s.waiting, id)
		w.heard <- heard{err: err}
	}
}

func (s *linesSession) take(line []byte, at time.Time) {
	m, err := jsonrpc.Scan(line)
	switch {
	case err != nil: // noise
	case m.Kind == jsonrpc.Request:
		select {
		case s.replies <- refuse(line, m):
		default: // a server that asks faster than it reads gets no answer
		}
	case m.Kind == jsonrpc.Response:
		s.mu.Lock()
		defer s.mu.Unlock()
		w := s.waiting[string(m.ID.Of(line))]
		if w == nil {
			return // it came too late
		}
		delete(s.waiting, string(m.ID.Of(line)))
		h := heard{at: at, m: m}
		if w.keep {
			h.frame = bytes.Clone(line)
		} else {
			h.err = Judge(line, m)
		}
		w.heard <- h
	}
}

// refuse answers a request of the server: we have no capabilities, but are
// there.
func refuse(line []byte, m jsonrpc.Message) []byte {
	if id := m.ID.Of(line); jsonrpc.Is(line, m.Method, "ping") {
		return append(append([]byte(`{"jsonrpc":"2.0","id":`), id...), `,"result":{}}`+"\n"...)
	}
	return append(jsonrpc.AppendError(nil, m.ID.Of(line), jsonrpc.MethodNotFound, "a load generator answers nothing", nil), '\n')
}

// Ask makes one request.
func (s *linesSession) Ask(ctx context.Context, method string, params []byte) ([]byte, jsonrpc.Message, error) {
	t, err := s.request(Call{Method: method, Params: params})
	if err != nil {
		return nil, jsonrpc.Message{}, err
	}
	w := &waiter{keep: true, heard: make(chan heard, 1)}
	id, err := s.add(w)
	if err != nil {
		return nil, jsonrpc.Message{}, err
	}
	defer s.remove(w)
	defer context.AfterFunc(ctx, s.interrupt)()
	if err := s.send(append(t.append(nil, id), '\n')); err != nil && ctx.Err() == nil {
		return nil, jsonrpc.Message{}, err
	}
	select {
	case h := <-w.heard:
		if ctx.Err() != nil {
			return nil, jsonrpc.Message{}, ctx.Err()
		}
		return h.frame, h.m, h.err
	case <-ctx.Done():
		return nil, jsonrpc.Message{}, ctx.Err()
	}
}

// interrupt ends a write that blocks, and the session with it.
func (s *linesSession) interrupt() { s.conn.Close() }

func (s *linesSession) request(c Call) (template, error) {
	params := c.Params
	if s.version == era.Modern {
		params = s.Client.withMeta(params)
	}
	t := newTemplate(c.Method, params)
	return t, t.check()
}

// Close ends the server.
func (s *linesSession) Close() {
	s.conn.Close()
	<-s.ended
}

// Lane shares the lines with the other lanes.
func (s *linesSession) Lane(c Call) (Lane, error) {
	t, err := s.request(c)
	if err != nil {
		return nil, err
	}
	return &linesLane{
		session: s, call: t, closed: make(chan struct{}),
		waiter: waiter{heard: make(chan heard, 1)},
	}, nil
}

type linesLane struct {
	session *linesSession
	call    template
	line    []byte
	waiter  waiter
	timer   *time.Timer
	once    sync.Once
	closed  chan struct{}
}

// errSilent is a call without an answer in time.
var errSilent = &Failure{Class: ClassServer, Kind: "timeout"}

// Do writes a line and waits for the answer.
func (l *linesLane) Do(deadline time.Time) (time.Time, error) {
	select {
	case <-l.closed:
		return time.Time{}, errInterrupted
	default:
	}
	id, err := l.session.add(&l.waiter)
	if err != nil {
		return time.Time{}, err
	}
	l.line = append(l.call.append(l.line[:0], id), '\n')
	if err := l.session.send(l.line); err != nil {
		l.session.remove(&l.waiter)
		return time.Time{}, l.unlessClosed(err)
	}
	if l.timer == nil {
		l.timer = time.NewTimer(time.Until(deadline))
	} else {
		l.timer.Reset(time.Until(deadline))
	}
	defer l.timer.Stop()
	select {
	case h := <-l.waiter.heard:
		return h.at, l.unlessClosed(h.err)
	case <-l.timer.C:
		l.session.remove(&l.waiter)
		return time.Time{}, errSilent
	case <-l.closed:
		l.session.remove(&l.waiter)
		return time.Time{}, errInterrupted
	}
}

func (l *linesLane) unlessClosed(err error) error {
	select {
	case <-l.closed:
		if err != nil && !errors.As(err, new(*Failure)) {
			return errInterrupted
		}
	default:
	}
	return err
}

// Close gives up a call in flight. A write that blocks ends with the session,
// which is over then.
func (l *linesLane) Close() {
	l.once.Do(func() {
		close(l.closed)
		select {
		case l.session.writing <- struct{}{}:
			<-l.session.writing
		default:
			l.session.interrupt()
		}
	})
}
