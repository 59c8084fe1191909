// SPDX-License-Identifier: Apache-2.0

package era

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// modernModel says what has to come of what a legacy client and a modern
// server do. It knows nothing of frames.
type modernModel struct {
	script
	now    time.Duration
	last   int // id that the server has seen
	asks   int // questions that the client has seen
	level  string
	calls  []*modernModelCall
	subs   []*modernModelSub
	asking map[int]*modernModelCall // by the number of the question
}

type modernModelCall struct {
	mark  string
	id    string
	sid   int // the id that the server sees; 0 while it has not to answer
	asks  bool
	token bool
	level string // that it came with; a retry says the same

	open    []int // numbers of questions without an answer
	answers int   // of them
	state   string
	rounds  int
}

// modernModelSub is a subscription to a resource, or to the list of tools,
// whose URI is empty.
type modernModelSub struct {
	uri     string
	sid     int
	waiting []string // ids of the requests that subscribe
	acked   bool
	heard   bool
	opened  time.Duration
	tries   int
	again   time.Duration // 0 while it is open
}

func (m *modernModel) next() int { m.last++; return m.last }

func (m *modernModel) call(c *modernModelCall) {
	m.calls = append(m.calls, c)
	c.level = m.level
	m.send(c, "call")
}

func (m *modernModel) send(c *modernModelCall, how string) {
	c.sid = m.next()
	m.toServer("%s %d %s level=%s", how, c.sid, c.mark, c.level)
}

func (m *modernModel) find(sid int) *modernModelCall {
	for _, c := range m.calls {
		if c.sid == sid && sid > 0 {
			return c
		}
	}
	return nil
}

func (m *modernModel) forget(c *modernModelCall) {
	m.calls = slices.DeleteFunc(m.calls, func(o *modernModelCall) bool { return o == c })
}

func (m *modernModel) answer(sid int, fail bool) {
	if s := m.open(sid); s != nil {
		m.ended(s)
		return
	}
	c := m.find(sid)
	switch {
	case c == nil:
	case fail:
		m.toClient("error %s", c.id)
		m.forget(c)
	default:
		m.toClient("answer %s %s", c.id, c.mark)
		m.forget(c)
	}
}

// input is the server's answer that it needs n answers.
func (m *modernModel) input(sid, n int, state string) {
	if s := m.open(sid); s != nil {
		m.ended(s)
		return
	}
	c := m.find(sid)
	if c == nil {
		return
	}
	c.sid = 0
	if c.rounds++; c.rounds > mostRounds || !c.asks || n == 0 && state == "" {
		m.toClient("error %s", c.id)
		m.forget(c)
		return
	}
	c.state, c.answers = state, n
	for range n {
		m.asks++
		m.asking[m.asks] = c
		c.open = append(c.open, m.asks)
		m.toClient("asks %s %d", c.id, m.asks)
	}
	if n == 0 {
		m.retry(c)
	}
}

func (m *modernModel) retry(c *modernModelCall) {
	m.send(c, fmt.Sprintf("retry with %d and %q", c.answers, c.state))
}

// reply is the client's answer to a question.
func (m *modernModel) reply(n int, fail bool) {
	c := m.asking[n]
	if c == nil {
		return
	}
	delete(m.asking, n)
	c.open = slices.DeleteFunc(c.open, func(o int) bool { return o == n })
	switch {
	case fail: // of roots, which all questions are for
		m.withdraw(c)
		m.toClient("error %s", c.id)
		m.forget(c)
	case len(c.open) == 0:
		m.retry(c)
	}
}

func (m *modernModel) withdraw(c *modernModelCall) {
	for _, n := range c.open {
		delete(m.asking, n)
		m.toClient("withdraw %d", n)
	}
}

func (m *modernModel) cancel(id string) {
	for _, c := range m.calls {
		if c.id == id {
			if c.sid > 0 {
				m.toServer("cancel %d", c.sid)
			}
			m.withdraw(c)
			m.forget(c)
			return
		}
	}
	for _, s := range m.subs {
		if i := slices.Index(s.waiting, id); i >= 0 {
			s.waiting = slices.Delete(s.waiting, i, i+1)
			if len(s.waiting) == 0 {
				m.leave(s)
			}
			return
		}
	}
}

func (m *modernModel) progress(mark string) {
	for _, c := range m.calls {
		if c.mark == mark && c.token {
			m.toClient("progress %s %s", c.id, mark)
		}
	}
}

func (m *modernModel) log(level string) {
	if m.level != "" && severity(level) >= severity(m.level) {
		m.toClient("log %s", level)
	}
}

func (m *modernModel) setLevel(id, level string) {
	m.level = level
	m.toClient("answer %s ", id)
}

// open is the subscription with the id that the server sees, while it is open.
func (m *modernModel) open(sid int) *modernModelSub {
	for _, s := range m.subs {
		if s.sid == sid && s.again == 0 {
			return s
		}
	}
	return nil
}

func (m *modernModel) listen(s *modernModelSub) {
	s.sid, s.opened, s.heard, s.again = m.next(), m.now, false, 0
	m.toServer("listen %d %s", s.sid, s.uri)
}

func (m *modernModel) sub(uri string) *modernModelSub {
	for _, s := range m.subs {
		if s.uri == uri {
			return s
		}
	}
	return nil
}

func (m *modernModel) subscribe(id, uri string) {
	s := m.sub(uri)
	switch {
	case s != nil && s.acked:
		m.toClient("answer %s ", id)
		return
	case s == nil:
		s = &modernModelSub{uri: uri}
		m.subs = append(m.subs, s)
		m.listen(s)
	}
	s.waiting = append(s.waiting, id)
}

func (m *modernModel) unsubscribe(id, uri string) {
	if s := m.sub(uri); s != nil {
		m.refuse(s)
		m.leave(s)
	}
	m.toClient("answer %s ", id)
}

func (m *modernModel) refuse(s *modernModelSub) {
	for _, id := range s.waiting {
		m.toClient("error %s", id)
	}
	s.waiting = nil
}

func (m *modernModel) leave(s *modernModelSub) {
	if s.again == 0 {
		m.toServer("cancel %d", s.sid)
	}
	m.lose(s)
}

func (m *modernModel) lose(s *modernModelSub) {
	m.subs = slices.DeleteFunc(m.subs, func(o *modernModelSub) bool { return o == s })
}

func (m *modernModel) ack(sid int, granted bool) {
	s := m.open(sid)
	switch {
	case s == nil:
	case s.uri == "" || granted:
		s.acked = true
		for _, id := range s.waiting {
			m.toClient("answer %s ", id)
		}
		s.waiting = nil
	default:
		m.refuse(s)
		m.leave(s)
	}
}

func (m *modernModel) published(sid int) {
	if s := m.open(sid); s != nil {
		s.heard = true
		m.toClient("published %d", sid)
	}
}

func (m *modernModel) ended(s *modernModelSub) {
	m.refuse(s)
	if s.uri != "" && !s.acked {
		m.lose(s)
		return
	}
	if s.heard || m.now-s.opened >= longLife {
		s.tries = 0
	}
	if s.tries == mostTries {
		m.lose(s)
		return
	}
	s.again = m.now + firstPause<<s.tries
	s.tries++
}

func (m *modernModel) tick(d time.Duration) {
	m.now += d
	paused := slices.SortedFunc(slices.Values(m.subs), func(a, b *modernModelSub) int { return cmp.Compare(a.sid, b.sid) })
	for _, s := range paused {
		if s.again > 0 && s.again <= m.now {
			m.listen(s)
		}
	}
}
