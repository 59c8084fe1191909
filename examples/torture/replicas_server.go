// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errand is what one call of the counter is to do.
type errand struct {
	Session string `json:"session"` // nonce of the client's session
	Call    int    `json:"call"`    // number within it
	Before  int    `json:"before,omitempty"`
	Ask     bool   `json:"ask,omitempty"` // a question to the client, between the two kinds of progress
	After   int    `json:"after,omitempty"`
	Events  int    `json:"events,omitempty"` // for the standalone stream, within the call
	Later   int    `json:"later,omitempty"`  // the same, once the call is answered
	Pause   int    `json:"pause,omitempty"`  // milliseconds between all of them
	Bytes   int    `json:"bytes,omitempty"`  // of the result
	Last    bool   `json:"last,omitempty"`   // wait for all events
}

// account is the counter's answer: what it did so far.
type account struct {
	Session string `json:"session"`
	Call    int    `json:"call"`
	Count   int    `json:"count"`  // of the calls of this process, this one included
	Events  int    `json:"events"` // number of the last event
	Wrong   string `json:"wrong,omitempty"`
	Pad     string `json:"pad,omitempty"`
	// Unanswered says that the client did not answer in time.
	Unanswered bool `json:"unanswered,omitempty"`
}

// numbered is in the _meta of what the counter sends on its own.
type numbered struct {
	Session string `json:"session"`
	Call    int    `json:"call,omitempty"`
	Seq     int    `json:"seq"`
}

// A frame is a JSON-RPC message of which the interesting parts differ.
type frame struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// A counter is an MCP server on stdio that numbers what it sends and counts
// what it is asked.
type counter struct {
	stdout io.Writer

	mu      sync.Mutex
	owner   string                          // guarded by mu; nonce of the session that this process is for; "": of many
	calls   int                             // guarded by mu
	seen    map[string]bool                 // guarded by mu; session/call
	asked   map[string]chan json.RawMessage // guarded by mu
	nextID  int                             // guarded by mu
	pending sync.WaitGroup                  // events of calls that are answered

	out    sync.Mutex // held for one line on stdout
	events int        // guarded by out
}

// count is the counter's role. It returns the exit code.
func count(stdin io.Reader, stdout io.Writer) int {
	time.AfterFunc(lifetime, func() { os.Exit(1) })
	s := &counter{stdout: stdout, seen: make(map[string]bool), asked: make(map[string]chan json.RawMessage)}
	lines := bufio.NewReaderSize(stdin, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return exitOK
		}
		var f frame
		if json.Unmarshal(line, &f) == nil {
			s.receive(&f)
		}
	}
}

func (s *counter) receive(f *frame) {
	switch f.Method {
	case "":
		s.mu.Lock()
		defer s.mu.Unlock()
		if answer := s.asked[string(f.ID)]; answer != nil {
			delete(s.asked, string(f.ID))
			if f.Error != nil {
				f.Result = raw(f.Error)
			}
			answer <- f.Result
		}
	case "initialize":
		var p struct {
			ProtocolVersion string
			ClientInfo      info
		}
		_ = json.Unmarshal(f.Params, &p)
		if p.ClientInfo.Name == legacyClient {
			s.mu.Lock()
			s.owner = p.ClientInfo.Version
			s.mu.Unlock()
		}
		s.reply(f.ID, map[string]any{
			"protocolVersion": p.ProtocolVersion, "serverInfo": info{"counter", "1"},
			"capabilities": json.RawMessage(`{"tools":{"listChanged":true}}`),
		})
	case "tools/list":
		s.reply(f.ID, json.RawMessage(`{"tools":[{"name":"count","inputSchema":{"type":"object"}}]}`))
	case "tools/call":
		var p struct {
			Arguments errand
			Meta      meta `json:"_meta"`
		}
		if err := json.Unmarshal(f.Params, &p); err != nil {
			s.send(&frame{ID: f.ID, Error: &rpcError{-32602, err.Error()}})
			return
		}
		a := s.enter(&p.Arguments)
		go func() {
			s.perform(&p.Arguments, a, p.Meta.Token)
			s.reply(f.ID, map[string]any{"content": []content{{"text", asText(a)}}})
			s.pending.Done()
		}()
	default:
		if f.ID != nil {
			s.reply(f.ID, struct{}{})
		}
	}
}

