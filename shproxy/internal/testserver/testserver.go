// SPDX-License-Identifier: Apache-2.0

// Package testserver is an MCP server on stdio with the habits, good and bad,
// that a bridge has to live with. Test binaries run themselves again as this
// server.
package testserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Env names the variable that turns a test binary into the server; its value
// is the mode.
const Env = "SHPROXY_TEST_SERVER"

// The modes of the server.
const (
	Good      = "good"
	Exit      = "exit"      // writes a line to stderr and exits with 3
	Garbage   = "garbage"   // prints text and then reads its input
	Silent    = "silent"    // never answers
	Noisy     = "noisy"     // prints a banner first, then is good
	Stubborn  = "stubborn"  // good, but ignores the end of its input and TERM
	Refusing  = "refusing"  // answers initialize with an error
	Deaf      = "deaf"      // answers initialize and then reads no more
	Flood     = "flood"     // writes 4 MB to stderr before it is good
	Unlucky   = "unlucky"   // exits in initialize
	Fast      = "fast"      // answers every request at once, for benchmarks
	Once      = "once"      // good the first time, and like Exit from then on; see OnceEnv
	GroupOnly = "grouponly" // good; starts a process that only the group's end ends
)

// OnceEnv names the variable with the file by which a server in the mode Once
// knows that it was started before.
const OnceEnv = "SHPROXY_TEST_ONCE"

type message struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
}

// parse does not use encoding/json, which would take "Method" for "method".
func parse(line []byte) (m message, err error) {
	spans, err := jsonrpc.Scan(line)
	if err != nil {
		return m, err
	}
	m.Method = jsonrpc.Text(spans.Method.Of(line))
	m.Params, m.Result = spans.Params.Of(line), spans.Result.Of(line)
	if spans.ID.Present() {
		m.ID = spans.ID.Of(line)
	}
	return m, nil
}

type server struct {
	in  *bufio.Reader
	err io.Writer

	mu      sync.Mutex
	out     io.Writer
	answers map[string]chan message // to our requests
	cancels map[string]chan struct{}
	nextID  int
	grand   int // pid
	state   modernState
}

// Run serves until the input ends and returns the exit code.
func Run(mode string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := &server{
		in: bufio.NewReaderSize(stdin, 64<<10), out: stdout, err: stderr,
		answers: make(map[string]chan message), cancels: make(map[string]chan struct{}),
	}
	if mode == Once {
		if f, err := os.OpenFile(os.Getenv(OnceEnv), os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			mode = Exit
		} else {
			_ = f.Close()
		}
	}
	switch mode {
	case Exit:
		fmt.Fprintln(stderr, "starting up")
		fmt.Fprintln(stderr, "error: no configuration")
		return 3
	case Garbage:
		fmt.Fprintln(stdout, "Usage: something [options]")
		_, _ = io.Copy(io.Discard, stdin)
		return 0
	case Silent:
		_, _ = io.Copy(io.Discard, stdin)
		return 0
	case Noisy:
		fmt.Fprint(stdout, "\nWelcome to the server!\n{\"level\":\"info\",\"id\":1,\"msg\":\"ready\"}\n\xff\xfe\n\n[1,2]\n")
	case Stubborn:
		signal.Ignore(syscall.SIGTERM)
		s.serve(mode)
		time.Sleep(time.Hour)
	case Flood:
		line := strings.Repeat("x", 1023) + "\n"
		for range 4096 {
			_, _ = io.WriteString(stderr, line)
		}
	case Fast:
		return s.fast()
	case Puppet:
		return puppet(stdin, stdout, stderr)
	case GroupOnly:
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		s.grand = cmd.Process.Pid
	}
	s.serve(mode)
	return 0
}

func (s *server) serve(mode string) {
	for {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			return
		}
		m, err := parse(line)
		if err != nil {
			fmt.Fprintln(s.err, "bad message:", err)
			continue
		}
		switch {
		case m.Method == "":
			s.mu.Lock()
			if ch := s.answers[string(m.ID)]; ch != nil {
				ch <- m
			}
			s.mu.Unlock()
		case m.Method == "initialize" && mode != Modern:
			s.initialize(mode, m)
			if mode == Deaf {
				time.Sleep(time.Hour)
			}
		case m.Method == "notifications/cancelled":
			s.cancelled(m)
		case m.ID != nil:
			cancel := make(chan struct{})
			s.mu.Lock()
			s.cancels[string(m.ID)] = cancel
			s.mu.Unlock()
			if mode == Modern {
				go s.modern(m, line, cancel)
				continue
			}
			go s.call(m, line, cancel)
		}
	}
}

