// SPDX-License-Identifier: Apache-2.0

package era

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// chain are two translators, one behind the other, so that client and server
// are of the same era. What passes both should be what either would have said
// to the other directly.
type chain struct {
	t            *testing.T
	outer, inner Translator // the client talks to the outer one, the server to the inner one
	now          time.Time

	client, server []string // what they were sent
}

// say plays a message of the client or of the server, and all that follows.
func (c *chain) say(client bool, text string) {
	c.t.Helper()
	c.client, c.server = nil, nil
	var out Output
	if client {
		c.give(c.outer, true, text, &out)
		c.fromOuter(&out)
	} else {
		c.give(c.inner, false, text, &out)
		c.fromInner(&out)
	}
	for range 10 { // whatever is gathered is asked now
		c.now = c.now.Add(25 * time.Millisecond)
		var outer, inner Output
		c.inner.Tick(c.now, &inner)
		c.fromInner(&inner)
		c.outer.Tick(c.now, &outer)
		c.fromOuter(&outer)
	}
}

func (c *chain) give(to Translator, client bool, text string, out *Output) {
	c.t.Helper()
	frame := []byte(text)
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	if client {
		to.FromClient(c.now, frame, m, out)
	} else {
		to.FromServer(c.now, frame, m, out)
	}
}

// fromOuter passes on what the outer translator says.
func (c *chain) fromOuter(out *Output) {
	for _, m := range out.ToClient {
		c.client = append(c.client, string(m.Frame))
	}
	for _, frame := range out.ToServer {
		var next Output
		c.give(c.inner, true, string(frame), &next)
		c.fromInner(&next)
	}
}

// fromInner passes on what the inner translator says.
func (c *chain) fromInner(out *Output) {
	for _, frame := range out.ToServer {
		c.server = append(c.server, string(frame))
	}
	for _, m := range out.ToClient {
		var next Output
		c.give(c.outer, false, string(m.Frame), &next)
		c.fromOuter(&next)
	}
}

// got is the only message of those that were sent.
func (c *chain) got(sent []string) message {
	c.t.Helper()
	if len(sent) != 1 {
		c.t.Fatalf("%d messages instead of one: %q", len(sent), sent)
	}
	return readMessage(c.t, []byte(sent[0]))
}

// at is a member of a member of a frame, as Go has it.
func at(t *testing.T, frame string, path ...string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(frame), &value); err != nil {
		t.Fatal(err)
	}
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// same compares two texts of JSON but for the members of the first that are
// named, which only the way through has.
func same(t *testing.T, got, want string, but ...string) {
	t.Helper()
	g, w := at(t, got), at(t, want)
	for _, name := range but {
		drop(g, strings.Split(name, ".")...)
		drop(w, strings.Split(name, ".")...)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("through the bridges\n%s\ndirectly\n%s", got, want)
	}
}