// enter notes that a call has come. The caller ends it with s.pending.Done.
func (s *counter) enter(e *errand) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &account{Session: e.Session, Call: e.Call}
	key := fmt.Sprintf("%s/%d", e.Session, e.Call)
	if s.owner != "" && s.owner != e.Session {
		a.Wrong = fmt.Sprintf("a call of session %s came to the process of %s", e.Session, s.owner)
	}
	if s.seen[key] {
		a.Wrong = "the call came twice"
	}
	s.seen[key] = true
	s.calls++
	a.Count = s.calls
	if !e.Last {
		s.pending.Add(1)
	}
	return a
}

func (s *counter) perform(e *errand, a *account, token json.RawMessage) {
	if e.Last {
		s.pending.Wait()
		s.pending.Add(1) // as for all others
	}
	s.progress(e, token, 1, e.Before)
	if e.Ask {
		question := fmt.Sprintf("%s/%d", e.Session, e.Call)
		if got, answered := s.ask(question); !answered {
			a.Unanswered = true
		} else if got != question {
			a.Wrong = fmt.Sprintf("asked %s, got %.200q", question, got)
		}
	}
	for range e.Events {
		s.event(e)
	}
	s.progress(e, token, e.Before+1, e.Before+e.After)
	a.Pad = strings.Repeat("p", e.Bytes)
	if e.Later > 0 {
		s.pending.Go(func() {
			for range e.Later {
				pause(context.Background(), e.Pause)
				s.event(e)
			}
		})
	}
	s.out.Lock()
	a.Events = s.events
	s.out.Unlock()
}

func (s *counter) progress(e *errand, token json.RawMessage, from, to int) {
	for n := from; n <= to; n++ {
		s.send(&frame{Method: "notifications/progress", Params: raw(map[string]any{
			"progressToken": token, "progress": n,
			"_meta": map[string]any{"torture": numbered{e.Session, e.Call, n}},
		})})
		pause(context.Background(), e.Pause)
	}
}

// event sends a notification that belongs to no call, with the next number.
func (s *counter) event(e *errand) {
	s.out.Lock()
	defer s.out.Unlock()
	s.events++
	s.write(&frame{Method: "notifications/tools/list_changed", Params: raw(map[string]any{
		"_meta": map[string]any{"torture": numbered{Session: e.Session, Seq: s.events}},
	})})
}

// questionTime is how long the counter waits for an answer.
const questionTime = 15 * time.Second

// ask asks the user a question, to which the answer is the question.
func (s *counter) ask(question string) (got string, answered bool) {
	answer := make(chan json.RawMessage, 1)
	s.mu.Lock()
	s.nextID++
	id := strconv.Itoa(s.nextID)
	s.asked[id] = answer
	s.mu.Unlock()
	s.send(&frame{ID: json.RawMessage(id), Method: "elicitation/create", Params: raw(map[string]any{
		"message":         question,
		"requestedSchema": json.RawMessage(`{"type":"object","properties":{"echo":{"type":"string"}},"required":["echo"]}`),
	})})
	var result struct{ Content struct{ Echo string } }
	select {
	case said := <-answer:
		if err := json.Unmarshal(said, &result); err != nil || result.Content.Echo == "" {
			return string(said), true
		}
		return result.Content.Echo, true
	case <-time.After(questionTime):
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asked, id)
		return "", false
	}
}

func (s *counter) reply(id json.RawMessage, result any) { s.send(&frame{ID: id, Result: raw(result)}) }

func (s *counter) send(f *frame) {
	s.out.Lock()
	defer s.out.Unlock()
	s.write(f)
}

// write writes one line. s.out is held.
func (s *counter) write(f *frame) {
	f.Version = "2.0"
	_, _ = s.stdout.Write(append(raw(f), '\n'))
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings, numbers and JSON that was read before
	}
	return b
}

func asText(v any) string { return string(raw(v)) }
