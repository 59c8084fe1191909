// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// maxQuestions bounds the questions of the server that are remembered. One that
// is not is taken to be of the current session.
const maxQuestions = 1000

// questionTable remembers in which session the server has asked what the client
// has not answered yet. Servers count their ids anew in each session, so an
// answer that comes late could be taken for one to another question: it is kept
// back, and a question whose id the client still knows from before gets another
// one. It is safe for concurrent use.
type questionTable struct {
	mu      sync.Mutex
	open    map[string]asked // mu guards it and the rest; by key of the id that the client sees
	renamed int              // counts ids
}

// asked is a question.
type asked struct {
	shown      []byte // raw id that the client sees
	id         []byte // raw id that the server knows
	generation int    // of the session
	withdrawn  bool   // the client was told that nobody waits for the answer
}

// ask returns a question of a session as the client is to see it.
func (t *questionTable) ask(m message, generation int) message {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := jsonrpc.Key(m.id())
	known, taken := t.open[key]
	if generation == 0 {
		return m
	}
	q := asked{shown: bytes.Clone(m.id()), generation: generation}
	q.id = q.shown
	if taken && known.generation != generation {
		t.renamed++
		q.shown = []byte(`"shclient-question-` + strconv.Itoa(t.renamed) + `"`)
		key = jsonrpc.Key(q.shown)
		m, _ = scan(jsonrpc.AppendSplice(nil, m.frame, jsonrpc.Edit{Span: m.ID, With: q.shown})) // as well-formed as before
	}
	t.remember(key, q)
	return m
}

// remember makes room for a question. mu is held.
func (t *questionTable) remember(key string, q asked) {
	if t.open == nil {
		t.open = make(map[string]asked)
	}
	for old := range t.open {
		if len(t.open) < maxQuestions {
			break
		}
		delete(t.open, old)
	}
	t.open[key] = q
}

// answer returns an answer of the client as the server is to see it. It reports
// false if the question was not asked in the session.
func (t *questionTable) answer(m message, generation int) (message, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := jsonrpc.Key(m.id())
	q, ok := t.open[key]
	delete(t.open, key)
	if !ok {
		return m, true
	}
	if !bytes.Equal(q.id, q.shown) {
		m, _ = scan(m.withID(q.id)) // as well-formed as before
	}
	return m, q.generation == generation
}

// cancel returns a notifications/cancelled of a session as the client is to see
// it.
func (t *questionTable) cancel(m message, generation int) message {
	span, ok := jsonrpc.Lookup(m.frame, m.Params, "requestId")
	if !ok {
		return m
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := jsonrpc.Key(span.Of(m.frame))
	for _, q := range t.open {
		if q.generation == generation && !bytes.Equal(q.id, q.shown) && jsonrpc.Key(q.id) == key {
			m, _ = scan(jsonrpc.AppendSplice(nil, m.frame, jsonrpc.Edit{Span: span, With: q.shown}))
			break
		}
	}
	return m
}

// withdraw returns messages that tell the client which questions are those of
// sessions before the given one. Each is told once.
func (t *questionTable) withdraw(generation int) []message {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []message
	for key, q := range t.open {
		if q.generation >= generation || q.withdrawn {
			continue
		}
		q.withdrawn = true
		t.open[key] = q
		m, _ := scan([]byte(`{"jsonrpc":"2.0","method":"` + methodCancelled + `","params":{"requestId":` +
			string(q.shown) + `,"reason":"the server has forgotten the session in which it asked"}}`))
		all = append(all, m)
	}
	return all
}
