// SPDX-License-Identifier: Apache-2.0

package era

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func TestToLegacyBoundsWaiting(t *testing.T) {
	t.Parallel()
	t.Run("number", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 0)
		k.request("0", "server/discover", "")
		for i := 1; i < maxInFlight; i++ {
			k.call(strconv.Itoa(i))
			k.nothing()
		}
		k.call(`"over"`)
		k.refused("too many requests")
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
		k.call(`"over"`)
		k.nothing()
		out := k.server(`{"jsonrpc":"2.0","id":1,"result":%s}`, legacyHello)
		if len(out.ToServer) != maxInFlight || len(out.ToClient) != 1 {
			t.Fatalf("%d requests came out and %d answers", len(out.ToServer), len(out.ToClient))
		}
		if last := out.ToServer[maxInFlight-1]; readMessage(t, last).Method != "tools/call" || string(k.tr.byClient[`"over`].id) != `"over"` {
			t.Fatalf("%s", last)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 1500)
		long := `"name":"` + strings.Repeat("x", 2000) + `",`
		k.request("1", "tools/call", long) // one there can always be
		k.request("2", "tools/call", long)
		k.refused("too many requests")
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		k.waitingNone()
		k.request("3", "tools/call", long[:800]+`",`)
		k.request("4", "tools/call", long[:800]+`",`)
		k.refused("too many requests wait")
		k.server(`{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}`)
		k.empty()
	})
	t.Run("id", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 0)
		k.call("1")
		k.call("1.0")
		k.refused("a request with this id is in flight")
	})
}

func TestToLegacyBoundsCalls(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	for i := range maxInFlight {
		k.request(strconv.Itoa(i), "tools/list", "")
		k.passed()
	}
	k.request(`"over"`, "tools/list", "")
	k.refused("too many requests")
	k.server(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	k.request(`"over"`, "tools/list", "")
	k.passed()

	k = newLegacyTalk(t, 1000).start()
	k.client(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{%s,"progressToken":"%s"}}}`, modernMembers, strings.Repeat("x", 2000))
	k.refused("too many requests")
	k.empty()
}

// TestToLegacyBoundsFrames has a call that is too much to be kept, which the
// server cannot ask about.
func TestToLegacyBoundsFrames(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 1000).start()
	k.request("1", "tools/call", `"name":"`+strings.Repeat("x", 2000)+`",`)
	k.passed()
	k.server(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}`)
	k.refusedServer("no call is in flight")
	k.server(`{"jsonrpc":"2.0","id":2,"error":{"code":-32042,"message":"URL","data":{"elicitations":[{"mode":"url"}]}}}`)
	k.refused("-32603")
	k.empty()

	k.server(`{"jsonrpc":"2.0","id":2,"method":"roots/list"}`)
	k.request("2", "tools/call", `"name":"`+strings.Repeat("x", 2000)+`",`)
	k.passed()
}

