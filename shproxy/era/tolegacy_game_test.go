// SPDX-License-Identifier: Apache-2.0

package era

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const (
	allCapabilities = `{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}`
	modernMembers   = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":` + allCapabilities
	legacyHello     = `{"protocolVersion":"2025-11-25","capabilities":{"logging":{},"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}},"serverInfo":{"name":"s","version":"1"}}`
)

// message is a frame as the games read it.
type message struct {
	ID     json.RawMessage
	Method string
	Params struct {
		Name          string
		URI           string
		Level         string
		ProgressToken json.RawMessage
		RequestID     json.RawMessage
		Arguments     struct{ Mark string }
		Notifications struct {
			Tools bool     `json:"toolsListChanged"`
			URIs  []string `json:"resourceSubscriptions"`
		}
		RequestState   string
		InputResponses map[string]json.RawMessage
		Meta           struct {
			ProgressToken  json.RawMessage
			Level          string          `json:"io.modelcontextprotocol/logLevel"`
			SubscriptionID json.RawMessage `json:"io.modelcontextprotocol/subscriptionId"`
		} `json:"_meta"`
	}
	Result *struct {
		ResultType    string
		RequestState  string
		InputRequests map[string]struct{ Method string }
		Mark          string
	}
	Error *struct{ Code int }
}

func readMessage(t testing.TB, frame []byte) (m message) {
	t.Helper()
	if _, err := jsonrpc.Scan(frame); err != nil {
		t.Fatalf("%.500s: %v", frame, err)
	}
	_ = json.Unmarshal(frame, &m) // members that are of another type are nothing to the games
	return m
}

// legacyGame is the client and the server of a ToLegacy, and watches over what
// it says. Calls carry marks, which the server's answers have to bring back to
// the same client request; see mark.
type legacyGame struct {
	t   testing.TB
	tr  *ToLegacy
	now time.Time

	last []byte // frame, which is gone when the next one comes
	out  Output // of the last move

	// What the client knows.
	flying  map[string]string // mark of each request in flight, by raw id
	opened  map[string]bool   // subscriptions; whether they are acknowledged
	states  []gameState       // requestStates that it has not used, oldest first
	spent   []gameState       // and those that it has
	marks   int
	renamed int // ids that were in use
	answers int

	// What the server knows.
	pending map[string]string // mark of what it has to answer, by raw id
	seen    map[string]string // marks of all that it ever had to, by raw id
	asked   map[string]bool   // questions without an answer; false if they are withdrawn
	asks    int
}

// gameState is a call that waits for its client.
type gameState struct {
	mark, state string
	questions   map[string]struct{ Method string }
}

func newLegacyGame(t testing.TB, maxHeld int) *legacyGame {
	return &legacyGame{
		t: t, now: time.Unix(0, 0),
		tr: NewToLegacy(ToLegacyConfig{
			Profile: Profile{Capabilities: []byte(allCapabilities)}, Process: "p", MaxHeld: maxHeld,
		}),
		flying: map[string]string{}, opened: map[string]bool{},
		pending: map[string]string{}, seen: map[string]string{}, asked: map[string]bool{},
	}
}

// start has the server initialized.
func (g *legacyGame) start() *legacyGame {
	g.call("0", "server/discover", "", "")
	g.server(`{"jsonrpc":"2.0","id":1,"result":` + legacyHello + `}`)
	return g
}

// mark is a text that only one call has.
func (g *legacyGame) mark() string {
	g.marks++
	return "mark-" + strconv.Itoa(g.marks)
}

// call says a request with a mark, unless that is in params. meta and params
// are members.
func (g *legacyGame) call(id, method, meta, params string) {
	mark := g.mark()
	if params == "" {
		params = `"name":"t","arguments":{"mark":"` + mark + `"}`
	}
	g.request(id, method, mark, meta, params)
}

// request says a request of the client.
func (g *legacyGame) request(id, method, mark, meta, params string) {
	if g.uses(id) {
		g.renamed++
		id = fmt.Sprintf("%q", mark+"/"+strconv.Itoa(g.renamed))
	}
	if meta != "" {
		meta = "," + meta
	}
	if method == "subscriptions/listen" {
		g.opened[id] = false
	} else {
		g.flying[id] = mark
	}
	g.client(`{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + `,"_meta":{` + modernMembers + strings.ReplaceAll(meta, "MARK", mark) + `}}}`)
}

// uses reports whether a request with the id is in flight.
func (g *legacyGame) uses(id string) bool {
	_, flying := g.flying[id]
	_, opened := g.opened[id]
	return flying || opened
}

// listen opens a subscription.
func (g *legacyGame) listen(id, filter string) {
	g.request(id, "subscriptions/listen", g.mark(), "", `"notifications":{`+filter+`}`)
}

// cancel gives up whatever has the id.
func (g *legacyGame) cancel(id string) {
	g.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`)
	delete(g.flying, id)
	delete(g.opened, id)
}