// drop takes a member of a member out.
func drop(value any, path ...string) {
	for _, name := range path[:len(path)-1] {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	if object, ok := value.(map[string]any); ok {
		delete(object, path[len(path)-1])
	}
}

// exchanges are requests and answers of both eras. In the modern one, results
// have some more members; see modernResult.
var exchanges = []struct{ method, params, answer string }{
	{"tools/list", `"cursor":"c"`, `"result":{"tools":[{"name":"a","inputSchema":{"type":"object"},"outputSchema":{"type":"object"}},{"name":"b","x":1.50}],"nextCursor":"d"}`},
	{"prompts/list", ``, `"result":{"prompts":[{"name":"p","arguments":[]}]}`},
	{"resources/list", ``, `"result":{"resources":[{"uri":"a:1","name":"r"}],"x":{"y":12345678901234567890}}`},
	{"resources/templates/list", ``, `"result":{"resourceTemplates":[{"uriTemplate":"a:{b}"}]}`},
	{"resources/read", `"uri":"a:1"`, `"result":{"contents":[{"uri":"a:1","text":"\u00e9"}]}`},
	{"resources/read", `"uri":"a:2"`, `"error":{"code":-32002,"message":"Resource not found","data":{"uri":"a:2"}}`},
	{"prompts/get", `"name":"p","arguments":{"a":"b"}`, `"result":{"description":"d","messages":[{"role":"user","content":{"type":"text","text":"t"}}]}`},
	{"completion/complete", `"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""}`, `"result":{"completion":{"values":["x"]}}`},
	{"tools/call", `"name":"t","arguments":{"n":1.0,"requestState":"not one"}`, `"result":{"content":[{"type":"audio","data":"","mimeType":"a/b"}],"structuredContent":{"n":1.0},"isError":true}`},
	{"tools/call", `"name":"none"`, `"error":{"code":-32602,"message":"Unknown tool"}`},
	{"tools/call", `"name":"t"`, `"error":{"code":-32000,"message":"of the server's own","data":[1]}`},
	{"acme/search", `"q":[{}]`, `"result":{"found":null}`},
	{"acme/none", ``, `"error":{"code":-32601,"message":"Method not found"}`},
}

// chainServer is what the servers of both eras say of themselves.
const (
	chainCapabilities = `{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true,"listChanged":true},"logging":{},"completions":{},"experimental":{"x":{"y":1.0}}}`
	chainInfo         = `{"name":"srv","version":"1","title":"The server"}`
)

// TestModernThroughBoth has a modern client and a modern server with a legacy
// stretch between them.
func TestModernThroughBoth(t *testing.T) {
	t.Parallel()
	const profile = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":` + allCapabilities
	start := func() *chain {
		c := &chain{t: t, now: time.Unix(0, 0),
			outer: NewToLegacy(ToLegacyConfig{Profile: Profile{Capabilities: []byte(allCapabilities), Info: []byte(`{"name":"c","version":"1"}`)}, Process: "p"}),
			inner: NewToModern(ToModernConfig{})}
		c.say(true, `{"jsonrpc":"2.0","id":"d","method":"server/discover","params":{"_meta":{`+profile+`}}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{`+profile+`}}}`)
		answer := `"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":` + chainCapabilities + `,"instructions":"Be nice.","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":` + chainInfo + `}}}`
		c.say(false, `{"jsonrpc":"2.0","id":1,`+answer)
		same(t, c.client[0], `{"jsonrpc":"2.0","id":"d",`+answer)
		return c
	}
	t.Run("exchanges", func(t *testing.T) {
		c := start()
		for i, x := range exchanges {
			params := strings.TrimPrefix(x.params+`,"_meta":{`+profile+`,"traceparent":"00-1","progressToken":"p"}`, ",")
			c.say(true, fmt.Sprintf(`{"jsonrpc":"2.0","id":"c%d","method":%q,"params":{%s}}`, i, x.method, params))
			sid, token := at(t, c.server[0], "id"), at(t, c.server[0], "params", "_meta", "progressToken")
			same(t, c.server[0], fmt.Sprintf(`{"jsonrpc":"2.0","id":0,"method":%q,"params":{%s}}`, x.method, params), "id", "params._meta.progressToken")

			c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%v,"progress":1,"total":2.5}}`, token))
			same(t, c.client[0], `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1,"total":2.5}}`)

			// How long a result may be kept does not cross; here, not at all.
			answer := modernAnswer(x.method, x.answer)
			c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,%s}`, sid, answer))
			same(t, c.client[0], fmt.Sprintf(`{"jsonrpc":"2.0","id":"c%d",%s}`, i, answer))
		}
	})
	t.Run("input", func(t *testing.T) {
		c := start()
		const call = `"name":"t","arguments":{"a":[1.0]},"_meta":{` + profile + `}`
		c.say(true, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+call+`}}`)
		questions := map[string]string{
			"who":   `{"method":"elicitation/create","params":{"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{"n":{"type":"string"}}}}}`,
			"login": `{"method":"elicitation/create","params":{"mode":"url","message":"Log in","url":"https://a"}}`,
			"model": `{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":5}}`,
			"where": `{"method":"roots/list","params":{}}`,
		}
		answers := map[string]string{
			"who": `{"action":"accept","content":{"n":"Ada"}}`, "login": `{"action":"accept"}`,
			"model": answerTo(methodSampling), "where": `{"roots":[{"uri":"file:///a"}]}`,
		}
		c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":{"resultType":"input_required","inputRequests":%s,"requestState":"the server's"}}`, at(t, c.server[0], "id"), object(questions)))
		// The names are others, and so is the state.
		asked := map[string]string{}
		var responses []string
		for name, question := range at(t, c.client[0], "result", "inputRequests").(map[string]any) {
			text, _ := json.Marshal(question)
			for own, q := range questions {
				if reflect.DeepEqual(at(t, q), at(t, string(text))) {
					asked[own] = q
					responses = append(responses, fmt.Sprintf("%q:%s", name, answers[own]))
				}
			}
		}
		if !reflect.DeepEqual(asked, questions) {
			t.Fatalf("the client is asked %s", c.client)
		}
		slices.Sort(responses)
		c.say(true, fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{%s,"inputResponses":{%s},"requestState":%q}}`, call, strings.Join(responses, ","), c.got(c.client).Result.RequestState))
		same(t, c.server[0], `{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{`+call+`,"inputResponses":`+object(answers)+`,"requestState":"the server's"}}`, "id")
		c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":{"resultType":"complete","content":[],"_meta":{"io.modelcontextprotocol/serverInfo":%s}}}`, at(t, c.server[0], "id"), chainInfo))
		same(t, c.client[0], `{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","content":[],"_meta":{"io.modelcontextprotocol/serverInfo":`+chainInfo+`}}}`)
	})
	t.Run("streams", func(t *testing.T) {
		c := start()
		// The server was asked for news of its lists, subscription 2, when the
		// stretch between was initialized.
		c.say(true, `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:1"]},"_meta":{`+profile+`}}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["a:1"]},"_meta":{`+profile+`}}}`)
		c.say(false, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourceSubscriptions":["a:1"]},"_meta":{"io.modelcontextprotocol/subscriptionId":3}}}`)
		same(t, c.client[0], `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:1"]},"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}`)
		for id, news := range map[int]string{2: `"method":"notifications/tools/list_changed","params":{`, 3: `"method":"notifications/resources/updated","params":{"uri":"a:1","x":1,`} {
			c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0",%s"_meta":{"io.modelcontextprotocol/subscriptionId":%d}}}`, news, id))
			same(t, c.client[0], `{"jsonrpc":"2.0",`+news+`"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}`)
		}
		c.say(true, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l"}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}`)

		c.say(true, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{`+profile+`,"io.modelcontextprotocol/logLevel":"info"}}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"t","_meta":{`+profile+`,"io.modelcontextprotocol/logLevel":"info"}}}`)
		for _, level := range []string{"debug", "info"} {
			c.say(false, `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"`+level+`","data":{"x":1.0}}}`)
		}
		same(t, c.client[0], `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{"x":1.0}}}`)
		c.say(true, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"enough"}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4,"reason":"enough"}}`)
		c.say(true, `{"jsonrpc":"2.0","method":"acme/told","params":{"x":1.0}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","method":"acme/told","params":{"x":1.0}}`)
		c.say(false, `{"jsonrpc":"2.0","method":"acme/told","params":{"x":1.0}}`)
		same(t, c.client[0], `{"jsonrpc":"2.0","method":"acme/told","params":{"x":1.0}}`)
	})
}

