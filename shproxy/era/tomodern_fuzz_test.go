// SPDX-License-Identifier: Apache-2.0

package era

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// What the fuzzed peers say. ID stands for an id that is good to use there.
var (
	fuzzClient = []string{
		`{"jsonrpc":"2.0","id":ID,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"url":{},"form":{}},"sampling":{},"roots":{}},"clientInfo":{"name":"c","version":"1"}}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"initialize","params":{}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":ID}}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"prompts/get","params":{"_meta":[],"name":"t"}}`,
		`{"id":ID,"params":{"_meta":{"io.modelcontextprotocol/clientInfo":1}},"method":"tools/list","jsonrpc":"2.0"}`,
		`{"jsonrpc":"2.0","id":ID,"method":"resources/subscribe","params":{"uri":"u"}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"resources/subscribe","params":{"uri":"v"}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"resources/unsubscribe","params":{"uri":"u"}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"logging/setLevel","params":{"level":"info"}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":ID,"method":"server/discover","params":null}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":ID}}`,
		`{"jsonrpc":"2.0","id":"bridge-ID","result":{"action":"accept"}}`,
		`{"jsonrpc":"2.0","id":"bridge-ID","error":{"code":-1,"message":"no"}}`,
		`{"jsonrpc":"2.0","id":"bridge-ID","result":5}`,
	}
	fuzzServer = []string{
		`{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"logging":{},"tools":{"listChanged":true},"resources":{"subscribe":true}}}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","tools":[{"outputSchema":[]}],"structuredContent":1}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","url":"u"}},"b":{"method":"roots/list"}},"requestState":"s"}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"resultType":"input_required","requestState":"s"}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage","params":{"_meta":{"ProgressToken":1}}}}}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"resultType":"strange"}}`,
		`{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"no","data":{"uri":"u"}}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"roots/list"}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":ID,"progress":1}}`,
		`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}`,
		`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":ID},"notifications":{"resourceSubscriptions":["u"]}}}`,
		`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":ID},"uri":"u"}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":ID}}`,
	}
)

// FuzzToModern lets two peers say things that are more or less to the point,
// each byte pair one of them: what, and with which id.
func FuzzToModern(f *testing.F) {
	f.Add([]byte{0, 1, 128, 1, 2, 0, 129, 2}, "")
	f.Add([]byte{0, 1, 128, 1, 2, 0, 3, 7, 130, 3, 13, 1, 13, 2, 129, 4, 6, 9, 138, 5}, "")
	f.Add([]byte{0, 1, 128, 1, 3, 7, 130, 2, 12, 7, 0, 8, 255, 3}, `{"jsonrpc":"2.0","id":2,"result":{}}`)
	f.Add([]byte{0, 1, 3, 2, 4, 3, 128, 1, 131, 2, 131, 4, 131, 5, 1, 9, 5, 6, 134, 6, 124, 1, 254, 1}, `{"jsonrpc":"2.0","method":"x","params":{"_meta":null}}`)
	f.Fuzz(func(t *testing.T, script []byte, extra string) {
		g := newModernGame(t)
		for ; len(script) >= 2; script = script[2:] {
			what, id := int(script[0]), int(script[1])
			switch {
			case what == 254:
				g.tick(time.Duration(id) * time.Second)
			case what == 124 || what == 255:
				g.say(what < 128, extra)
			case what < 128:
				g.say(true, strings.ReplaceAll(fuzzClient[what%len(fuzzClient)], "ID", strconv.Itoa(id%16)))
			default:
				g.say(false, strings.ReplaceAll(fuzzServer[(what-128)%len(fuzzServer)], "ID", strconv.Itoa(id%32)))
			}
		}
		g.end()
	})
}

// modernGame watches over what a ToModern says.
type modernGame struct {
	t    *testing.T
	tr   *ToModern
	now  time.Time
	sent map[string]int  // requests of the client without an answer, by key
	ids  map[string]bool // of requests that the server has seen
	asks map[string]bool // ids with which the client was asked
}