// retry takes a state up with answers to as many of its questions as it says.
func (g *legacyGame) retry(s gameState, id string, answers int) {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.questions)) {
		if len(list) < answers {
			list = append(list, fmt.Sprintf("%q:%s", name, answerTo(s.questions[name].Method)))
		}
	}
	g.request(id, "tools/call", s.mark, `"progressToken":"MARK"`,
		fmt.Sprintf(`"name":"t","arguments":{"mark":%q},"requestState":%q,"inputResponses":{%s}`, s.mark, s.state, strings.Join(list, ",")))
}

func answerTo(method string) string {
	switch method {
	case methodElicit:
		return `{"action":"accept"}`
	case methodSampling:
		return `{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}`
	}
	return `{"roots":[]}`
}

// ask has the server ask something; params has a comma in front.
func (g *legacyGame) ask(method, params string) {
	g.asks++
	id := strconv.Itoa(g.asks)
	if g.asks%2 == 0 {
		id = `"the server's ` + id + `"` // is no name
	}
	g.asked[id] = true
	g.server(`{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `"` + params + `}`)
}

// withdraw has the server give up its nth question.
func (g *legacyGame) withdraw(n int) {
	open := slices.Sorted(maps.Keys(g.asked))
	if len(open) > 0 {
		id := open[n%len(open)]
		g.asked[id] = false
		g.server(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`)
	}
}

// answer has the server answer its nth request; with is a result or an error.
func (g *legacyGame) answer(n int, with string) {
	if len(g.pending) == 0 {
		return
	}
	ids := slices.Sorted(maps.Keys(g.pending))
	id := ids[n%len(ids)]
	if id == "1" && strings.Contains(with, "result") {
		with = `"result":` + legacyHello
	}
	g.server(`{"jsonrpc":"2.0","id":` + id + `,` + strings.ReplaceAll(with, "MARK", g.pending[id]) + `}`)
	delete(g.pending, id)
}

func (g *legacyGame) client(text string) { g.play(text, g.tr.FromClient) }
func (g *legacyGame) server(text string) { g.play(text, g.tr.FromServer) }

// play gives the translator a frame.
func (g *legacyGame) play(text string, give func(time.Time, []byte, jsonrpc.Message, *Output)) {
	frame := []byte(text)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		g.t.Fatalf("%s: %v", text, err)
	}
	g.out = Output{}
	give(g.now, frame, m, &g.out)
	g.check(&g.out)
	for i := range g.last {
		g.last[i] = '!'
	}
	g.last = frame
}

func (g *legacyGame) tick(d time.Duration) {
	g.now = g.now.Add(d)
	g.out = Output{}
	g.tr.Tick(g.now, &g.out)
	g.check(&g.out)
	if due := g.tr.Due(); !due.IsZero() && !due.After(g.now) {
		g.t.Fatal("what is due is not done")
	}
}

func (g *legacyGame) check(out *Output) {
	for _, frame := range out.ToServer {
		g.reachedServer(frame)
	}
	for _, msg := range out.ToClient {
		checkScanned(g.t, msg)
		g.reachedClient(msg)
	}
	g.checkTables()
}

func (g *legacyGame) reachedServer(frame []byte) {
	m := readMessage(g.t, frame)
	id := string(m.ID)
	switch {
	case m.Method == "notifications/cancelled":
		delete(g.pending, string(m.Params.RequestID))
	case m.Method == "":
		if open, known := g.asked[id]; !known || !open {
			g.t.Fatalf("an answer to no question: %s", frame)
		}
		delete(g.asked, id)
	case id != "":
		if _, known := g.seen[id]; known {
			g.t.Fatalf("the server has seen this id before: %s", frame)
		}
		if token := string(m.Params.Meta.ProgressToken); token != "" && token != "null" && token != id {
			g.t.Fatalf("a token of the client's: %s", frame)
		}
		g.seen[id], g.pending[id] = m.Params.Arguments.Mark, m.Params.Arguments.Mark
	}
	if strings.Contains(string(frame), "io.modelcontextprotocol/") || strings.Contains(string(frame), statePrefix) {
		g.t.Fatalf("says what only modern servers know: %s", frame)
	}
}

func (g *legacyGame) reachedClient(msg Message) {
	m := readMessage(g.t, msg.Frame)
	id, related := string(m.ID), string(msg.Related)
	_, called := g.flying[related]
	acknowledged, listens := g.opened[related]
	switch {
	case strings.Contains(string(msg.Frame), "the server's"):
		g.t.Fatalf("an id of the server's: %s", msg.Frame)
	case related != "" && !called && !listens:
		g.t.Fatalf("related to no request in flight: %s %s", related, msg.Frame)
	case m.Method == "":
		g.answered(id, m, msg.Frame)
	case id != "":
		g.t.Fatalf("a request: %s", msg.Frame)
	case m.Method == "notifications/progress":
		if token := strings.Trim(string(m.Params.ProgressToken), `"`); token != g.flying[related] {
			g.t.Fatalf("progress of another call: %s %s", related, msg.Frame)
		}
	case m.Params.Meta.SubscriptionID != nil:
		first := m.Method == "notifications/subscriptions/acknowledged"
		if related != string(m.Params.Meta.SubscriptionID) || !listens || first == acknowledged {
			g.t.Fatalf("comes too early, too late, or to another: %s", msg.Frame)
		}
		g.opened[related] = true
	}
}

// answered takes the answer to a request of the client.
func (g *legacyGame) answered(id string, m message, frame []byte) {
	mark, sent := g.flying[id]
	if _, listens := g.opened[id]; listens && m.Error != nil {
		delete(g.opened, id)
		return
	}
	if !sent {
		g.t.Fatalf("an answer to nothing: %s", frame)
	}
	g.answers++
	delete(g.flying, id)
	switch r := m.Result; {
	case r == nil:
	case r.Mark != "" && r.Mark != mark:
		g.t.Fatalf("the answer to another call: %s, %s", mark, frame)
	case r.RequestState != "":
		g.states = append(g.states, gameState{mark, r.RequestState, r.InputRequests})
	}
}

// checkTables compares the tables of the translator with each other.
func (g *legacyGame) checkTables() {
	t := g.tr
	held := weight(t.orphans)
	for _, w := range t.opened.waiting {
		held += len(w.frame)
	}
	own := 0
	for _, c := range t.calls {
		held += len(c.id) + len(c.shown) + len(c.frame) + len(c.prepared)
		if c.talk != nil {
			held += weight(c.talk.open) + len(c.talk.answer)
		}
		if c.own != nil {
			own++
		}
	}
	for _, l := range t.listens {
		held += len(l.id)
		for _, uri := range l.uris {
			held += len(uri)
		}
	}
	switch {
	case held != t.held:
		g.t.Fatalf("%d bytes are held, but %d counted", held, t.held)
	case held > t.cfg.MaxHeld && len(t.opened.waiting) != 1:
		g.t.Fatalf("%d bytes are held", held)
	case len(t.calls) != len(t.byClient)+len(t.parked)+own, own > len(t.resources)+1,
		len(t.askable) > len(t.calls), len(t.asking) > len(t.byClient), len(t.opening) > len(t.listens),
		len(t.orphans) > maxQuestions:
		g.t.Fatalf("the tables are wrong: %+v", t)
	}
}

// end has both sides do all that is left to do, after which nothing may be left.
func (g *legacyGame) end() {
	for range 200 {
		for len(g.pending) > 0 {
			g.answer(0, `"result":{"mark":"MARK"}`)
		}
		if len(g.states) == 0 {
			break
		}
		s := g.states[0]
		g.states = g.states[1:]
		g.retry(s, `"again"`, len(s.questions))
	}
	for id := range g.opened {
		g.cancel(id)
	}
	for due := g.tr.Due(); !due.IsZero(); due = g.tr.Due() {
		g.tick(due.Sub(g.now))
	}
	for len(g.pending) > 0 {
		g.answer(0, `"result":{"mark":"MARK"}`)
	}
	if len(g.flying) > 0 {
		g.t.Fatalf("without an answer: %v", g.flying)
	}
	t := g.tr
	t.setOrphans(nil)
	if len(t.calls)+len(t.byClient)+len(t.askable)+len(t.asking)+len(t.parked)+len(t.listens)+len(t.opening)+len(t.resources)+len(t.opened.waiting)+t.held > 0 {
		g.t.Fatalf("something is left: %+v", t)
	}
}