func TestToLegacyBoundsQuestions(t *testing.T) {
	t.Parallel()
	t.Run("number", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 0).start()
		k.call("1")
		for i := range maxQuestions {
			k.server(`{"jsonrpc":"2.0","id":%d,"method":"roots/list"}`, i)
			k.nothing()
		}
		k.server(`{"jsonrpc":"2.0","id":"over","method":"roots/list"}`)
		k.refusedServer("too many requests wait for the client")
	})
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 1000).start()
		k.call("1")
		k.server(`{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"x":"%s"}}`, strings.Repeat("x", 1000))
		k.refusedServer("too many requests wait for the client")
		k.server(`{"jsonrpc":"2.0","id":2,"method":"roots/list","params":{"x":"%s"}}`, strings.Repeat("x", 500))
		k.nothing()
		k.server(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
		k.server(`{"jsonrpc":"2.0","id":3,"method":"roots/list","params":{"x":"%s"}}`, strings.Repeat("x", 500))
		k.nothing()
		k.tick(time.Second)
		state := k.state()
		k.server(`{"jsonrpc":"2.0","id":4,"method":"roots/list","params":{"x":"%s"}}`, strings.Repeat("x", 500))
		k.refusedServer("too many requests wait for the client")
		k.retry("2", state, `"roots-3":{"roots":[]}`)
		k.server(`{"jsonrpc":"2.0","id":2,"result":{}}`)
		k.empty()
	})
	t.Run("of a URL error", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 1000).start()
		k.call("1")
		k.server(`{"jsonrpc":"2.0","id":2,"error":{"code":-32042,"message":"URL","data":{"elicitations":[{"mode":"url","x":"%s"}%s]}}}`,
			strings.Repeat("x", 1000), strings.Repeat(`,{"mode":"url"}`, 200))
		if m := readMessage(t, k.out.ToClient[0].Frame); len(m.Result.InputRequests) == 0 || k.tr.held > 1000 {
			t.Fatalf("%d questions, %d bytes", len(m.Result.InputRequests), k.tr.held)
		}
		k = newLegacyTalk(t, 0).start()
		k.call("1")
		k.server(`{"jsonrpc":"2.0","id":2,"error":{"code":-32042,"message":"URL","data":{"elicitations":[{"mode":"url","x":%s}%s]}}}`,
			nested(jsonrpc.MaxDepth-5), strings.Repeat(`,{"mode":"url"}`, 200))
		if m := readMessage(t, k.out.ToClient[0].Frame); len(m.Result.InputRequests) != maxQuestions {
			t.Fatalf("%d questions", len(m.Result.InputRequests))
		}
	})
	t.Run("depth", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 0).start()
		for _, call := range []string{"", "1"} {
			if call != "" {
				k.call(call)
			}
			k.server(`{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"x":%s}}`, nested(jsonrpc.MaxDepth-2))
			k.refusedServer("nest too deep")
		}
		k.server(`{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"x":%s}}`, nested(jsonrpc.MaxDepth-5))
		k.nothing()
		k.tick(time.Second)
		k.state()
	})
}

// nested are arrays in arrays.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestToLegacyBoundsOrphans(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	ids := 0
	fill := func() {
		for len(k.tr.orphans) < maxQuestions {
			ids++
			k.server(`{"jsonrpc":"2.0","id":%d,"method":"roots/list"}`, ids)
			k.nothing()
		}
		k.server(`{"jsonrpc":"2.0","id":"over","method":"roots/list"}`)
		k.refusedServer("no call is in flight")
	}
	fill()
	k.call("1")
	k.state()
	fill()
	// The call gives its questions back, for which there is no room now.
	out := k.tick(time.Hour)
	if len(k.tr.orphans) != maxQuestions || len(out.ToServer) != maxQuestions || len(out.ToClient) > 0 {
		t.Fatalf("%d questions are left, %d were refused", len(k.tr.orphans), len(out.ToServer))
	}
	if first := string(k.tr.orphans[0].id); first != "1" {
		t.Fatalf("question %s is the first", first)
	}
	k.call("2")
	if m := readMessage(t, k.out.ToClient[0].Frame); len(m.Result.InputRequests) != maxQuestions {
		t.Fatalf("%d questions", len(m.Result.InputRequests))
	}

	k = newLegacyTalk(t, 1000).start()
	k.server(`{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"x":"%s"}}`, strings.Repeat("x", 600))
	k.nothing()
	k.server(`{"jsonrpc":"2.0","id":2,"method":"roots/list","params":{"x":"%s"}}`, strings.Repeat("x", 600))
	k.refusedServer("no call is in flight")
	k.server(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	k.empty()
}

func TestToLegacyBoundsParked(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	const needsURL = `{"jsonrpc":"2.0","id":%d,"error":{"code":-32042,"message":"URL","data":{"elicitations":[{"mode":"url"}]}}}`
	for i := range maxParked {
		k.call(strconv.Itoa(i))
		k.server(needsURL, k.tr.last)
		k.state()
	}
	if !k.tr.Busy() || k.tr.Parked() != maxParked {
		t.Fatalf("%d are parked", k.tr.Parked())
	}
	k.call(`"over"`)
	k.server(needsURL, k.tr.last)
	k.refused("too many calls wait for their clients")
	k.tick(time.Hour)
	k.nothing() // the server has answered them all
	k.empty()
	if k.tr.Busy() {
		t.Fatal("busy with nothing")
	}
}

