// SPDX-License-Identifier: Apache-2.0

package era

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
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
		if !c.unsent && !c.again {
			m.toServer("cancel %d", c.sid)
		}
		m.refuse(c)
		m.remove(c)
		return
	}
	m.toClient("asks %s %s", c.id, strings.Join(names, " "))
	c.id, c.level, c.token, c.gather, c.expires = "", "", false, 0, m.now+10*time.Minute
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
	for _, l := range m.listens {
		if !l.acked && l.until <= m.now {
			m.ack(l)
		}
	}
}

// TestToLegacyModel has two clients and one server do things in any order.
func TestToLegacyModel(t *testing.T) {
	t.Parallel()
	playModels(t, func(t *testing.T, r *rand.Rand) {
		p := &legacyPlayer{t: t, r: r, g: newLegacyGame(t, 0).start()}
		p.m.last = 1
		for range 20 + r.IntN(200) {
			p.move()
		}
		p.g.end()
	})
}

// legacyPlayer moves in the game and in the model.
type legacyPlayer struct {
	t      *testing.T
	r      *rand.Rand
	g      *legacyGame
	m      legacyModel
	log    []string
	serial int
	asks   int
	states []modelState
}

// modelState is a requestState that a client has.
type modelState struct {
	mark, state string
	round       int
	names       map[string]struct{ Method string }
}

func (p *legacyPlayer) move() {
	p.m.script = script{}
	p.g.out = Output{}
	move := p.moves()[p.r.IntN(len(p.moves()))]
	move()
	compare(p.t, p.log, p.m.script, p.came())
}

func (p *legacyPlayer) say(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

// id is a new one of either client.
func (p *legacyPlayer) id() string {
	p.serial++
	return fmt.Sprintf(`"%c%d"`, 'A'+p.r.IntN(2), p.serial)
}

func (p *legacyPlayer) moves() []func() {
	return []func(){
		p.call, p.call, p.retry, p.retry, p.retry, p.cancel, p.listen,
		p.answer, p.answer, p.answer, p.ask, p.ask, p.ask, p.withdraw, p.progress, p.logs, p.changes, p.ticks, p.ticks,
	}
}

func (p *legacyPlayer) call() {
	id := p.id()
	c := &modelCall{id: id, mark: p.g.mark(), asks: p.r.IntN(4) > 0, token: p.r.IntN(2) > 0}
	method, meta := "tools/call", []string{}
	if !c.asks {
		method = "completion/complete"
	}
	if c.token {
		meta = append(meta, `"progressToken":"MARK"`)
	}
	if p.r.IntN(4) == 0 {
		c.level = levels[p.r.IntN(2)]
		meta = append(meta, `"io.modelcontextprotocol/logLevel":"`+c.level+`"`)
	}
	p.say("call %s %s asks=%t level=%s", id, c.mark, c.asks, c.level)
	p.m.call(c)
	p.g.request(id, method, c.mark, strings.Join(meta, ","), `"name":"t","arguments":{"mark":"`+c.mark+`"}`)
}

func (p *legacyPlayer) retry() {
	s, ok := oneOf(p.r, p.states)
	if !ok {
		return
	}
	given := map[string]bool{}
	var responses []string
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		if p.r.IntN(4) > 0 {
			given[name] = true
			responses = append(responses, fmt.Sprintf("%q:%s", name, answerTo(s.names[name].Method)))
		}
	}
	id := p.id()
	p.say("retry %s %s round %d with %v", id, s.mark, s.round, given)
	p.m.retry(id, s.mark, s.round, true, "", given)
	p.g.request(id, "tools/call", s.mark, `"progressToken":"MARK"`,
		fmt.Sprintf(`"name":"t","arguments":{"mark":%q},"requestState":%q,"inputResponses":{%s}`, s.mark, s.state, strings.Join(responses, ",")))
}

func (p *legacyPlayer) cancel() {
	ids := slices.Concat(slices.Sorted(maps.Keys(p.g.flying)), slices.Sorted(maps.Keys(p.g.opened)))
	id, ok := oneOf(p.r, ids)
	if !ok {
		return
	}
	p.say("cancel %s", id)
	p.m.cancel(id)
	p.g.cancel(id)
}

func (p *legacyPlayer) listen() {
	l := &modelListen{id: p.id(), tools: p.r.IntN(2) > 0}
	for _, uri := range []string{"a:1", "a:2", "a:3"} {
		if p.r.IntN(2) > 0 {
			l.uris = append(l.uris, uri)
		}
	}
	filter := fmt.Sprintf(`"toolsListChanged":%t,"resourceSubscriptions":[`, l.tools)
	for i, uri := range l.uris {
		filter += strings.Repeat(",", min(i, 1)) + fmt.Sprintf("%q", uri)
	}
	p.say("listen %s %t %v", l.id, l.tools, l.uris)
	p.m.listen(l)
	p.g.listen(l.id, filter+"]")
}

