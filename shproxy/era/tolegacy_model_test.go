// SPDX-License-Identifier: Apache-2.0

package era

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// legacyModel says what has to come of what two modern clients and one legacy
// server do. It knows nothing of frames.
type legacyModel struct {
	script
	now     time.Duration
	last    int // id that the server has seen
	level   string
	calls   []*modelCall // in the order in which they came
	orphans []modelQuestion
	listens []*modelListen
	watched []*modelWatch
}

type modelCall struct {
	mark  string
	sid   int    // the id that the server sees
	id    string // of the client's request, or empty
	asks  bool   // it may be asked
	token bool
	level string

	open           []modelQuestion
	named, round   int
	since, gather  time.Duration // gather is 0 while nothing is gathered
	expires        time.Duration // 0 while it is not parked
	unsent         bool
	answered, fail bool // while it was parked
	urls           int  // that have to be visited first, says the answer
	again          bool // the call is made again after that
}

type modelQuestion struct {
	id   int // the server's; 0 is a URL, for whose answer it does not wait
	kind string
	name string
}

type modelListen struct {
	id    string
	tools bool
	uris  []string
	waits int // for answers to resources/subscribe
	until time.Duration
	acked bool
}

type modelWatch struct {
	uri string
	by  []*modelListen
	key int // of the subscribe that is not answered
}

func (m *legacyModel) next() int { m.last++; return m.last }

func (m *legacyModel) call(c *modelCall) {
	c.sid = m.next()
	m.calls = append(m.calls, c)
	m.setLevel(c)
	if c.asks && len(m.orphans) > 0 {
		c.unsent = true
		for _, q := range m.orphans {
			c.ask(q)
		}
		m.orphans = nil
		m.park(c)
		return
	}
	m.toServer("call %d %s", c.sid, c.mark)
}

func (m *legacyModel) setLevel(c *modelCall) {
	if c.level != "" && c.level != m.level {
		m.level = c.level
		m.toServer("level %d %s", m.next(), c.level)
	}
}

func (c *modelCall) ask(q modelQuestion) {
	if q.name == "" {
		c.named++
		q.name = fmt.Sprintf("%s-%d", q.kind, c.named)
	}
	c.open = append(c.open, q)
}

func (m *legacyModel) park(c *modelCall) {
	var names []string
	for _, q := range c.open {
		names = append(names, q.name)
	}
	slices.Sort(names)
	if c.round++; c.round > maxRounds {
		m.toClient("error %s", c.id)
		m.giveUp(c)
		return
	}
	m.toClient("asks %s %s", c.id, strings.Join(names, " "))
	c.id, c.level, c.token, c.gather, c.expires = "", "", false, 0, m.now+10*time.Minute
}

func (m *legacyModel) giveUp(c *modelCall) {
	if !c.answered && !c.unsent && !c.again {
		m.toServer("cancel %d", c.sid)
	}
	if c.unsent {
		m.orphans = slices.Concat(c.open, m.orphans)
		for i := range m.orphans {
			m.orphans[i].name = ""
		}
	} else {
		m.refuse(c)
	}
	m.remove(c)
}

func (m *legacyModel) remove(c *modelCall) {
	m.calls = slices.DeleteFunc(m.calls, func(o *modelCall) bool { return o == c })
}

func (m *legacyModel) refuse(c *modelCall) {
	for _, q := range c.open {
		if q.id > 0 {
			m.toServer("refuse %d", q.id)
		}
	}
	c.open = nil
}

func (m *legacyModel) question(q modelQuestion) {
	var can []*modelCall
	for _, c := range m.calls {
		if c.asks && !c.unsent && !c.answered && !c.again {
			can = append(can, c)
		}
	}
	switch {
	case len(can) > 1, len(can) == 0 && q.kind != "roots":
		m.toServer("refuse %d", q.id)
	case len(can) == 0:
		m.orphans = append(m.orphans, q)
	default:
		c := can[0]
		c.ask(q)
		if c.id == "" {
			return
		}
		if c.gather == 0 {
			c.since = m.now
		}
		c.gather = min(m.now+25*time.Millisecond, c.since+200*time.Millisecond)
	}
}

func (m *legacyModel) withdraw(id int) {
	is := func(q modelQuestion) bool { return q.id == id }
	m.orphans = slices.DeleteFunc(m.orphans, is)
	for _, c := range m.calls {
		c.open = slices.DeleteFunc(c.open, is)
	}
}

// answer is a result, an error, or one that says that URLs have to be visited.
func (m *legacyModel) answer(sid int, fail bool, urls int) {
	for _, w := range m.watched {
		if w.key == sid {
			m.subscribed(w, fail)
			return
		}
	}
	for _, c := range m.calls {
		switch {
		case c.sid != sid, c.unsent, c.answered, c.again: // what is this?
		case c.id == "":
			m.refuse(c)
			c.answered, c.fail, c.urls = true, fail, urls
		default:
			m.refuse(c)
			m.finish(c, fail, urls)
			return
		}
	}
}