// TestToLegacyBoundsLateAnswers has answers that come while the client is away.
func TestToLegacyBoundsLateAnswers(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 1000).start()
	k.call("1")
	k.server(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`)
	k.tick(time.Second)
	state := k.state()
	for _, x := range []int{2000, 500} { // the second is not to be, but comes
		k.server(`{"jsonrpc":"2.0","id":2,"result":{"x":"%s"}}`, strings.Repeat("x", x))
	}
	if k.tr.held > 1000 {
		t.Fatalf("%d bytes are held", k.tr.held)
	}
	k.server(`{"jsonrpc":"2.0","id":2,"method":"roots/list"}`) // it is none of that call
	k.nothing()
	k.retry("2", state, "")
	k.refused("more than the bridge keeps")
	k.tr.setOrphans(nil)
	k.empty()
}

func TestToLegacyBoundsRounds(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	k.call(`"0"`)
	for i := range maxRounds {
		k.server(`{"jsonrpc":"2.0","id":%d,"method":"roots/list"}`, i)
		k.tick(time.Second)
		k.retry(strconv.Itoa(i), k.state(), fmt.Sprintf(`"roots-%d":{"roots":[]}`, i+1))
		k.passed()
	}
	k.server(`{"jsonrpc":"2.0","id":"over","method":"roots/list"}`)
	out := k.tick(time.Second)
	if len(out.ToClient) != 1 || !strings.Contains(string(out.ToClient[0].Frame), "asked too often") ||
		len(out.ToServer) != 2 || readMessage(t, out.ToServer[0]).Method != "notifications/cancelled" || readMessage(t, out.ToServer[1]).Error == nil {
		t.Fatalf("%q to the client and %q to the server", out.ToClient, out.ToServer)
	}
	k.empty()
}

// TestToLegacyBoundsGathering has a server that takes back what it asks and
// asks again, without end.
func TestToLegacyBoundsGathering(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	k.call("1")
	began := k.now
	for i := 0; len(k.out.ToClient) == 0; i++ {
		if k.now.Sub(began) > maxGathers*25*time.Millisecond {
			t.Fatal("the client is never asked")
		}
		k.server(`{"jsonrpc":"2.0","id":%d,"method":"roots/list"}`, i)
		k.server(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, i-1)
		k.tick(20 * time.Millisecond)
	}
	k.state()
	if k.now.Sub(began) < 7*25*time.Millisecond {
		t.Fatalf("the client is asked after %v", k.now.Sub(began))
	}
}

// TestToLegacyStateOnce has a call that comes to an end while the client is
// away, and has to be made again.
func TestToLegacyStateOnce(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	k.call("1")
	k.server(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`)
	k.tick(time.Second)
	first := k.state()
	k.server(`{"jsonrpc":"2.0","id":2,"error":{"code":-32042,"message":"URL","data":{"elicitations":[{"mode":"url"}]}}}`)
	k.retry("2", first, "")
	second := k.state()
	k.retry("3", first, `"elicitation-2":{"action":"accept"}`)
	k.refused("requestState is not valid")
	k.retry("4", second, `"elicitation-2":{"action":"accept"}`)
	k.passed()
}