// answer is one to anything that the server has ever seen, now and then twice,
// or after a cancellation.
func (p *legacyPlayer) answer() {
	sid, fail := 1+p.r.IntN(p.m.last), p.r.IntN(4) == 0
	if p.r.IntN(4) > 0 && len(p.g.pending) > 0 {
		pending, _ := oneOf(p.r, slices.Sorted(maps.Keys(p.g.pending)))
		_, _ = fmt.Sscan(pending, &sid)
	}
	if sid == 1 {
		return
	}
	key := fmt.Sprint(sid)
	with := fmt.Sprintf(`"result":{"mark":%q}`, p.g.seen[key])
	urls := 0
	switch {
	case fail && p.r.IntN(2) > 0:
		urls = 1 + p.r.IntN(2)
		list := strings.Join(slices.Repeat([]string{`{"mode":"url"}`}, urls), ",")
		with = `"error":{"code":-32042,"message":"no","data":{"elicitations":[` + list + `]}}`
	case fail:
		with = `"error":{"code":-1,"message":"no"}`
	}
	p.say("answer %d fail=%t urls=%d", sid, fail, urls)
	p.m.answer(sid, fail, urls)
	delete(p.g.pending, key)
	p.g.server(`{"jsonrpc":"2.0","id":` + key + `,` + with + `}`)
}

func (p *legacyPlayer) ask() {
	p.asks++
	q := modelQuestion{id: p.asks, kind: "roots"}
	method := methodRoots
	if p.r.IntN(2) > 0 {
		q.kind, method = "elicitation", methodElicit
	}
	p.say("ask %d %s", q.id, q.kind)
	p.g.asked[fmt.Sprint(q.id)] = true
	p.m.question(q)
	p.g.server(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q}`, q.id, method))
}

func (p *legacyPlayer) withdraw() {
	if p.asks == 0 {
		return
	}
	id := 1 + p.r.IntN(p.asks)
	p.say("withdraw %d", id)
	p.m.withdraw(id)
	p.g.server(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, id))
}

func (p *legacyPlayer) progress() {
	sid := 1 + p.r.IntN(p.m.last)
	p.say("progress %d", sid)
	p.m.progress(sid)
	p.g.server(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%d,"progress":1}}`, sid))
}

func (p *legacyPlayer) logs() {
	p.say("log")
	p.m.log()
	p.g.server(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}`)
}

func (p *legacyPlayer) changes() {
	if p.r.IntN(2) > 0 {
		p.say("tools changed")
		p.m.changed("")
		p.g.server(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		return
	}
	uri := fmt.Sprintf("a:%d", 1+p.r.IntN(3))
	p.say("updated %s", uri)
	p.m.changed(uri)
	p.g.server(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":%q}}`, uri))
}

func (p *legacyPlayer) ticks() {
	d := []time.Duration{time.Millisecond, 24 * time.Millisecond, 25 * time.Millisecond, time.Second, 9 * time.Minute}[p.r.IntN(5)]
	p.say("tick %v", d)
	p.m.tick(d)
	p.g.tick(d)
}

// came is what came out, in the words of the model.
func (p *legacyPlayer) came() (s script) {
	for _, frame := range p.g.out.ToServer {
		switch m := readMessage(p.t, frame); {
		case m.Method == "" && m.Error != nil:
			s.toServer("refuse %s", m.ID)
		case m.Method == "":
			s.toServer("answer %s", m.ID)
		case m.Method == "notifications/cancelled":
			s.toServer("cancel %s", m.Params.RequestID)
		case m.Params.Arguments.Mark != "":
			s.toServer("call %s %s", m.ID, m.Params.Arguments.Mark)
		case m.Method == "logging/setLevel":
			s.toServer("level %s %s", m.ID, m.Params.Level)
		default:
			s.toServer("%s %s %s", strings.TrimPrefix(m.Method, "resources/"), m.ID, m.Params.URI)
		}
	}
	for _, msg := range p.g.out.ToClient {
		switch m := readMessage(p.t, msg.Frame); {
		case m.Error != nil:
			s.toClient("error %s", m.ID)
		case m.Result != nil && m.Result.RequestState != "":
			s.toClient("asks %s %s", m.ID, strings.Join(slices.Sorted(maps.Keys(m.Result.InputRequests)), " "))
			p.keep(m)
		case m.Result != nil:
			s.toClient("answer %s %s", m.ID, m.Result.Mark)
		case m.Method == "notifications/subscriptions/acknowledged":
			s.toClient("ack %s %t %s", msg.Related, m.Params.Notifications.Tools, strings.Join(m.Params.Notifications.URIs, " "))
		case m.Method == "notifications/tools/list_changed":
			s.toClient("changed %s", msg.Related)
		case m.Method == "notifications/resources/updated":
			s.toClient("updated %s %s", msg.Related, m.Params.URI)
		case m.Method == "notifications/progress":
			s.toClient("progress %s %s", msg.Related, strings.Trim(string(m.Params.ProgressToken), `"`))
		default:
			s.toClient("log %s", msg.Related)
		}
	}
	return s
}

// keep notes a requestState, with the mark of the call that it is for.
func (p *legacyPlayer) keep(m message) {
	ticket, err := p.g.tr.cfg.Sealer.Open("", m.Result.RequestState, p.g.now)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range p.m.calls {
		if uint64(c.sid) == ticket.Call {
			p.states = append(p.states, modelState{c.mark, m.Result.RequestState, c.round, m.Result.InputRequests})
		}
	}
}
