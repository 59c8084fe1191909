// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A message is any line, as far as the ledger looks into it.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  struct {
		Token    json.RawMessage `json:"progressToken"` // of notifications/progress
		Progress int             `json:"progress"`
		Request  json.RawMessage `json:"requestId"` // of notifications/cancelled
		question
	} `json:"params"`
	Result *struct {
		Type     string `json:"resultType"`
		State    string `json:"requestState"`
		Requests map[string]struct {
			Method string   `json:"method"`
			Params question `json:"params"`
		} `json:"inputRequests"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		IsError bool `json:"isError"`
	} `json:"result"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// A question is what the server asks the program, in which the nonce of the job
// stands.
type question struct {
	Message  string `json:"message"` // of elicitation/create
	Messages []struct {
		Content struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"messages"` // of sampling/createMessage
}

func (q question) nonce() string {
	if len(q.Messages) > 0 {
		return q.Messages[0].Content.Text
	}
	return q.Message
}

// A call is one request of the program.
type call struct {
	id    string // raw
	token string // raw; empty: no progress is wanted
	job   job
	line  string
	mute  bool // a question in this call is not answered, not yet

	// The ledger guards the rest.
	steps     int        // of progress that came
	questions []*message // that came
	cancelled bool
	answer    *message
	begun     chan struct{} // closed with the first step of progress
	asked     chan struct{} // closed with the first question
	done      chan struct{} // closed with the answer
}

// A ledger has an entry for each call, and checks every line of the bridge
// against them. It is safe for concurrent use.
type ledger struct {
	reply func(line string) // to a question of the server

	mu     sync.Mutex // guards the rest
	calls  map[string]*call
	tokens map[string]*call
	nonces map[string]*call // the last call for a job
	jobs   map[string]int   // by nonce: how often it was answered with success
	asked  map[string]bool  // by raw id: the questions that came
	wrong  []string
	lines  int
	counts map[string]int
}

func newLedger(reply func(string)) *ledger {
	return &ledger{
		reply: reply, calls: map[string]*call{}, tokens: map[string]*call{},
		nonces: map[string]*call{}, jobs: map[string]int{}, asked: map[string]bool{}, counts: map[string]int{},
	}
}

// violate notes what must not be.
func (l *ledger) violate(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violated(format, args...)
}

// violated is violate with mu held.
func (l *ledger) violated(format string, args ...any) {
	if l.wrong = append(l.wrong, fmt.Sprintf(format, args...)); len(l.wrong) > 30 {
		l.wrong = l.wrong[:30]
	}
}

func (l *ledger) violations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.wrong)
}

func (l *ledger) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}

// open makes an entry, before the call is made.
func (l *ledger) open(c *call) {
	c.begun, c.asked, c.done = make(chan struct{}), make(chan struct{}), make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[c.id] = c
	if c.token != "" {
		l.tokens[c.token] = c
	}
	if c.job.Nonce != "" {
		l.nonces[c.job.Nonce] = c
	}
}

// take checks a line of the bridge.
func (l *ledger) take(line []byte) {
	var m message
	err := json.Unmarshal(line, &m)
	l.mu.Lock()
	l.lines++
	var reply string
	switch {
	case err != nil || m.Version != "2.0":
		l.violated("a line that is no message (%v): %.300q", err, line)
	case m.Method == "":
		l.response(&m, line)
	case m.ID != nil:
		reply = l.question(&m, line)
	case m.Method == "notifications/progress":
		l.progress(&m, line)
	case m.Method == "notifications/cancelled" && l.asked[string(m.Params.Request)]:
		// The server does not want to know any more.
	case !strings.HasSuffix(m.Method, "/list_changed"):
		l.violated("nobody asked for %.300s", line)
	}
	l.mu.Unlock()
	if reply != "" {
		l.reply(reply)
	}
}

// response finds the call that is answered. mu is held.
func (l *ledger) response(m *message, line []byte) {
	c := l.calls[string(m.ID)]
	switch {
	case c == nil:
		l.violated("an answer to no call: %.300s", line)
		return
	case c.answer != nil:
		l.violated("a second answer: %.300s", line)
		return
	case (m.Result == nil) == (m.Error == nil):
		l.violated("neither result nor error, or both: %.300s", line)
	case m.Error != nil && m.Error.Message == "":
		l.violated("an error that says nothing: %.300s", line)
	}
	c.answer = m
	close(c.done)
	if m.Error != nil || c.job.Nonce == "" || m.Result.Type == "input_required" {
		return
	}
	if c.cancelled {
		return // it may say anything
	}
	if l.jobs[c.job.Nonce]++; l.jobs[c.job.Nonce] > 1 {
		l.violated("job %s was done twice", c.job.Nonce)
	}
	if m.Result.IsError || len(m.Result.Content) != 1 || m.Result.Content[0].Text != resultText(c.job) {
		l.violated("job %s has a wrong result: %.300s", c.job.Nonce, line)
	}
	if want := c.wantedSteps(); c.token != "" && c.steps != want {
		l.violated("job %s: %d steps of progress before the result, want %d", c.job.Nonce, c.steps, want)
	}
}

// wantedSteps are those of a job that goes well, in the call that ends it.
func (c *call) wantedSteps() int {
	switch {
	case strings.Contains(c.line, `"inputResponses"`):
		return 0
	case c.job.Hold:
		return c.job.Steps + 2
	}
	return c.job.Steps
}

// progress checks that a step belongs to a call in flight. mu is held.
func (l *ledger) progress(m *message, line []byte) {
	c := l.tokens[string(m.Params.Token)]
	switch {
	case c == nil:
		l.violated("progress of no call: %.300s", line)
	case c.answer != nil:
		l.violated("progress after the answer: %.300s", line)
	case m.Params.Progress != c.steps+1:
		l.violated("progress after step %d: %.300s", c.steps, line)
	default:
		if c.steps++; c.steps == 1 {
			close(c.begun)
		}
	}
}

// question checks that a question belongs to a call in flight, and returns the
// answer to it unless it has to wait. mu is held.
func (l *ledger) question(m *message, line []byte) string {
	c := l.nonces[m.Params.nonce()]
	switch {
	case c == nil:
		l.violated("a question of no call: %.300s", line)
		return ""
	case c.answer != nil:
		l.violated("a question after the answer: %.300s", line)
		return ""
	case len(c.questions) > 0:
		l.violated("a second question: %.300s", line)
	}
	c.questions = append(c.questions, m)
	l.asked[string(m.ID)] = true
	close(c.asked)
	if c.mute {
		return ""
	}
	return answerTo(string(m.ID), m.Method, c.job.Nonce)
}

// answerTo is the program's answer to a question.
func answerTo(id, method, nonce string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":` + answerContent(method, nonce) + `}`
}

func answerContent(method, nonce string) string {
	text, _ := json.Marshal(nonce) // of a string
	if method == "sampling/createMessage" {
		return `{"model":"m","role":"assistant","content":{"type":"text","text":` + string(text) + `}}`
	}
	return `{"action":"accept","content":{"name":` + string(text) + `}}`
}

// await waits for something that must happen to a call.
func (l *ledger) await(c *call, what string, happens <-chan struct{}) bool {
	select {
	case <-happens:
		return true
	case <-time.After(patience):
		l.violate("no %s for %.200s within %s", what, c.line, patience)
		return false
	}
}