// TestToLegacyDeclined has a user who declines one of two URLs, and is asked
// for the other once more.
func TestToLegacyDeclined(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	k.call("1")
	k.server(`{"jsonrpc":"2.0","id":2,"error":{"code":-32042,"message":"URL","data":{"elicitations":[{"mode":"url"},{"mode":"url"}]}}}`)
	k.retry("2", k.state(), `"elicitation-1":{"action":"decline"}`)
	k.retry("3", k.state(), `"elicitation-2":{"action":"accept"}`)
	k.refused("has not opened the URL")
	k.empty()

	k.call("4") // for which an answer to another question says nothing
	k.server(`{"jsonrpc":"2.0","id":"q","method":"elicitation/create"}`)
	k.tick(time.Second)
	k.retry("5", k.state(), `"q":{"action":"decline"}`)
	k.server(`{"jsonrpc":"2.0","id":%d,"error":{"code":-32042,"message":"URL","data":{"elicitations":[{"mode":"url"}]}}}`, k.tr.last)
	k.retry("6", k.state(), `"elicitation-1":{"action":"accept"}`)
	k.passed()
}

// TestToLegacyStateOfAnother has a requestState of another conversation with a
// server, in which a call has the same number.
func TestToLegacyStateOfAnother(t *testing.T) {
	t.Parallel()
	sealer := NewSealer()
	park := func(process, principal string) (k *legacyTalk, state string) {
		k = newLegacyTalk(t, 0)
		k.tr.cfg.Sealer, k.tr.cfg.Process, k.tr.cfg.Principal = sealer, process, principal
		k.start().call("1")
		k.server(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`)
		k.tick(time.Second)
		return k, k.state()
	}
	one, mine := park("one", "ann")
	_, other := park("two", "ann")
	_, bobs := park("one", "bob")
	for _, state := range []string{other, bobs} {
		one.retry("2", state, `"roots-1":{"roots":[]}`)
		one.refused("requestState is not valid")
	}
	one.retry("2", mine, `"roots-1":{"roots":[]}`)
	one.passed()
}

func TestToLegacyBoundsListens(t *testing.T) {
	t.Parallel()
	const filter = `"notifications":{"resourceSubscriptions":[%s]},`
	t.Run("number", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 0).start()
		for i := range maxListens {
			k.request(strconv.Itoa(i), "subscriptions/listen", `"notifications":{"toolsListChanged":true},`)
		}
		k.request(`"over"`, "subscriptions/listen", `"notifications":{},`)
		k.refused("too many subscriptions")
	})
	t.Run("resources", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 0).start()
		uris := func(from, to int) string {
			var all []string
			for i := from; i < to; i++ {
				all = append(all, fmt.Sprintf(`"a:%d"`, i))
			}
			return fmt.Sprintf(filter, strings.Join(all, ","))
		}
		if out := k.request("1", "subscriptions/listen", uris(0, maxURIs-1)); len(out.ToServer) != maxURIs-1 {
			t.Fatalf("%d subscriptions", len(out.ToServer))
		}
		if out := k.request("2", "subscriptions/listen", uris(maxURIs-2, maxURIs+5)); len(out.ToServer) != 1 {
			t.Fatalf("%d subscriptions", len(out.ToServer))
		}
		out := k.tick(time.Minute)
		if len(out.ToClient) != 2 || strings.Count(string(out.ToClient[1].Frame), "a:") != 2 {
			t.Fatalf("%.500s", out.ToClient[1].Frame)
		}
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
		k.empty() // though the server has not answered anything
	})
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		k := newLegacyTalk(t, 1000).start()
		k.request("1", "subscriptions/listen", fmt.Sprintf(filter, `"a:1","`+strings.Repeat("x", 1000)+`","a:2"`))
		if len(k.out.ToServer) != 2 {
			t.Fatalf("%.500q", k.out.ToServer)
		}
		k.server(`{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"no"}}`)
		k.server(`{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"no"}}`)
		if k.tr.held != 1 || strings.Contains(string(k.out.ToClient[0].Frame), "a:") {
			t.Fatalf("%d bytes are held: %s", k.tr.held, k.out.ToClient[0].Frame)
		}
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		k.empty()
	})
}

// TestToLegacyServerIsSilent has a server that answers none of our own requests.
func TestToLegacyServerIsSilent(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	for i := range 100 {
		k.request("1", "subscriptions/listen", fmt.Sprintf(`"notifications":{"resourceSubscriptions":["a:%d"]},`, i))
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		level := levels[i%len(levels)]
		k.client(`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{%s,"io.modelcontextprotocol/logLevel":"%s"}}}`, modernMembers, level)
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
		k.out.Reset()
		k.tr.Ping([]byte("3"), &k.out)
		k.passed()
		k.client(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}`)
	}
	k.empty()
	k.out.Reset()
	k.tr.Ping([]byte(`"x"`), &k.out)
	k.client(`{"jsonrpc":"2.0","id":"call","method":"tools/call","params":{"_meta":{%s,"io.modelcontextprotocol/logLevel":"info"}}}`, modernMembers)
	k.server(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","_meta":{"io.modelcontextprotocol/subscriptionId":1}}}`)
	if len(k.out.ToClient) != 1 || string(k.out.ToClient[0].Related) != `"call"` || strings.Contains(string(k.out.ToClient[0].Frame), "_meta") {
		t.Fatalf("the only call at work gets %s", k.out.ToClient)
	}
	k.server(`{"jsonrpc":"2.0","id":%d,"result":{"x":1}}`, k.tr.last-2)
	if len(k.out.ToClient) != 1 || string(k.out.ToClient[0].Frame) != `{"jsonrpc":"2.0","id":"x","result":{"x":1}}` {
		t.Fatalf("%s", k.out.ToClient)
	}
}

