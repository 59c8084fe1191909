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

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// TestToModernModel has a client and a server do things in any order.
func TestToModernModel(t *testing.T) {
	t.Parallel()
	playModels(t, func(t *testing.T, r *rand.Rand) {
		p := &modernPlayer{t: t, r: r, tr: NewToModern(ToModernConfig{})}
		p.m.asking = map[int]*modernModelCall{}
		p.client(`{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"capabilities":{"roots":{}}}}`)
		p.server(`{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"logging":{},"tools":{"listChanged":true},"resources":{"subscribe":true}}}}`)
		p.client(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		p.m.last = 1
		p.m.subs = []*modernModelSub{{}}
		p.m.listen(p.m.subs[0])
		for range 20 + r.IntN(200) {
			p.move()
		}
	})
}

// modernPlayer moves in the translator and in the model.
type modernPlayer struct {
	t   *testing.T
	r   *rand.Rand
	tr  *ToModern
	out Output
	m   modernModel
	log []string

	last   []byte // frame, which is gone when the next one comes
	serial int
}

func (p *modernPlayer) client(format string, args ...any) { p.give(p.tr.FromClient, format, args) }
func (p *modernPlayer) server(format string, args ...any) { p.give(p.tr.FromServer, format, args) }

func (p *modernPlayer) give(to func(time.Time, []byte, jsonrpc.Message, *Output), format string, args []any) {
	for i := range p.last {
		p.last[i] = '!'
	}
	p.last = fmt.Appendf(nil, format, args...)
	m, err := jsonrpc.Scan(p.last)
	if err != nil {
		p.t.Fatalf("%s: %v", p.last, err)
	}
	p.out.Reset()
	to(time.Unix(0, 0).Add(p.m.now), p.last, m, &p.out)
}

func (p *modernPlayer) move() {
	p.m.script = script{}
	p.out.Reset()
	moves := []func(){
		p.call, p.call, p.cancel, p.reply, p.reply, p.reply, p.setLevel, p.subscribe, p.unsubscribe,
		p.answer, p.answer, p.input, p.input, p.progress, p.logs, p.ack, p.ack, p.publish, p.ticks,
	}
	moves[p.r.IntN(len(moves))]()
	compare(p.t, p.log, p.m.script, p.came())
	if t := p.tr; len(t.byClient) == 0 && len(t.uris) == 0 && t.held+len(t.inputs)+len(t.calls)+len(t.tokens) > 0 {
		p.t.Fatalf("something is left: %+v", t)
	}
}

func (p *modernPlayer) say(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

func (p *modernPlayer) id() string {
	p.serial++
	return fmt.Sprintf(`"c%d"`, p.serial)
}

func (p *modernPlayer) call() {
	c := &modernModelCall{id: p.id(), asks: p.r.IntN(4) > 0, token: p.r.IntN(2) > 0}
	c.mark = "mark-" + c.id[2:len(c.id)-1]
	method, meta := "tools/call", ""
	if !c.asks {
		method = "completion/complete"
	}
	if c.token {
		meta = `,"_meta":{"progressToken":"` + c.mark + `"}`
	}
	p.say("call %s asks=%t token=%t", c.id, c.asks, c.token)
	p.m.call(c)
	p.client(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":{"name":"t","arguments":{"mark":%q}%s}}`, c.id, method, c.mark, meta)
}

func (p *modernPlayer) cancel() {
	id := fmt.Sprintf(`"c%d"`, 1+p.r.IntN(p.serial+1))
	p.say("cancel %s", id)
	p.m.cancel(id)
	p.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}`, id)
}

// reply is an answer to any question that there ever was.
func (p *modernPlayer) reply() {
	n, fail := 1+p.r.IntN(p.m.asks+1), p.r.IntN(8) == 0
	if open := slices.Sorted(maps.Keys(p.m.asking)); len(open) > 0 && p.r.IntN(4) > 0 {
		n, _ = oneOf(p.r, open)
	}
	p.say("reply %d fail=%t", n, fail)
	p.m.reply(n, fail)
	with := `"result":{"roots":[]}`
	if fail {
		with = `"error":{"code":-1,"message":"no"}`
	}
	p.client(`{"jsonrpc":"2.0","id":"bridge-%d",%s}`, n, with)
}

func (p *modernPlayer) setLevel() {
	id, level := p.id(), levels[p.r.IntN(3)]
	p.say("level %s %s", id, level)
	p.m.setLevel(id, level)
	p.client(`{"jsonrpc":"2.0","id":%s,"method":"logging/setLevel","params":{"level":%q}}`, id, level)
}

func (p *modernPlayer) uri() string { return fmt.Sprintf("a:%d", p.r.IntN(3)) }

func (p *modernPlayer) subscribe() {
	id, uri := p.id(), p.uri()
	p.say("subscribe %s %s", id, uri)
	p.m.subscribe(id, uri)
	p.client(`{"jsonrpc":"2.0","id":%s,"method":"resources/subscribe","params":{"uri":%q}}`, id, uri)
}

func (p *modernPlayer) unsubscribe() {
	id, uri := p.id(), p.uri()
	p.say("unsubscribe %s %s", id, uri)
	p.m.unsubscribe(id, uri)
	p.client(`{"jsonrpc":"2.0","id":%s,"method":"resources/unsubscribe","params":{"uri":%q}}`, id, uri)
}

// sid is an id that the server has seen, rather one that it has to answer.
func (p *modernPlayer) sid() int {
	var open []int
	for _, c := range p.m.calls {
		if c.sid > 0 {
			open = append(open, c.sid)
		}
	}
	if sid, ok := oneOf(p.r, open); ok && p.r.IntN(4) > 0 {
		return sid
	}
	return 2 + p.r.IntN(p.m.last-1)
}

func (p *modernPlayer) answer() {
	sid, fail := p.sid(), p.r.IntN(4) == 0
	mark := ""
	if c := p.m.find(sid); c != nil {
		mark = c.mark
	}
	p.say("answer %d fail=%t", sid, fail)
	p.m.answer(sid, fail)
	if fail {
		p.server(`{"jsonrpc":"2.0","id":%d,"error":{"code":-1,"message":"no"}}`, sid)
	} else {
		p.server(`{"jsonrpc":"2.0","id":%d,"result":{"resultType":"complete","mark":%q}}`, sid, mark)
	}
}

func (p *modernPlayer) input() {
	sid, n, state := p.sid(), p.r.IntN(4), ""
	if p.r.IntN(2) > 0 {
		state = fmt.Sprint("state ", p.serial)
	}
	requests := []string{}
	for i := range n {
		requests = append(requests, fmt.Sprintf(`"q%d":{"method":"roots/list"}`, i))
	}
	members := `"resultType":"input_required"`
	if n > 0 {
		members += `,"inputRequests":{` + strings.Join(requests, ",") + `}`
	}
	if state != "" {
		members += fmt.Sprintf(`,"requestState":%q`, state)
	}
	p.say("input %d %d %q", sid, n, state)
	p.m.input(sid, n, state)
	p.server(`{"jsonrpc":"2.0","id":%d,"result":{%s}}`, sid, members)
}

func (p *modernPlayer) progress() {
	mark := fmt.Sprintf("mark-%d", 1+p.r.IntN(p.serial+1))
	p.say("progress %s", mark)
	p.m.progress(mark)
	p.server(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q,"progress":1}}`, mark)
}

func (p *modernPlayer) logs() {
	level := levels[p.r.IntN(4)]
	p.say("log %s", level)
	p.m.log(level)
	p.server(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":%q,"data":1}}`, level)
}

// subID is the id of a subscription, open or not.
func (p *modernPlayer) subID() int {
	s, ok := oneOf(p.r, p.m.subs)
	if !ok || p.r.IntN(8) == 0 {
		return 2 + p.r.IntN(p.m.last-1)
	}
	return s.sid
}

func (p *modernPlayer) ack() {
	sid, granted := p.subID(), p.r.IntN(4) > 0
	uris := `"a:0","a:1","a:2"`
	if !granted {
		uris = ""
	}
	p.say("ack %d %t", sid, granted)
	p.m.ack(sid, granted)
	p.server(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%d},"notifications":{"resourceSubscriptions":[%s]}}}`, sid, uris)
}

func (p *modernPlayer) publish() {
	sid := p.subID()
	if p.r.IntN(2) > 0 {
		p.say("end %d", sid)
		if s := p.m.open(sid); s != nil {
			p.m.ended(s)
		}
		p.server(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, sid)
		return
	}
	p.say("publish %d", sid)
	p.m.published(sid)
	p.server(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%d},"uri":"%d"}}`, sid, sid)
}