// modernAnswer is an answer of the legacy era in the words of the modern one.
func modernAnswer(method, answer string) string {
	answer = strings.Replace(answer, `"code":-32002`, `"code":-32602`, 1)
	more := complete + `,`
	if requests[method].cached {
		more += uncached + `,`
	}
	more += `"_meta":{"io.modelcontextprotocol/serverInfo":` + chainInfo + `},`
	return strings.Replace(answer, `"result":{`, `"result":{`+more, 1)
}

func object(members map[string]string) string {
	var list []string
	for name, value := range members {
		list = append(list, fmt.Sprintf("%q:%s", name, value))
	}
	return "{" + strings.Join(list, ",") + "}"
}

// TestLegacyThroughBoth has a legacy client and a legacy server with a modern
// stretch between them.
func TestLegacyThroughBoth(t *testing.T) {
	t.Parallel()
	start := func() *chain {
		c := &chain{t: t, now: time.Unix(0, 0),
			outer: NewToModern(ToModernConfig{}),
			inner: NewToLegacy(ToLegacyConfig{Profile: Profile{Capabilities: []byte(allCapabilities), Info: []byte(`{"name":"c","version":"1"}`)}, Process: "p"})}
		const hello = `"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":` + allCapabilities + `,"clientInfo":{"name":"c","version":"1"}}}`
		c.say(true, `{"jsonrpc":"2.0","id":"i",`+hello)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":1,`+hello)
		const answer = `"result":{"protocolVersion":"2025-11-25","capabilities":` + chainCapabilities + `,"serverInfo":` + chainInfo + `,"instructions":"Be nice."}}`
		c.say(false, `{"jsonrpc":"2.0","id":1,`+answer)
		same(t, c.client[0], `{"jsonrpc":"2.0","id":"i",`+answer, "result._meta")
		same(t, c.server[0], `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		c.say(true, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		return c
	}
	t.Run("exchanges", func(t *testing.T) {
		c := start()
		for i, x := range exchanges {
			params := strings.TrimPrefix(x.params+`,"_meta":{"traceparent":"00-1","progressToken":"p"}`, ",")
			c.say(true, fmt.Sprintf(`{"jsonrpc":"2.0","id":"c%d","method":%q,"params":{%s}}`, i, x.method, params))
			sid, token := at(t, c.server[0], "id"), at(t, c.server[0], "params", "_meta", "progressToken")
			same(t, c.server[0], fmt.Sprintf(`{"jsonrpc":"2.0","id":0,"method":%q,"params":{%s}}`, x.method, params), "id", "params._meta.progressToken")
			c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%v,"progress":1}}`, token))
			same(t, c.client[0], `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}`)
			// The server's name is in each result now.
			c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,%s}`, sid, x.answer))
			same(t, c.client[0], fmt.Sprintf(`{"jsonrpc":"2.0","id":"c%d",%s}`, i, x.answer), "result._meta")
		}
	})
	t.Run("questions", func(t *testing.T) {
		c := start()
		c.say(true, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}`)
		sid := at(t, c.server[0], "id")
		for i, q := range []struct{ ask, answer string }{
			{`"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{"n":{"type":"string"}}}}`, `"result":{"action":"accept","content":{"n":"Ada"},"x":1.0}`},
			{`"method":"elicitation/create","params":{"mode":"form","message":"Who?","requestedSchema":{}}`, `"result":{"action":"decline"}`},
			{`"method":"sampling/createMessage","params":{"messages":[],"maxTokens":5}`, `"result":{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}`},
			{`"method":"roots/list","params":{}`, `"result":{"roots":[{"uri":"file:///a"}]}`},
		} {
			c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,%s}`, i, q.ask))
			same(t, c.client[0], `{"jsonrpc":"2.0","id":0,`+q.ask+`}`, "id")
			c.say(true, fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,%s}`, at(t, c.client[0], "id"), q.answer))
			same(t, c.server[0], fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,%s}`, i, q.answer))
		}
		c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":{"content":[]}}`, sid))
		same(t, c.client[0], `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`, "result._meta")
	})
	t.Run("the rest", func(t *testing.T) {
		c := start()
		c.say(true, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		same(t, c.client[0], `{"jsonrpc":"2.0","id":1,"result":{}}`)
		c.say(false, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":1,"result":{}}`)

		c.say(true, `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:1"}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":0,"method":"resources/subscribe","params":{"uri":"a:1"}}`, "id")
		c.say(false, fmt.Sprintf(`{"jsonrpc":"2.0","id":%v,"result":{}}`, at(t, c.server[0], "id")))
		same(t, c.client[0], `{"jsonrpc":"2.0","id":2,"result":{}}`)
		for _, news := range []string{
			`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:1","x":1}}`,
			`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}`,
			`{"jsonrpc":"2.0","method":"notifications/resources/list_changed","params":{"_meta":{"x":1}}}`,
			`{"jsonrpc":"2.0","method":"acme/told"}`,
		} {
			c.say(false, news)
			same(t, c.client[0], news)
		}
		c.say(true, `{"jsonrpc":"2.0","id":3,"method":"resources/unsubscribe","params":{"uri":"a:1"}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":0,"method":"resources/unsubscribe","params":{"uri":"a:1"}}`, "id")
		same(t, c.client[0], `{"jsonrpc":"2.0","id":3,"result":{}}`)

		// The level is set when a request says it.
		c.say(true, `{"jsonrpc":"2.0","id":4,"method":"logging/setLevel","params":{"level":"info"}}`)
		same(t, c.client[0], `{"jsonrpc":"2.0","id":4,"result":{}}`)
		c.say(true, `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"t"}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","id":0,"method":"logging/setLevel","params":{"level":"info"}}`, "id")
		c.say(false, `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{"x":1.0}}}`)
		same(t, c.client[0], `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{"x":1.0}}}`)
		c.say(true, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"reason":"enough"}}`)
		same(t, c.server[0], `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":0,"reason":"enough"}}`, "params.requestId")
	})
}