// TestToLegacyBoundsName has servers whose name is too much, or nests too
// deep, to be in every result.
func TestToLegacyBoundsName(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]bool{
		`{"name":"s"}`: true,
		`{"name":"` + strings.Repeat("s", maxName) + `"}`:   false,
		`{"name":` + nested(jsonrpc.MaxDepth-3) + `}`:       false,
		`{"name":` + nested(jsonrpc.MaxDepth-4) + `,"x":1}`: true,
	} {
		k := newLegacyTalk(t, 0)
		k.call("1")
		k.server(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":%s}}`, name)
		k.request("2", "server/discover", "")
		if got := strings.Contains(string(k.out.ToClient[0].Frame), metaServerInfo); got != kept {
			t.Errorf("%.30s is kept: %t", name, got)
		}
		k.server(`{"jsonrpc":"2.0","id":2,"result":{"_meta":{}}}`)
	}
}

// TestToLegacyOddAnswers has answers that are not what they should be.
func TestToLegacyOddAnswers(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	for _, test := range []struct{ server, client string }{
		{`"result":null`, `"result":null`},
		{`"result":[]`, `"result":[]`},
		{`"result":{"a":1,"a":2}`, `"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private",INFO,"a":1,"a":2}`},
		{`"result":{"result\u0054ype":"complete","ttl\u004ds":1,"cache\u0053cope":"public","\u005fmeta":{}}`,
			`"result":{"result\u0054ype":"complete","ttl\u004ds":1,"cache\u0053cope":"public","\u005fmeta":{INFO2}}`},
		{`"result":{"tools":{},"_meta":5}`, `"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":{},"_meta":5}`},
		{`"result":{"tool\u0073":[{"name":2},{"name":"b"},{"name":"a"},5]}`,
			`"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private",INFO,"tool\u0073":[{"name":2},5,{"name":"a"},{"name":"b"}]}`},
		{`"error":5`, `"error":5`},
		{`"error":{"code":-32002.0}`, `"error":{"code":-32602}`},
	} {
		k.request("1", "tools/list", "")
		k.server(`{"jsonrpc":"2.0","id":%d.0,%s}`, k.tr.last, test.server)
		want := `{"jsonrpc":"2.0","id":1,` + test.client + `}`
		want = strings.ReplaceAll(want, "INFO2", `"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}`)
		want = strings.ReplaceAll(want, "INFO", `"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}`)
		if len(k.out.ToClient) != 1 || string(k.out.ToClient[0].Frame) != want {
			t.Errorf("%s\nbecomes %q\nwant    %q", test.server, k.out.ToClient, want)
		}
	}
	k.empty()
}

