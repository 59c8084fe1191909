// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// What the child reads is what the client wrote, but for the id; what the
// client reads is what the child wrote, with the client's id.
func TestBytesPass(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	for i, frame := range []string{
		`{"jsonrpc":"2.0","id":ID,"method":"acme/search","params":{"limit":1.0,"n":12345678901234567890,"e":1E+2}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"tasks/get"}`,
		`{"method":"x/y","params":[1,2],"zz":{"a":1,"a":2},"id":ID,"jsonrpc":"2.0"}`,
		` { "id" : ID , "jsonrpc" : "2.0" , "method" : "spaces/kept" }  `,
		`{"jsonrpc":"2.0","id":ID,"method":"\u0061cme/escaped","params":{"s":"\u00e9\/\ud83d\ude00 é😀 <>&\u2028"}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"lone/surrogate","params":{"s":"\ud800"}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"acme/x","traceparent":"00-1-2-03","ids":5,"method ":"other","params":{"_meta":{"progressToken":"t-7","vendor/x":[]},"task":{"ttl":60000}}}`,
		`{"jsonrpc":"2.0","id":ID,"method":"null/params","params":null}`,
	} {
		for _, id := range []string{"7", `"a\u0062\/c"`, "9223372036854775807", "-1.50", `""`, `"` + strings.Repeat("long", 100) + `"`} {
			t.Run(fmt.Sprint(i, " ", id[:min(len(id), 20)]), func(t *testing.T) {
				c := connect(t, url)
				sent := strings.Replace(frame, "ID", id, 1)
				read := strings.Replace(frame, "ID", "2", 1) // 1 was initialize
				quoted, err := json.Marshal(read)
				if err != nil {
					t.Fatal(err)
				}
				c.want(c.post(sent), 200, fmt.Sprintf(`{"jsonrpc":"2.0","result":{"frame":%s},"id":%s}`, quoted, id))
			})
		}
	}
}

// Line breaks between tokens cannot pass a transport of lines.
func TestLineBreaksAreFolded(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	resp := c.post("{\r\n\"jsonrpc\":\"2.0\",\n\"id\":5,\n\"method\":\"acme/x\"\n}\n")
	quoted, _ := json.Marshal(`{  "jsonrpc":"2.0", "id":2, "method":"acme/x" } `)
	c.want(resp, 200, fmt.Sprintf(`{"jsonrpc":"2.0","result":{"frame":%s},"id":5}`, quoted))
}

// Two sessions use the same ids at the same time, and one session uses an id
// twice; every answer finds its request.
func TestSameIDs(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	var all sync.WaitGroup
	for session := range 3 {
		c := connect(t, url)
		for call := range 20 {
			all.Go(func() {
				text := fmt.Sprint("session ", session, " call ", call)
				id := fmt.Sprint(call / 2)
				resp := c.tool(id, "sleep", map[string]any{"text": text, "count": call % 5})
				c.want(resp, 200, textResult(id, text))
			})
		}
	}
	all.Wait()
}

// The ids of the server's own requests may be those of the client's.
func TestRequestOfTheServer(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	e := c.events(c.tool("1", "ask", nil))
	if got := e.next(); got != `{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":10}}` {
		t.Fatalf("got %s", got)
	}
	if resp := c.post(`{"jsonrpc":"2.0","id":1,"result":{"role":"assistant", "n":1.0}}`); resp.StatusCode != 202 {
		t.Errorf("response: %s", resp.Status)
	}
	if got, want := e.next(), textResult("1", `{"role":"assistant", "n":1.0}`); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := e.next(); got != "EOF" {
		t.Errorf("after the answer: %s", got)
	}
}
