// SPDX-License-Identifier: Apache-2.0

package sse_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

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

// A reply of Streamable HTTP that takes its time: when to come back, a sign of
// life, the answer with the id to resume from.
func ExampleWriter() {
	stream := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", sse.ContentType)
		events := sse.NewWriter(w, http.NewResponseController(w).Flush)
		_ = events.Retry(2 * time.Second)
		_ = events.Comment("working")
		_ = events.Event(sse.Event{ID: "2", Type: "message", Data: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)})
	}
	reply := httptest.NewRecorder()
	stream(reply, nil)
	fmt.Print(reply.Body)
	// Output:
	// retry: 2000
	//
	// : working
	//
	// id: 2
	// event: message
	// data: {"jsonrpc":"2.0","id":1,"result":{}}
}