// TestToLegacyKeepsNoFrames has a conversation in which every frame is gone
// when the next one comes.
func TestToLegacyKeepsNoFrames(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	k.client(`{"jsonrpc":"2.0","id":"call","method":"tools/call","params":{"name":"t","_meta":{%s,"progressToken":"tok"}}}`, modernMembers)
	k.server(`{"jsonrpc":"2.0","id":"who","method":"roots/list","params":{"x":1}}`)
	k.server(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}}`)
	if msg := k.out.ToClient[0]; string(msg.Related) != `"call"` || !strings.Contains(string(msg.Frame), `"tok"`) {
		t.Fatalf("%s %s", msg.Related, msg.Frame)
	}
	k.tick(time.Second)
	if question := string(k.out.ToClient[0].Frame); !strings.Contains(question, `"who":{"method":"roots/list","params":{"x":1}}`) {
		t.Fatal(question)
	}
	state := k.state()
	k.server(`{"jsonrpc":"2.0","id":2,"result":{"content":[]}}`)
	k.retry(`"again"`, state, "")
	if answer := string(k.out.ToClient[0].Frame); !strings.HasSuffix(answer, `"content":[]}}`) || !strings.Contains(answer, `"id":"again"`) {
		t.Fatal(answer)
	}
	k.empty()
	k.request(`"call"`, "tools/call", `"inputResponses":{"who":{"roots":[1]}},`)
	k.server(`{"jsonrpc":"2.0","id":"who","method":"roots/list"}`)
	k.passed()
	if answer := string(k.out.ToServer[0]); answer != `{"jsonrpc":"2.0","id":"who","result":{"roots":[1]}}` {
		t.Fatal(answer)
	}
}

// TestToLegacySpeed has a server that asks and takes back while many calls are
// in flight that cannot be asked, and a client that subscribes to one resource
// many times. The work for each must not grow with what else there is.
func TestToLegacySpeed(t *testing.T) {
	t.Parallel()
	k := newLegacyTalk(t, 0).start()
	for i := range maxInFlight - 2 {
		k.request(strconv.Itoa(i), "tools/list", "")
	}
	k.call(`"asks"`)
	if len(k.tr.askable) != 1 {
		t.Fatalf("%d calls are looked at for each question", len(k.tr.askable))
	}
	k.request(`"l"`, "subscriptions/listen", `"notifications":{"resourceSubscriptions":[`+strings.Join(slices.Repeat([]string{`"a:1"`}, 10_000), ",")+`]},`)
	if len(k.out.ToServer) != 1 || len(k.tr.listens[`"l`].uris) != 1 {
		t.Fatalf("%d subscriptions", len(k.out.ToServer))
	}
}

// TestToLegacySpeedOfForms has answers of a size that only a client makes up, to
// questions that only a server does. The work must not be the product of both.
func TestToLegacySpeedOfForms(t *testing.T) {
	t.Parallel()
	members := func(n int, format string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(format, i))
		}
		return strings.Join(list, ",")
	}
	k := newLegacyTalk(t, 0).start()
	k.call("1")
	k.server(`{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"requestedSchema":{"properties":{%s},"required":[%s]}}}`,
		members(5000, `"%d":{"type":"string"}`), members(5000, `"%d"`))
	for i := range maxQuestions - 1 {
		k.server(`{"jsonrpc":"2.0","id":"q%d","method":"roots/list"}`, i)
	}
	k.tick(time.Second)
	state, content, others := k.state(), members(50_000, `"%d":""`), members(50_000, `"%d":{}`)
	began := time.Now()
	k.retry("2", state, `"q":{"action":"accept","content":{`+content+`}},`+others)
	if len(k.out.ToServer) != 1 {
		t.Fatalf("%d answers", len(k.out.ToServer))
	}
	if took := time.Since(began); took > time.Minute {
		t.Fatalf("that took %v", took)
	}
}
