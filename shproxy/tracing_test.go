// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

const withParent = `"_meta":{` + ourParent + `}`

// The trace context of a request reaches the server in _meta: of requests and
// notifications, alone or in a batch, in every version, beside all else that is
// changed in a message.
func TestTraceContextReachesTheServer(t *testing.T) {
	t.Parallel()
	_, url, stage := newStage(t, nil)
	c, child := connectPuppet(t, url, stage, batchVersion)
	c.header.Set("Traceparent", traceParent)
	send := func(frame string) chan *http.Response {
		done := make(chan *http.Response, 1)
		go func() { done <- c.post(frame) }()
		return done
	}
	first := send(tokenCall("1"))
	child.Expect(`{"jsonrpc":"2.0","id":2,"method":"x","params":{"_meta":{` + ourParent + `,"progressToken":"t"}}}`)
	second := send(tokenCall("1")) // whose token is replaced
	child.Expect(`{"jsonrpc":"2.0","id":3,"method":"x","params":{"_meta":{` + ourParent + `,"progressToken":"shproxy-3"}}}`)
	child.Says(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	child.Says(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	c.want(<-first, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	c.want(<-second, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)

	c.post(`{"jsonrpc":"2.0","method":"n"}`)
	child.Expect(`{"jsonrpc":"2.0","method":"n","params":{` + withParent + `}}`)
	c.post(`{"jsonrpc":"2.0","id":5,"result":{}}`) // of nothing, and never changed
	batch := send(`[{"jsonrpc":"2.0","method":"n","params":{"a":1}},{"jsonrpc":"2.0","id":1,"method":"x"},` + tokenCall("2") + `]`)
	child.Expect(`{"jsonrpc":"2.0","method":"n","params":{` + withParent + `,"a":1}}`)
	child.Expect(`{"jsonrpc":"2.0","id":4,"method":"x","params":{` + withParent + `}}`)
	child.Expect(`{"jsonrpc":"2.0","id":5,"method":"x","params":{"_meta":{` + ourParent + `,"progressToken":"t"}}}`)
	child.Says(`{"jsonrpc":"2.0","id":4,"result":{}}`)
	child.Says(`{"jsonrpc":"2.0","id":5,"result":{}}`)
	c.events(<-batch).all()
}

func tokenCall(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"x","params":{"_meta":{"progressToken":"t"}}}`
}

func TestTraceContextOfModernMessages(t *testing.T) {
	t.Parallel()
	c, _, child := modernPuppet(t, nil)
	c.header.Set("Traceparent", traceParent)
	done := make(chan *http.Response, 1)
	frame := modernFrame("1", "acme/x", "", "")
	go func() { done <- c.modern(t.Context(), frame) }()
	traced := strings.Replace(frame, `"_meta":{`, `"_meta":{`+ourParent+`,`, 1)
	child.Expect(strings.Replace(traced, `"id":1`, `"id":3`, 1))
	child.Says(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	c.want(<-done, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	note := `{"jsonrpc":"2.0","method":"acme/n","params":{"_meta":{` + modernMeta + `}}}`
	c.body(c.modern(t.Context(), note))
	child.Expect(strings.Replace(note, `"_meta":{`, `"_meta":{`+ourParent+`,`, 1))
}

func TestTraceContextOfTheOldTransport(t *testing.T) {
	t.Parallel()
	_, url := newLegacySSE(t, testserver.Good, nil)
	c := openLegacy(t, url, nil)
	c.client.header = http.Header{"Traceparent": {traceParent}}
	c.send(strings.Replace(initializeFrame, testVersion, "2024-11-05", 1))
	c.next()
	c.send(`{"jsonrpc":"2.0","id":1,"method":"acme/x"}`)
	if got := c.next(); !strings.Contains(got, `\"method\":\"acme/x\",\"params\":{\"_meta\":{\"traceparent\":\"`+traceParent) {
		t.Errorf("got %s", got)
	}
}
