// SPDX-License-Identifier: Apache-2.0

package jsonrpc_test

import (
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