func newModernGame(t *testing.T) *modernGame {
	return &modernGame{
		t: t, tr: NewToModern(ToModernConfig{MaxHeld: 1 << 10}), now: time.Unix(0, 0),
		sent: map[string]int{}, ids: map[string]bool{}, asks: map[string]bool{},
	}
}

// say plays one message. What is overwritten afterwards must not be missed.
func (g *modernGame) say(client bool, text string) {
	frame := []byte(text)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		return
	}
	var out Output
	if client {
		if m.Kind == jsonrpc.Request {
			g.sent[jsonrpc.Key(m.ID.Of(frame))]++
		}
		if jsonrpc.Is(frame, m.Method, "notifications/cancelled") {
			key := jsonrpc.Key(lookup(frame, m.Params, "requestId").Of(frame))
			if c := g.tr.byClient[key]; c != nil && c != g.tr.opening {
				g.sent[key] = 0 // and nothing may come any more
			}
		}
		g.tr.FromClient(g.now, frame, m, &out)
	} else {
		g.tr.FromServer(g.now, frame, m, &out)
	}
	g.check(&out)
	for i := range frame {
		frame[i] = '!'
	}
}

func (g *modernGame) tick(d time.Duration) {
	g.now = g.now.Add(d)
	var out Output
	g.tr.Tick(g.now, &out)
	g.check(&out)
	if due := g.tr.Due(); !due.IsZero() && !due.After(g.now) {
		g.t.Fatal("what is due is not done")
	}
}

// end starts over, after which nothing may be left.
func (g *modernGame) end() {
	g.say(true, `{"jsonrpc":"2.0","id":"last","method":"initialize"}`)
	g.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":-1,"message":"no"}}`, g.tr.lastID))
	t := g.tr
	left := len(t.queue) + len(t.calls) + len(t.byClient) + len(t.tokens) + len(t.inputs) + len(t.listens) + len(t.paused) + len(t.uris) + t.held
	if left != 0 || t.opening != nil || t.lists != nil {
		g.t.Fatalf("something is left: %+v", t)
	}
	for key, n := range g.sent {
		if n != 0 {
			g.t.Fatalf("%d requests %s have no answer", n, key)
		}
	}
}

func (g *modernGame) check(out *Output) {
	for _, frame := range out.ToServer {
		m := g.scan(frame)
		if m.Kind != jsonrpc.Request {
			continue
		}
		key := jsonrpc.Key(m.ID.Of(frame))
		if g.ids[key] {
			g.t.Fatalf("the server has seen this id before: %s", frame)
		}
		g.ids[key] = true
	}
	for _, msg := range out.ToClient {
		checkScanned(g.t, msg)
		g.reached(msg)
	}
	if t := g.tr; t.held < 0 || t.held > t.cfg.MaxHeld || len(t.calls) > len(t.byClient) || len(t.tokens) > len(t.byClient) {
		g.t.Fatalf("the tables are wrong: %+v", t)
	}
}

// reached checks a message that reaches the client.
func (g *modernGame) reached(msg Message) {
	m := g.scan(msg.Frame)
	key := jsonrpc.Key(m.ID.Of(msg.Frame))
	switch m.Kind {
	case jsonrpc.Response:
		if g.sent[key]--; g.sent[key] < 0 {
			g.t.Fatalf("an answer to nothing: %s", msg.Frame)
		}
	case jsonrpc.Request:
		if g.asks[key] || g.sent[key] > 0 && g.tr.byClient[key] != nil {
			g.t.Fatalf("an id that was used before: %s", msg.Frame)
		}
		g.asks[key] = true
		fallthrough
	default:
		if msg.Related != nil && g.sent[jsonrpc.Key(msg.Related)] == 0 {
			g.t.Fatalf("related to no request in flight: %s %s", msg.Related, msg.Frame)
		}
	}
	if m.SubscriptionID.Present() {
		g.t.Fatalf("names a subscription: %s", msg.Frame)
	}
}

func (g *modernGame) scan(frame []byte) jsonrpc.Message {
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		g.t.Fatalf("%s: %v", frame, err)
	}
	return m
}
