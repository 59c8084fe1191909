// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// lifetime ends every process that was forked here, whoever forgot it.
const lifetime = 10 * time.Minute

// A server is an MCP server on stdio that does what its clients' scripts say.
type server struct {
	marker string // in the command line of every process of this run
	child  string // nonce of this process
	stdin  *os.File
	stdout *os.File
	stderr io.Writer

	mu       sync.Mutex
	owner    string                        // guarded by mu; session of the client that sent initialize
	cancels  map[string]context.CancelFunc // guarded by mu; by request id
	asked    map[string]chan message       // guarded by mu; by id of our request
	nextID   int                           // guarded by mu
	stubborn bool                          // guarded by mu
	deaf     bool                          // guarded by mu
	closed   bool                          // guarded by mu; stdin, by ourselves

	out sync.Mutex // held for one line on stdout
}

// serve is the server's role. It returns the exit code.
func serve(marker string, stdin, stdout, stderr *os.File) int {
	time.AfterFunc(lifetime, func() { os.Exit(1) })
	s := &server{
		marker: marker, child: rand.Text(), stdin: pollable(stdin), stdout: stdout, stderr: stderr,
		cancels: make(map[string]context.CancelFunc), asked: make(map[string]chan message),
	}
	lines := bufio.NewReaderSize(s.stdin, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			fmt.Fprintf(stderr, "unreadable line of %d bytes: %v\n", len(line), err)
			continue
		}
		s.receive(&m)
		if s.is(&s.deaf) {
			select {}
		}
	}
	if s.is(&s.stubborn) || s.is(&s.closed) {
		select {}
	}
	return 0
}

func (s *server) receive(m *message) {
	switch {
	case m.isResponse():
		s.mu.Lock()
		defer s.mu.Unlock()
		if answer := s.asked[string(m.ID)]; answer != nil {
			delete(s.asked, string(m.ID))
			answer <- *m
		}
	case m.Method == "initialize":
		s.initialize(m)
	case m.Method == "notifications/cancelled" && m.Params != nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		if cancel := s.cancels[string(m.Params.RequestID)]; cancel != nil {
			cancel()
		}
	case m.Method == "tools/call" && m.Params != nil && m.Params.Arguments != nil:
		s.start(m)
	case m.isRequest():
		s.send(&message{ID: m.ID, Result: &result{}})
	}
}

// start runs the script of a call. The reader goes on meanwhile, unless it
// was told to be deaf, which must happen at once.
func (s *server) start(m *message) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &serverCall{s: s, id: m.ID, token: m.Params.Meta.Token, args: m.Params.Arguments}
	s.mu.Lock()
	s.cancels[string(m.ID)] = cancel
	s.deaf = s.deaf || c.args.Script.has(doDeaf)
	s.mu.Unlock()
	go func() {
		c.run(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.cancels, string(m.ID))
		cancel()
	}()
}

func (s *server) initialize(m *message) {
	p := m.Params
	if p == nil || p.ClientInfo == nil {
		s.send(&message{ID: m.ID, Error: &rpcError{-32602, "no clientInfo"}})
		return
	}
	s.mu.Lock()
	s.owner = p.ClientInfo.Version
	s.mu.Unlock()
	switch p.Meta.Init {
	case initCrash:
		fmt.Fprintln(s.stderr, "error: crashing in initialize")
		os.Exit(crashStatus)
	case initRefuse:
		s.send(&message{ID: m.ID, Error: &rpcError{-32602, "refused"}})
		return
	case initHang:
		return
	case initSlow:
		time.Sleep(300 * time.Millisecond)
	case initNoise:
		s.noise(20)
	}
	s.send(&message{ID: m.ID, Result: &result{
		Meta:            meta{Torture: &tag{Session: p.ClientInfo.Version, Seq: 1, Child: s.child}},
		ProtocolVersion: p.ProtocolVersion,
		Capabilities:    json.RawMessage(`{"tools":{"listChanged":true},"logging":{}}`),
		ServerInfo:      &info{Name: "torture", Version: "1"},
	}})
}

// ask sends a request to the client and waits for the answer.
func (s *server) ask(ctx context.Context, method string, p *params) (message, error) {
	answer := make(chan message, 1)
	s.mu.Lock()
	s.nextID++
	id := strconv.Itoa(s.nextID) // as the proxy and clients number theirs, which must not matter
	s.asked[id] = answer
	s.mu.Unlock()
	s.send(&message{ID: json.RawMessage(id), Method: method, Params: p})
	select {
	case m := <-answer:
		return m, nil
	case <-ctx.Done():
		return message{}, ctx.Err()
	}
}

func (s *server) send(m *message) {
	m.Version = "2.0"
	line, err := json.Marshal(m)
	if err != nil {
		panic(err) // only strings, numbers and bytes that were read before
	}
	s.write(append(line, '\n'))
}

func (s *server) write(line []byte) {
	s.out.Lock()
	defer s.out.Unlock()
	_, _ = s.stdout.Write(line) // if nobody reads any more, somebody will end us
}

// noise prints what servers print on stdout and must not.
func (s *server) noise(lines int) {
	for i := range lines {
		s.write([]byte(noises[i%len(noises)] + "\n"))
	}
}

var noises = []string{
	"Welcome to the server!", "", `{"level":"info","id":1,"msg":"ready"}`, "[1,2]", "\xff\xfe", "null",
	"npm warn deprecated", `{"id":1,"result":{}}`, "{", "\x1b[32m✔\x1b[0m listening",
}

func (s *server) is(flag *bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *flag
}

// resist makes the process ignore polite requests to end.
func (s *server) resist() {
	signal.Ignore(syscall.SIGTERM)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stubborn = true
}