func (s *server) initialize(mode string, m message) {
	switch mode {
	case Unlucky:
		fmt.Fprintln(s.err, "error: out of luck")
		os.Exit(7)
	case Refusing:
		s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"go away"}}`, m.ID)
		return
	}
	var params struct{ ProtocolVersion string }
	_ = json.Unmarshal(m.Params, &params)
	s.send(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":%q,"capabilities":{"tools":{"listChanged":true},"logging":{}},"serverInfo":{"name":"testserver","version":"1"}}}`, m.ID, params.ProtocolVersion)
}

func (s *server) cancelled(m message) {
	var params struct{ RequestID json.RawMessage }
	_ = json.Unmarshal(m.Params, &params)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.cancels[string(params.RequestID)]; ch != nil {
		close(ch)
		delete(s.cancels, string(params.RequestID))
	}
}

type toolCall struct {
	Name      string
	Arguments struct {
		Text  string
		Count int
	}
	Meta struct{ ProgressToken json.RawMessage } `json:"_meta"`
}

// call answers one request. Other methods than those of a tool server get the
// frame that came in, byte for byte, so that tests see what the child sees.
func (s *server) call(m message, line []byte, cancel chan struct{}) {
	switch m.Method {
	case "ping":
		s.send(`{"jsonrpc":"2.0","id":%s,"result":{}}`, m.ID)
	case "tools/list":
		s.send(`{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}`, m.ID)
	case "tools/call":
		var call toolCall
		_ = json.Unmarshal(m.Params, &call)
		s.tool(m.ID, call, cancel)
	default:
		frame, _ := json.Marshal(strings.TrimSuffix(string(line), "\n"))
		s.send(`{"jsonrpc":"2.0","result":{"frame":%s},"id":%s}`, frame, m.ID)
	}
}

func (s *server) tool(id json.RawMessage, call toolCall, cancel chan struct{}) {
	args := call.Arguments
	switch call.Name {
	case "echo":
		s.text(id, args.Text)
	case "big":
		s.text(id, strings.Repeat("b", args.Count))
	case "pid":
		s.text(id, fmt.Sprint(os.Getpid(), " ", s.grand))
	case "args":
		dir, _ := os.Getwd()
		s.text(id, fmt.Sprintf("%q in %s", os.Args[1:], dir))
	case "env":
		s.text(id, os.Getenv(args.Text))
	case "crash":
		fmt.Fprintln(s.err, "error: boom")
		os.Exit(1)
	case "noise":
		s.send("debug: about to answer")
		s.text(id, args.Text)
	case "flood":
		line := strings.Repeat("e", 999) + "\n"
		for range args.Count {
			_, _ = io.WriteString(s.err, line)
		}
		s.text(id, args.Text)
	case "wait": // until cancelled
		<-cancel
		s.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"cancelled %s"}}`, id)
	case "sleep":
		select {
		case <-time.After(time.Duration(args.Count) * time.Millisecond):
		case <-cancel:
		}
		s.text(id, args.Text)
	case "progress":
		for i := range args.Count {
			s.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d}}`, call.Meta.ProgressToken, i+1)
		}
		s.text(id, args.Text)
	case "log":
		s.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":%q}}`, args.Text)
		s.text(id, args.Text)
	case "changed":
		s.send(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		s.text(id, args.Text)
	case "later": // something of the server's own accord, after the answer
		s.text(id, args.Text)
		for i := range args.Count {
			s.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"later %d"}}`, i+1)
		}
	case "ask":
		answer := s.ask(`"sampling/createMessage","params":{"messages":[],"maxTokens":10}`)
		s.text(id, string(answer))
	case "invalid":
		s.send("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"bad\":\"\xff\"}}", id)
	default:
		s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"unknown tool"}}`, id)
	}
}

// ask sends a request to the client and waits for the answer. Its ids are
// those that the proxy uses too, which must not matter.
func (s *server) ask(rest string) json.RawMessage {
	s.mu.Lock()
	s.nextID++
	id := fmt.Sprint(s.nextID)
	ch := make(chan message, 1)
	s.answers[id] = ch
	s.mu.Unlock()
	s.send(`{"jsonrpc":"2.0","id":%s,"method":%s}`, id, rest)
	m := <-ch
	if m.Result == nil {
		return json.RawMessage("refused")
	}
	return m.Result
}

func (s *server) text(id json.RawMessage, text string) {
	s.send(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":%q}]}}`, id, text)
}

func (s *server) send(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}
