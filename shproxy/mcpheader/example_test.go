// SPDX-License-Identifier: Apache-2.0

package mcpheader_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/mcpheader"
)

func ExampleParams() {
	list := []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"execute_sql","inputSchema":{"type":"object",
		"properties":{"region":{"type":"string","x-mcp-header":"Region"},"query":{"type":"string"}}}}]}}`)
	call := []byte(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"execute_sql",
		"arguments":{"region":"Zürich","query":"SELECT 1"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`)

	var params mcpheader.Params
	m, _ := jsonrpc.Scan(list)
	if _, err := params.Add(list, m); err != nil {
		fmt.Println(err)
	}

	// The client sends headers with the call.
	h := http.Header{}
	m, _ = jsonrpc.Scan(call)
	mcpheader.Derive(h, call, m)
	params.Derive(h, call, m)
	fmt.Println(h.Get("Mcp-Method"), h.Get("Mcp-Name"), h.Get("Mcp-Param-Region"))

	// The server compares them with the call.
	fmt.Println(mcpheader.Check(h, call, m), params.Check(h, call, m))
	h.Set("Mcp-Param-Region", "Bern")
	fmt.Println(params.Check(h, call, m))
	// Output:
	// tools/call execute_sql =?base64?WsO8cmljaA==?=
	// <nil> <nil>
	// header mismatch: Mcp-Param-Region does not match the argument "region"
}

// A server refuses a request whose headers say something else than its body.
func ExampleCheck() {
	frame := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete",
		"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	h := http.Header{}
	h.Set(mcpheader.ProtocolVersion, "2026-07-28")
	h.Set(mcpheader.Method, "tools/call")
	h.Set(mcpheader.Name, "read") // what a gateway that reads headers alone would allow
	var mismatch *mcpheader.Mismatch
	if errors.As(mcpheader.Check(h, frame, m), &mismatch) {
		fmt.Println(mismatch.Header, jsonrpc.HeaderMismatch)
	}

	mcpheader.Derive(h, frame, m)
	fmt.Println(h.Get(mcpheader.Name), mcpheader.Check(h, frame, m))
	// Output:
	// Mcp-Name -32020
	// delete <nil>
}

// Names need not be what a header can carry.
func ExampleEncode() {
	for _, name := range []string{"search", "Größe", " padded "} {
		value := mcpheader.Encode(name)
		text, err := mcpheader.Decode(value)
		fmt.Printf("%s %q %v\n", value, text, err)
	}
	// Output:
	// search "search" <nil>
	// =?base64?R3LDtsOfZQ==?= "Größe" <nil>
	// =?base64?IHBhZGRlZCA=?= " padded " <nil>
}

// A client must not show tools whose annotations are invalid.
func ExampleAppendValid() {
	list := []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good","inputSchema":{"type":"object"}},` +
		`{"name":"bad","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"not a name"}}}}]}}`)
	m, err := jsonrpc.Scan(list)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", mcpheader.AppendValid(nil, list, m))
	// Output: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good","inputSchema":{"type":"object"}}]}}
}
