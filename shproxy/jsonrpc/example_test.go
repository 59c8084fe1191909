// SPDX-License-Identifier: Apache-2.0

package jsonrpc_test

import (
	"errors"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func ExampleScan() {
	frame := []byte(`{"jsonrpc":"2.0", "id":"a-1", "method":"acme/search", "params":{"limit":1.0}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Kind, jsonrpc.Text(m.Method.Of(frame)))
	fmt.Printf("%s\n", jsonrpc.AppendSplice(nil, frame, jsonrpc.Edit{Span: m.ID, With: []byte("42")}))
	// Output:
	// request acme/search
	// {"jsonrpc":"2.0", "id":42, "method":"acme/search", "params":{"limit":1.0}}
}

// What a proxy refuses it answers in the protocol's own terms.
func ExampleAppendError() {
	frame := []byte(`{"jsonrpc":"2.0","id":7,"method":"tools/list","Method":"tools/call"}`)
	m, err := jsonrpc.Scan(frame)
	var e *jsonrpc.Error
	if errors.As(err, &e) {
		fmt.Println(m.Kind)
		fmt.Printf("%s\n", jsonrpc.AppendError(nil, m.ID.Of(frame), e.Code, e.Message, nil))
	}
	// Output:
	// invalid
	// {"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"member that differs from one of the protocol in case only: \"Method\""}}
}

// Batches exist in MCP 2025-03-26. Everywhere else they are an error.
func ExampleElements() {
	frame := []byte(`[{"jsonrpc":"2.0","method":"ping","id":1}, {"jsonrpc":"2.0","method":"notifications/initialized"}]`)
	if _, err := jsonrpc.Scan(frame); errors.Is(err, jsonrpc.ErrBatch) {
		fmt.Println(err)
	}
	elements, err := jsonrpc.Elements(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, span := range elements {
		m, err := jsonrpc.Scan(span.Of(frame))
		fmt.Println(m.Kind, err)
	}
	// Output:
	// jsonrpc: batches are not supported; send one message at a time
	// request <nil>
	// notification <nil>
}

// Spans lead to what lies deeper, without a decoder.
func ExampleLookup() {
	frame := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1.0,"b":[2,3]}}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	if jsonrpc.Is(frame, m.Method, "tools/call") {
		arguments, _ := jsonrpc.Lookup(frame, m.Params, "arguments")
		for name, value := range jsonrpc.Members(frame, arguments) {
			fmt.Printf("%s = %s\n", jsonrpc.Text(name.Of(frame)), value.Of(frame))
			for element := range jsonrpc.Items(frame, value) {
				fmt.Printf("  %s\n", element.Of(frame))
			}
		}
	}
	// Output:
	// a = 1.0
	// b = [2,3]
	//   2
	//   3
}

// An answer finds its request though a server spells the id differently.
func ExampleKey() {
	pending := map[string]string{jsonrpc.Key([]byte(`"a"`)): "tools/list", jsonrpc.Key([]byte(`1`)): "ping"}
	fmt.Println(pending[jsonrpc.Key([]byte(`"\u0061"`))], pending[jsonrpc.Key([]byte(`1.0`))])
	fmt.Printf("%q\n", pending[jsonrpc.Key([]byte(`"1"`))])
	// Output:
	// tools/list ping
	// ""
}

// Tools that a client must not see leave the list; everything else stays as the
// server wrote it.
func ExampleCuts() {
	frame := []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"}, {"name":"delete"}, {"name":"list"}]}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	tools, _ := jsonrpc.Lookup(frame, m.Result, "tools")
	edits := jsonrpc.Cuts(frame, tools, func(tool jsonrpc.Span) bool {
		name, _ := jsonrpc.Lookup(frame, tool, "name")
		return !jsonrpc.Is(frame, name, "delete")
	})
	fmt.Printf("%s\n", jsonrpc.AppendSplice(nil, frame, edits...))
	// Output: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"}, {"name":"list"}]}}
}

// The stdio transport wants a message on one line, whatever HTTP brought.
func ExampleFold() {
	frame := []byte("{\"jsonrpc\":\"2.0\",\n \"method\":\"notifications/initialized\"}")
	if _, err := jsonrpc.Scan(frame); err != nil {
		fmt.Println(err)
		return
	}
	jsonrpc.Fold(frame)
	fmt.Printf("%s\n", frame)
	// Output: {"jsonrpc":"2.0",  "method":"notifications/initialized"}
}

// Codes tell whether another try makes sense.
func ExampleErrorCode() {
	frame := []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"unsupported protocol version"}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	code, ok := jsonrpc.ErrorCode(frame, m)
	fmt.Println(code == jsonrpc.UnsupportedProtocolVersion, ok)
	// Output: true true
}

func ExampleAppendString() {
	fmt.Printf("%s\n", jsonrpc.AppendString([]byte(`{"name":`), "a \"quoted\"\nname"))
	// Output: {"name":"a \"quoted\"\u000aname"
}
