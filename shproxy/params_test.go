// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// modernPuppet starts a modern server that the test plays, and lets it tell
// its versions; the next request has the id 2.
func modernPuppet(t *testing.T, o *Options) (*client, *testserver.Stage, *testserver.Actor) {
	t.Helper()
	_, url, stage := newStage(t, o)
	c := modernClient(t, url)
	done := make(chan *http.Response)
	go func() { done <- c.modern(t.Context(), modernFrame("0", "server/discover", "", "")) }()
	child := stage.Next()
	discover(child, "1")
	child.Hears()
	child.Says(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	c.body(<-done)
	return c, stage, child
}

// discover answers server/discover.
func discover(child *testserver.Actor, id string) {
	child.Hears()
	child.Says(`{"jsonrpc":"2.0","id":` + id + `,"result":{"supportedVersions":["2026-07-28"]}}`)
}

const regionTool = `{"name":"query","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}`

// What could not be found out is asked again: a server that ends, or fails, in
// its list of tools does not make the proxy pass whatever comes.
func TestParamsAreAskedAgain(t *testing.T) {
	t.Parallel()
	c, stage, child := modernPuppet(t, nil)
	done := make(chan *http.Response)
	call := func() {
		go func() { done <- c.modern(t.Context(), modernTool("1", "query", `"region":"eu"`, "")) }()
	}
	list := func(child *testserver.Actor, id int) {
		t.Helper()
		if got := child.Hears(); !strings.HasPrefix(got, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"`, id)) {
			t.Fatalf("the server was sent %s", got)
		}
	}
	pass := func(child *testserver.Actor, id int) {
		t.Helper()
		child.Expect(modernTool(fmt.Sprint(id), "query", `"region":"eu"`, ""))
		child.Says(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{}}`, id))
		c.want(<-done, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}
	call()
	list(child, 3)
	child.Says(`{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"not now"}}`)
	pass(child, 4)
	call()
	list(child, 5)
	child.Exit(1)
	c.wantError(<-done, 200, "1", -32603, "ended")
	// The first page alone is no list either.
	call()
	child = stage.Next()
	discover(child, "1")
	list(child, 2)
	child.Says(`{"jsonrpc":"2.0","id":2,"result":{"tools":[],"nextCursor":"n\"ext"}}`)
	if got := child.Hears(); !strings.Contains(got, `"cursor":"n\"ext"`) {
		t.Errorf("the server was sent %s", got)
	}
	child.Says(`{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"not now"}}`)
	pass(child, 4)
	call()
	list(child, 5)
	child.Says(`{"jsonrpc":"2.0","id":5,"result":{"tools":[` + regionTool + `]}}`)
	c.wantError(<-done, 400, "1", -32020, "Region")
	call() // a refusal makes it look again
	list(child, 6)
	child.Says(`{"jsonrpc":"2.0","id":6,"result":{"tools":[` + regionTool + `]}}`)
	c.wantError(<-done, 400, "1", -32020, "Region")
}

// A server without a list of tools has none that ask for headers, and is not
// asked over and over.
func TestServerWithoutAToolList(t *testing.T) {
	t.Parallel()
	c, _, child := modernPuppet(t, nil)
	for i := range 3 {
		done := make(chan *http.Response)
		go func() { done <- c.modern(t.Context(), modernTool("1", "query", "", "")) }()
		id := i + 4
		if i == 0 {
			child.Hears()
			child.Says(`{"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"what?"}}`)
		}
		child.Expect(modernTool(fmt.Sprint(id), "query", "", ""))
		child.Says(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{}}`, id))
		c.want(<-done, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}
}

// An endless list is read to a bound.
func TestEndlessToolList(t *testing.T) {
	t.Parallel()
	c, _, child := modernPuppet(t, &Options{StartTimeout: 3 * time.Minute}) // for all pages
	done := make(chan *http.Response)
	go func() { done <- c.modern(t.Context(), modernTool("1", "query", "", "")) }()
	id := 3
	for {
		got := child.Hears()
		if strings.Contains(got, "tools/call") {
			break
		}
		if id > maxPages+3 {
			t.Fatalf("page %d was asked for", id-2)
		}
		child.Says(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"tools":[],"nextCursor":"%d"}}`, id, id))
		id++
	}
	child.Says(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{}}`, id))
	c.want(<-done, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`)
}

// The callers whose tools are known are bounded.
func TestParamTablesAreBounded(t *testing.T) {
	t.Parallel()
	var tables paramTables
	for i := range 2 * maxParamTables {
		tables.set(fmt.Sprint(i), nil)
		if _, fresh := tables.get(fmt.Sprint(i)); !fresh {
			t.Fatal("the last one is not known")
		}
	}
	if n := len(tables.all); n > maxParamTables {
		t.Errorf("%d tables", n)
	}
	tables.forget()
	if _, fresh := tables.get("1999"); fresh {
		t.Error("a table outlives the news that the tools have changed")
	}
}
