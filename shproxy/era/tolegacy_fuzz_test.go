// SPDX-License-Identifier: Apache-2.0

package era

import (
	"strconv"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// What the fuzzed peers do, each with a number that makes it one or the other.
var legacyMoves = []func(g *legacyGame, n int, id string){
	func(g *legacyGame, _ int, id string) { g.call(id, "tools/call", "", "") },
	func(g *legacyGame, _ int, id string) { g.call(id, "tools/call", `"progressToken":"MARK"`, "") },
	func(g *legacyGame, _ int, id string) {
		g.call(id, "prompts/get", `"io.modelcontextprotocol/logLevel":"info"`, "")
	},
	func(g *legacyGame, _ int, id string) {
		g.call(id, "tools/call", "", `"name":"t","inputResponses":{"roots-1":{"roots":[]},"x":5}`)
	},
	func(g *legacyGame, _ int, id string) { g.call(id, "tools/list", `"progressToken":null`, "") },
	func(g *legacyGame, _ int, id string) { g.call(id, "server/discover", "", "") },
	func(g *legacyGame, _ int, id string) { g.call(id, "ping", "", "") },
	func(g *legacyGame, n int, id string) {
		g.listen(id, `"toolsListChanged":true,"resourceSubscriptions":["a:`+strconv.Itoa(n%3)+`","a:x","a:x",5]`)
	},
	func(g *legacyGame, _ int, id string) { g.cancel(id) },
	func(g *legacyGame, n int, id string) { g.again(n, id, n%3) },
	func(g *legacyGame, n int, id string) { g.again(n, id, 64) },
	func(g *legacyGame, n int, id string) {
		if len(g.spent) > 0 { // one that was used must not work
			states := len(g.states)
			g.retry(g.spent[n%len(g.spent)], id, 64)
			if len(g.states) > states {
				g.t.Fatal("a requestState was good twice")
			}
		}
	},
	func(g *legacyGame, _ int, _ string) { g.client(`{"jsonrpc":"2.0","method":"acme/told"}`) },
	func(g *legacyGame, n int, _ string) { g.answer(n, `"result":{"mark":"MARK"}`) },
	func(g *legacyGame, n int, _ string) {
		g.answer(n, `"result":{"mark":"MARK","_meta":{},"tools":[{"name":"b"},{"name":"a"},5]}`)
	},
	func(g *legacyGame, n int, _ string) { g.answer(n, `"result":null`) },
	func(g *legacyGame, n int, _ string) { g.answer(n, `"error":{"code":-32002,"message":"no"}`) },
	func(g *legacyGame, n int, _ string) {
		g.answer(n, `"error":{"code":-32042,"message":"no","data":{"elicitations":[{"mode":"url","url":"u"},5,{"mode":"url"}]}}`)
	},
	func(g *legacyGame, _ int, _ string) { g.ask("ping", "") },
	func(g *legacyGame, _ int, _ string) { g.ask(methodRoots, "") },
	func(g *legacyGame, _ int, _ string) {
		g.ask(methodElicit, `,"params":{"message":"m","requestedSchema":{}}`)
	},
	func(g *legacyGame, _ int, _ string) { g.ask(methodElicit, `,"params":{"mode":"url"}`) },
	func(g *legacyGame, _ int, _ string) { g.ask(methodSampling, `,"params":{"_meta":{}}`) },
	func(g *legacyGame, _ int, _ string) { g.ask("acme/ask", `,"params":[]`) },
	func(g *legacyGame, n int, _ string) { g.withdraw(n) },
	func(g *legacyGame, n int, _ string) {
		g.server(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + strconv.Itoa(n) + `,"progress":1}}`)
	},
	func(g *legacyGame, _ int, _ string) {
		g.server(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}`)
	},
	func(g *legacyGame, _ int, _ string) {
		g.server(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	},
	func(g *legacyGame, n int, _ string) {
		g.server(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:` + strconv.Itoa(n%3) + `/x"}}`)
	},
	func(g *legacyGame, n int, _ string) { g.tick(time.Duration(n) * time.Millisecond) },
	func(g *legacyGame, n int, _ string) { g.tick(time.Duration(n) * time.Second) },
}

// again takes up the nth call that waits.
func (g *legacyGame) again(n int, id string, answers int) {
	if len(g.states) == 0 {
		return
	}
	n %= len(g.states)
	s := g.states[n]
	g.states = append(g.states[:n:n], g.states[n+1:]...)
	g.spent = append(g.spent, s)
	g.retry(s, id, answers)
}

// FuzzToLegacy lets two peers say things that are more or less to the point,
// each byte pair one of them; and then each one thing that can be anything.
func FuzzToLegacy(f *testing.F) {
	f.Add([]byte{0, 1, 13, 0, 20, 0, 29, 30, 10, 0, 13, 0}, "", "")
	f.Add([]byte{1, 1, 1, 1, 13, 0, 19, 0, 26, 0, 25, 2, 8, 1, 19, 0, 0, 2, 11, 0}, `{"jsonrpc":"2.0","id":5,"method":"tools/call"}`, "")
	f.Add([]byte{5, 0, 13, 0, 7, 1, 7, 2, 13, 0, 16, 0, 27, 0, 28, 0, 8, 1, 30, 200}, "", `{"jsonrpc":"2.0","id":2.0,"result":[]}`)
	f.Add([]byte{5, 0, 13, 0, 19, 0, 0, 1, 19, 0, 0, 2, 8, 1, 17, 0, 10, 0, 30, 255, 30, 255, 30, 255}, "", "")
	f.Add([]byte{0, 1, 13, 0, 17, 0, 9, 0, 9, 0, 10, 0, 19, 0, 24, 0, 20, 0, 21, 0, 22, 0, 29, 30, 9, 1, 9, 2}, "", "")
	f.Fuzz(func(t *testing.T, script []byte, client, server string) {
		g := newLegacyGame(t, 2<<10)
		for ; len(script) >= 2; script = script[2:] {
			n := int(script[1])
			legacyMoves[int(script[0])%len(legacyMoves)](g, n, strconv.Itoa(n%6+10))
		}
		g.end()
		// Whatever these are, they end without a panic and with frames.
		wild := newLegacyGame(t, 0).start()
		wild.wild(client, wild.tr.FromClient)
		wild.wild(server, wild.tr.FromServer)
		wild.wild(client, wild.tr.FromClient)
	})
}

// wild plays a frame that the game does not understand.
func (g *legacyGame) wild(text string, give func(time.Time, []byte, jsonrpc.Message, *Output)) {
	frame := []byte(text)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		return
	}
	var out Output
	give(g.now, frame, m, &out)
	for _, sent := range out.ToServer {
		readMessage(g.t, sent)
	}
	for _, msg := range out.ToClient {
		readMessage(g.t, msg.Frame)
		checkScanned(g.t, msg)
	}
	g.checkTables()
}
