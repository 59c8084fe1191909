// SPDX-License-Identifier: Apache-2.0

package era

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

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
	level, meta := "", `"progressToken":"MARK"`
	if p.r.IntN(4) == 0 {
		level = levels[p.r.IntN(2)]
		meta += `,"io.modelcontextprotocol/logLevel":"` + level + `"`
	}
	p.m.retry(id, s.mark, s.round, true, level, given)
	p.g.request(id, "tools/call", s.mark, meta,
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
	var quoted []string
	for _, uri := range l.uris {
		quoted = append(quoted, fmt.Sprintf("%q", uri))
	}
	p.say("listen %s %t %v", l.id, l.tools, l.uris)
	p.m.listen(l)
	p.g.listen(l.id, fmt.Sprintf(`"toolsListChanged":%t,"resourceSubscriptions":[%s]`, l.tools, strings.Join(quoted, ",")))
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
