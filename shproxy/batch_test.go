// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// all reads an event stream to its end.
func (e *events) all() (data []string) {
	e.t.Helper()
	for {
		got := e.next()
		if got == "EOF" {
			return data
		}
		data = append(data, got)
	}
}

// A batch is one message after the other for the server, and one event stream
// for the client.
func TestBatch(t *testing.T) {
	t.Parallel()
	_, url, stage := newStage(t, nil)
	c, child := connectPuppet(t, url, stage, batchVersion)
	done := make(chan *http.Response)
	go func() {
		done <- c.post(" [\n" + `{"jsonrpc":"2.0","id":1,"method":"a"} ,{"jsonrpc":"2.0","method":"note"},{"id":"1","method":"b","jsonrpc":"2.0"}` + ",\r\n" + `{"jsonrpc":"2.0","id":1.0,"method":"c","params":{"x":[1,{"a":1,"a":2}]}},{"jsonrpc":"2.0","id":99,"result":{}}] `)
	}()
	child.Expect(`{"jsonrpc":"2.0","method":"note"}`)
	child.Expect(`{"jsonrpc":"2.0","id":2,"method":"a"}`)
	child.Expect(`{"id":3,"method":"b","jsonrpc":"2.0"}`)
	child.Expect(`{"jsonrpc":"2.0","id":4,"method":"c","params":{"x":[1,{"a":1,"a":2}]}}`)
	answers := []string{
		`{"jsonrpc":"2.0","id":4,"result":3}`, `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`,
		`{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"1"}}`, `{"jsonrpc":"2.0","id":3,"result":2}`,
	}
	for _, answer := range answers {
		child.Says(answer)
	}
	want := []string{strings.Replace(answers[0], "4", "1.0", 1), answers[1], strings.Replace(answers[2], `"id":2`, `"id":1`, 1), strings.Replace(answers[3], `"id":3`, `"id":"1"`, 1)}
	if got := c.events(<-done).all(); !slices.Equal(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
	// Without a request there is nothing to answer.
	resp := c.post(`[{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","method":"y"}]`)
	if body := c.body(resp); resp.StatusCode != http.StatusAccepted || body != "" {
		t.Errorf("%s %s", resp.Status, body)
	}
	child.Expect(`{"jsonrpc":"2.0","method":"x"}`)
	child.Expect(`{"jsonrpc":"2.0","method":"y"}`)
}

// A batch that is refused does nothing: the server sees none of it.
func TestBatchRefusals(t *testing.T) {
	t.Parallel()
	_, url, stage := newStage(t, nil)
	c, child := connectPuppet(t, url, stage, batchVersion)
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	many := "[" + strings.Repeat(ping+",", jsonrpc.MaxBatch) + ping + "]"
	for _, test := range []struct {
		name, body string
		code       int
		text       string
	}{
		{"empty", "[]", -32600, "empty"},
		{"too many", many, -32600, fmt.Sprint(jsonrpc.MaxBatch)},
		{"not closed", "[" + ping, -32700, "comma"},
		{"more", "[" + ping + "]]", -32700, "after"},
		{"no object", "[" + ping + ",1]", -32600, "object"},
		{"nested", "[" + ping + ",[" + ping + "]]", -32600, "batch"},
		{"no message", "[" + ping + ",{}]", -32600, "jsonrpc"},
		{"duplicate", `[` + ping + `,{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}]`, -32600, "duplicate"},
		{"initialize", "[" + ping + "," + initializeFrame + "]", -32600, "initialize"},
	} {
		c.wantError(c.post(test.body), 400, "null", test.code, test.text)
	}
	jsonOnly := &client{t: t, url: url, session: c.session, version: batchVersion, header: http.Header{"Accept": {"application/json"}}}
	jsonOnly.wantError(jsonOnly.post("["+ping+"]"), 406, "null", codeTransport, "text/event-stream")

	unknown := &client{t: t, url: url, session: "X", version: batchVersion}
	unknown.wantError(unknown.post("["+ping+"]"), 404, "null", codeNoSession, "session")
	none := &client{t: t, url: url}
	none.wantError(none.post("["+ping+"]"), 400, "null", -32600, "batch")
	none.wantError(none.post("["+initializeFrame+"]"), 400, "null", -32600, "batch")
	c.post(`{"jsonrpc":"2.0","method":"fence"}`)
	child.Expect(`{"jsonrpc":"2.0","method":"fence"}`)
}

// Other versions than 2025-03-26 have no batches.
func TestBatchInOtherVersions(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, nil)
	for _, version := range legacyVersions {
		c := connectAs(t, url, version)
		resp := c.post(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`)
		if version == batchVersion {
			if got := c.events(resp).all(); !slices.Equal(got, []string{`{"jsonrpc":"2.0","id":1,"result":{}}`}) {
				t.Errorf("%s: %s", version, got)
			}
			continue
		}
		c.wantError(resp, 400, "null", -32600, "batch")
	}
}

// The time for an answer is bounded in a batch as elsewhere.
func TestBatchTimeout(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, &Options{RequestTimeout: 100 * time.Millisecond})
	c := connectAs(t, url, batchVersion)
	got := c.events(c.post("[" + toolFrame("1", "wait", nil, "") + "," + toolFrame("2", "wait", nil, "") + "]")).all()
	slices.Sort(got)
	const late = `{"jsonrpc":"2.0","id":%d,"error":{"code":-32603,"message":"server \"good\" did not answer within 100ms"}}`
	want := []string{fmt.Sprintf(late, 1), fmt.Sprintf(late, 2)}
	got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, "cancelled") }) // what the tool says to that
	if !slices.Equal(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// connectPuppet starts a session and plays the server's part in it.
func connectPuppet(t *testing.T, url string, stage *testserver.Stage, version string) (*client, *testserver.Actor) {
	t.Helper()
	c := &client{t: t, url: url, version: version, header: http.Header{}}
	done := make(chan *http.Response)
	frame := strings.Replace(initializeFrame, testVersion, version, 1)
	go func() { done <- c.post(frame) }()
	child := stage.Next()
	child.Expect(strings.Replace(frame, `"init"`, "1", 1))
	child.Says(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"` + version + `","capabilities":{},"serverInfo":{"name":"p","version":"1"}}}`)
	resp := <-done
	c.session = resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != 200 || c.session == "" {
		t.Fatalf("initialize: %s %s", resp.Status, c.body(resp))
	}
	c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return c, child
}
