// SPDX-License-Identifier: Apache-2.0

package mcpheader_test

import (
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