func (p *modernPlayer) ticks() {
	d := []time.Duration{time.Millisecond, time.Second, 10 * time.Second, time.Minute}[p.r.IntN(4)]
	p.say("tick %v", d)
	p.m.tick(d)
	p.out.Reset()
	p.tr.Tick(time.Unix(0, 0).Add(p.m.now), &p.out)
}

// came is what came out, in the words of the model.
func (p *modernPlayer) came() (s script) {
	for _, frame := range p.out.ToServer {
		m := readMessage(p.t, frame)
		switch {
		case m.Method == "notifications/cancelled":
			s.toServer("cancel %s", m.Params.RequestID)
		case m.Method == "subscriptions/listen":
			s.toServer("listen %s %s", m.ID, strings.Join(m.Params.Notifications.URIs, " "))
		case m.Params.InputResponses != nil || m.Params.RequestState != "":
			s.toServer("retry with %d and %q %s %s level=%s", len(m.Params.InputResponses), m.Params.RequestState, m.ID, m.Params.Arguments.Mark, m.Params.Meta.Level)
		default:
			s.toServer("call %s %s level=%s", m.ID, m.Params.Arguments.Mark, m.Params.Meta.Level)
		}
	}
	for _, msg := range p.out.ToClient {
		switch m := readMessage(p.t, msg.Frame); {
		case m.Error != nil:
			s.toClient("error %s", m.ID)
		case m.Result != nil:
			s.toClient("answer %s %s", m.ID, m.Result.Mark)
		case m.Method == methodRoots:
			s.toClient("asks %s %s", msg.Related, strings.TrimPrefix(strings.Trim(string(m.ID), `"`), "bridge-"))
		case m.Method == "notifications/cancelled":
			s.toClient("withdraw %s", strings.TrimPrefix(strings.Trim(string(m.Params.RequestID), `"`), "bridge-"))
		case m.Method == "notifications/progress":
			s.toClient("progress %s %s", msg.Related, strings.Trim(string(m.Params.ProgressToken), `"`))
		case m.Method == "notifications/message":
			s.toClient("log %s", m.Params.Level)
		default:
			s.toClient("published %s", m.Params.URI)
		}
	}
	return s
}
