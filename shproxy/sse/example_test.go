// SPDX-License-Identifier: Apache-2.0

package sse_test

import (
	"bytes"
	"fmt"
	"io"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

func ExampleReader() {
	var stream bytes.Buffer
	w := sse.NewWriter(&stream, nil)
	_ = w.Comment("hello")
	_ = w.Event(sse.Event{ID: "7", Data: []byte(`{"jsonrpc":"2.0","method":"ping","id":1}`)})

	r := sse.NewReader(&stream, 1<<20)
	for {
		event, err := r.Next()
		if err == io.EOF {
			return
		}
		fmt.Printf("%s %s\n", event.ID, event.Data)
	}
	// Output: 7 {"jsonrpc":"2.0","method":"ping","id":1}
}
