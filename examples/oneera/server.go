// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
)

// An era is what servers of the two eras do differently.
type era interface {
	// request gets every request, and hands those that both eras know to
	// server.start.
	request(m *message, p params) error
	// notification gets every notification but the one that cancels.
	notification(m *message, p params)
	response(m *message)

	// ask asks the client some questions by their names and returns the
	// answers. An error of it ends the call.
	ask(c *call, questions map[string]question) (answers, error)
	// visit has the user open a page, which is done when it returns nil.
	visit(c *call, name, url string) error
	// finish adds to a result what only this era has.
	finish(c *call, result object)
	// wantsLog reports whether messages of a level go out during the call.
	wantsLog(c *call, level string) bool

	changed(list string) // tells whom it concerns that tools, prompts or resources have changed
	updated(uri string)  // the same of a resource's content
	noResource() int     // code of the error for an unknown resource
}

// A server is an MCP server for one client.
type server struct {
	output
	era era

	mu        sync.Mutex
	cancels   map[string]func() // guarded by mu; of the requests in flight, by id
	cancelled int               // guarded by mu; requests that the client gave up
	tools     []tool            // guarded by mu
	prompts   []prompt          // guarded by mu
	resources []resource        // guarded by mu
	running   sync.WaitGroup    // calls in flight
}

func newServer(w io.Writer) *server {
	return &server{
		output: output{w: w}, cancels: map[string]func(){},
		tools: allTools(), prompts: allPrompts(), resources: allResources(),
	}
}

// serve reads messages until the client closes its end.
func (s *server) serve(r io.Reader) error {
	defer s.running.Wait()
	defer s.cancelAll()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("not a message: %w", err)
		}
		s.receive(&m)
	}
}

func (s *server) receive(m *message) {
	p, err := m.params()
	switch {
	case m.Method == "":
		s.era.response(m)
	case m.ID == nil && m.Method == "notifications/cancelled":
		s.cancel(string(p.RequestID))
	case m.ID == nil:
		s.era.notification(m, p)
	default:
		if err == nil {
			err = s.era.request(m, p)
		}
		if err != nil {
			s.answer(m.ID, nil, err)
		}
	}
}

// start does a call in a goroutine of its own. A call that is cancelled is not
// answered.
func (s *server) start(c *call) {
	ctx, cancel := context.WithCancel(context.Background())
	c.server, c.ctx = s, ctx
	s.onCancel(c.id, cancel)
	s.running.Go(func() {
		defer cancel()
		result, err := methods[c.method](c)
		if asking, ok := errors.AsType[*inputRequired](err); ok {
			result, err = asking.result(), nil
		}
		if !s.done(c.id) {
			return
		}
		if err == nil {
			s.era.finish(c, result)
		}
		s.answer(c.id, result, err)
	})
}

// onCancel has f called if the client cancels the request.
func (s *server) onCancel(id json.RawMessage, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels[string(id)] = f
}

// done reports whether the request was not cancelled. It cannot be any more.
func (s *server) done(id json.RawMessage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.cancels[string(id)]
	delete(s.cancels, string(id))
	return ok
}

func (s *server) cancel(id string) {
	s.mu.Lock()
	f := s.cancels[id]
	delete(s.cancels, id)
	if f != nil {
		s.cancelled++
	}
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

func (s *server) cancelAll() {
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.cancels))
	s.mu.Unlock()
	for _, id := range ids {
		s.cancel(id)
	}
}

func (s *server) answer(id json.RawMessage, result object, err error) {
	if err == nil {
		s.send(message{ID: id, Result: result})
		return
	}
	known, ok := errors.AsType[*rpcError](err)
	if !ok {
		known = fail(internalError, "%v", err)
	}
	s.send(message{ID: id, Error: known})
}

// capabilities are the same in both eras.
func (s *server) capabilities() object {
	return object{
		"completions": object{}, "logging": object{},
		"prompts":   object{"listChanged": true},
		"resources": object{"subscribe": true, "listChanged": true},
		"tools":     object{"listChanged": true},
	}
}

const instructions = "Call any tool; each says what it tests."

func (s *server) info() object {
	return object{"name": "oneera", "version": "1.0.0"}
}

// complain says on stderr what a client of the right era would not do.
func complain(m *message) {
	line, _ := json.Marshal(m)
	fmt.Fprintf(os.Stderr, "oneera: not of this era: %s\n", bytes.TrimSpace(line))
}