func (m *legacyModel) finish(c *modelCall, fail bool, urls int) {
	switch {
	case urls > 0 && c.asks:
		for range urls {
			c.ask(modelQuestion{kind: "elicitation"})
		}
		c.again, c.answered = true, false
		m.park(c)
		return
	case fail:
		m.toClient("error %s", c.id)
	default:
		m.toClient("answer %s %s", c.id, c.mark)
	}
	m.remove(c)
}

// retry is the request of a client that has answers to some questions.
func (m *legacyModel) retry(id, mark string, round int, token bool, level string, names map[string]bool) {
	i := slices.IndexFunc(m.calls, func(c *modelCall) bool { return c.mark == mark && c.expires > 0 && c.round == round })
	if i < 0 {
		m.toClient("error %s", id)
		return
	}
	c := m.calls[i]
	c.id, c.token, c.level, c.expires = id, token, level, 0
	m.setLevel(c)
	c.open = slices.DeleteFunc(c.open, func(q modelQuestion) bool {
		if names[q.name] && q.id > 0 {
			m.toServer("answer %d", q.id)
		}
		return names[q.name]
	})
	switch {
	case c.answered:
		m.finish(c, c.fail, c.urls)
	case len(c.open) > 0:
		m.park(c)
	case c.again:
		c.again, c.sid = false, m.next()
		m.toServer("call %d %s", c.sid, c.mark)
	case c.unsent:
		c.unsent = false
		m.toServer("call %d %s", c.sid, c.mark)
	}
}

func (m *legacyModel) cancel(id string) {
	for _, c := range m.calls {
		if c.id == id {
			m.toServer("cancel %d", c.sid)
			m.refuse(c)
			m.remove(c)
			return
		}
	}
	for i, l := range m.listens {
		if l.id == id {
			m.listens = slices.Delete(m.listens, i, i+1)
			for _, uri := range l.uris {
				m.leave(l, uri)
			}
			return
		}
	}
}

func (m *legacyModel) leave(l *modelListen, uri string) {
	i := slices.IndexFunc(m.watched, func(w *modelWatch) bool { return w.uri == uri })
	w := m.watched[i]
	w.by = slices.DeleteFunc(w.by, func(o *modelListen) bool { return o == l })
	if len(w.by) == 0 {
		m.watched = slices.Delete(m.watched, i, i+1)
		m.toServer("unsubscribe %d %s", m.next(), uri)
	}
}

func (m *legacyModel) listen(l *modelListen) {
	m.listens = append(m.listens, l)
	l.until = m.now + patience
	for _, uri := range l.uris {
		i := slices.IndexFunc(m.watched, func(w *modelWatch) bool { return w.uri == uri })
		if i < 0 {
			i = len(m.watched)
			m.watched = append(m.watched, &modelWatch{uri: uri, key: m.next()})
			m.toServer("subscribe %d %s", m.last, uri)
		}
		w := m.watched[i]
		w.by = append(w.by, l)
		if w.key > 0 {
			l.waits++
		}
	}
	if l.waits == 0 {
		m.ack(l)
	}
}

func (m *legacyModel) ack(l *modelListen) {
	l.acked = true
	m.toClient("ack %s %t %s", l.id, l.tools, strings.Join(l.uris, " "))
}

func (m *legacyModel) subscribed(w *modelWatch, fail bool) {
	w.key = 0
	if fail {
		m.watched = slices.DeleteFunc(m.watched, func(o *modelWatch) bool { return o == w })
	}
	for _, l := range w.by {
		if fail {
			l.uris = slices.DeleteFunc(l.uris, func(uri string) bool { return uri == w.uri })
		}
		if l.waits--; l.waits == 0 && !l.acked {
			m.ack(l)
		}
	}
}

func (m *legacyModel) changed(uri string) {
	for _, l := range m.listens {
		switch {
		case !l.acked:
		case uri == "" && l.tools:
			m.toClient("changed %s", l.id)
		case uri != "" && slices.Contains(l.uris, uri):
			m.toClient("updated %s %s", l.id, uri)
		}
	}
}

func (m *legacyModel) progress(sid int) {
	for _, c := range m.calls {
		if c.sid == sid && c.id != "" && c.token {
			m.toClient("progress %s %s", c.id, c.mark)
		}
	}
}

func (m *legacyModel) log() {
	if len(m.calls) != 1 || m.calls[0].id == "" { // a parked one may be at work, too
		return
	}
	if c := m.calls[0]; c.level != "" {
		m.toClient("log %s", c.id)
	}
}

func (m *legacyModel) tick(d time.Duration) {
	m.now += d
	calls := slices.SortedFunc(slices.Values(m.calls), func(a, b *modelCall) int { return cmp.Compare(a.sid, b.sid) })
	for _, c := range calls {
		if c.gather > 0 && c.gather <= m.now {
			c.gather = 0
			if len(c.open) > 0 {
				m.park(c)
			}
		}
	}
	for _, c := range calls {
		if c.expires == 0 || c.expires > m.now {
			continue
		}
		m.giveUp(c)
	}
	for _, l := range m.listens {
		if !l.acked && l.until <= m.now {
			m.ack(l)
		}
	}
}
