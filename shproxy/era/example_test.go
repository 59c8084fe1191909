// SPDX-License-Identifier: Apache-2.0

package era_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// talk gives a translator what one side said, and prints what it wants to be
// sent.
func talk(tr era.Translator, now time.Time, fromClient bool, text string) {
	frame := []byte(text)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	var out era.Output
	if fromClient {
		tr.FromClient(now, frame, m, &out)
	} else {
		tr.FromServer(now, frame, m, &out)
	}
	show(&out)
}

func show(out *era.Output) {
	for _, frame := range out.ToServer {
		fmt.Printf("to server: %s\n", frame)
	}
	for _, message := range out.ToClient {
		fmt.Printf("to client: %s\n", message)
	}
}

// A client of MCP 2025-11-25 calls a tool of a server that knows 2026-07-28 alone:
// initialize is answered from server/discover, and each request says for
// itself what the client had said once.
func ExampleToModern() {
	tr := era.NewToModern(era.ToModernConfig{})
	now := time.Unix(0, 0)
	talk(tr, now, true, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`)
	talk(tr, now, false, `{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}}}`)
	talk(tr, now, true, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	talk(tr, now, true, `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo"}}`)
	talk(tr, now, false, `{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","content":[]}}`)
	// Output:
	// to server: {"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}
	// to client: {"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"2"},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}}}
	// to server: {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}
	// to client: {"jsonrpc":"2.0","id":"a","result":{"content":[]}}
}

// A server of MCP 2025-11-25 asks something in the middle of a call of a client
// that knows 2026-07-28 alone: the call is parked, the client is told what is
// needed, and comes back with the answer and the sealed requestState.
func ExampleToLegacy() {
	tr := era.NewToLegacy(era.ToLegacyConfig{
		Profile:   era.Profile{Capabilities: []byte(`{"roots":{}}`)},
		Principal: "ana", Process: "p1",
	})
	now := time.Unix(0, 0)
	talk(tr, now, true, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ls","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}}}}}`)
	talk(tr, now, false, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"2"}}}`)
	talk(tr, now, false, `{"jsonrpc":"2.0","id":"q","method":"roots/list"}`)

	var out era.Output
	tr.Tick(tr.Due(), &out) // no further question came
	frame := out.ToClient[0].Frame
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	kind, _ := jsonrpc.Lookup(frame, m.Result, "resultType")
	needs, _ := jsonrpc.Lookup(frame, m.Result, "inputRequests")
	fmt.Printf("to client: %s, %s\n", kind.Of(frame), needs.Of(frame))
	fmt.Println("parked:", tr.Parked(), tr.Busy())
	// Output:
	// to server: {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"bridge","version":"0"}}}
	// to server: {"jsonrpc":"2.0","method":"notifications/initialized"}
	// to server: {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ls","_meta":{}}}
	// to client: "input_required", {"q":{"method":"roots/list","params":{}}}
	// parked: 1 true
}

// The state of a parked call is hidden, and good for one principal and a while.
func ExampleSealer() {
	sealer := era.NewSealer()
	now := time.Unix(0, 0)
	state := sealer.Seal("ana", era.Ticket{Process: "p1", Call: 4, Expires: now.Add(time.Minute)})

	ticket, err := sealer.Open("ana", state, now)
	fmt.Println(ticket.Process, ticket.Call, err)
	_, err = sealer.Open("bob", state, now)
	fmt.Println(errors.Is(err, era.ErrState))
	_, err = sealer.Open("ana", state, now.Add(time.Hour))
	fmt.Println(errors.Is(err, era.ErrState))
	// Output:
	// p1 4 <nil>
	// true
	// true
}

// Of several bridges the one that a parked call waits at is found from its state.
func ExamplePlace() {
	sealer := era.NewSealerAt("bridge-2")
	state := sealer.Seal("ana", era.Ticket{Process: "p1", Expires: time.Unix(60, 0)})
	fmt.Println(era.Place(state))
	// Output: bridge-2 true
}

// What a modern client says with every request is what a legacy one says once.
func ExampleProfileOf() {
	frame := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
		"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	profile, ok := era.ProfileOf(frame, m)
	fmt.Println(ok, profile.Asked())
	fmt.Printf("%s\n", profile.AppendMeta(nil))
	// Output:
	// true true
	// {"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}
}

// Does a server on stdio speak a modern version? Its answer to server/discover
// tells, and so does its error.
func ExampleIsModern() {
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no","data":{"supported":["2027-01-01"]}}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}`,
	} {
		m, err := jsonrpc.Scan([]byte(text))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(era.IsModern([]byte(text), m))
	}
	// Output:
	// true
	// true
	// false
}

func ExampleAgree() {
	fmt.Println(era.Agree("2025-03-26", "2025-11-25")) // what a client is told that knows no newer one
	fmt.Println(era.Agree("2025-11-25", "2025-03-26"))
	fmt.Println(era.IsLegacy("2025-11-25"), era.IsLegacy(era.Modern), era.LegacyVersions()[0] == era.Latest)
	fmt.Println(era.MayBeAsked("tools/call"), era.MayBeAsked("tools/list"))
	// Output:
	// 2025-03-26
	// 2025-03-26
	// true false true
	// true false
}

// A requestState says that a request continues a call.
func ExampleState() {
	frame := []byte(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ls","requestState":"mcp-bridge-1.x","inputResponses":{}}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	state, ok := era.State(frame, m)
	fmt.Println(state, ok)
	// Output: mcp-bridge-1.x true
}
