// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

const spanParent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"

// The context of a span takes the place of the one that a client sent, wherever
// that stands, and leaves all else as it is.
func TestSpanEdit(t *testing.T) {
	const ours = `"traceparent":"` + spanParent + `","tracestate":"a=b"`
	for frame, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"x"}`:                                                                          `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ours + `}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"a":1}}}`:                                               `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ours + `,"a":1}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"a":1,"traceparent":"y","b":{"traceparent":"z"}}}}`:     `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ours + `,"a":1,"b":{"traceparent":"z"}}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"tracestate":null, "trace\u0070arent" : 1},"c":2}}`:     `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ours + `},"c":2}}`,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":"t","traceparent":"y","baggage":"q"}}}`: `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + ours + `,"progressToken":"t","baggage":"q"}}}`,
	} {
		m, err := jsonrpc.Scan([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		edit, ok := spanEdit(http.Header{}, []byte(frame), m, TraceContext{spanParent, "a=b"})
		if got := string(jsonrpc.AppendSplice(nil, []byte(frame), edit)); !ok || got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", frame, got, want)
		}
	}
}

// recorder is a tracer that writes down what it is told.
type recorder struct {
	mu    sync.Mutex
	calls []TracedCall // guarded by mu
	ends  []string     // guarded by mu
}

func (r *recorder) trace(_ context.Context, c TracedCall) CallSpan {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
	own := TraceContext{TraceParent: spanParent}
	if strings.HasPrefix(c.Method, "initialize") || c.Method == "notifications/initialized" {
		own = TraceContext{} // as of a tracer that leaves them alone
	}
	return CallSpan{Context: own, End: func(outcome string, code int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ends = append(r.ends, fmt.Sprint(c.Method, " ", outcome, " ", code))
	}}
}

// A batch that is refused has no spans, since nothing of it goes to the server.
func TestTraceOfBatches(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	_, url := newTestProxy(t, testserver.Good, &Options{Trace: r.trace, Identify: identifyByHeader, MaxCallerRate: 1})
	c := (&client{t: t, url: url, header: http.Header{}}).as("ana")
	hello := c.post(strings.Replace(initializeFrame, testVersion, batchVersion, 1))
	c.session, c.version = hello.Header.Get(headerSession), batchVersion
	c.body(hello)
	const ping, note = `{"jsonrpc":"2.0","id":1,"method":"ping"}`, `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	ends := func(name string, want ...string) {
		t.Helper()
		var got []string
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // a span may end after its answer
			r.mu.Lock()
			got = slices.Sorted(slices.Values(r.ends))
			n := len(r.calls)
			r.mu.Unlock()
			if n == len(got) && len(got) >= len(want) || time.Now().After(deadline) {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: ended: %q, want %q", name, got, want)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls, r.ends = nil, nil
	}
	ends("initialize", "initialize ok 0")
	c.body(c.post("[" + note + "," + ping + "," + initializeFrame + "]"))
	ends("initialize in a batch")
	c.header.Set("Accept", "application/json")
	c.body(c.post("[" + note + "," + ping + "]"))
	ends("not acceptable")
	c.header.Del("Accept")
	many := "[" + note + strings.Repeat(","+ping, 9) + "]" // all that he may after initialize
	c.body(c.post(many))
	ends("served", append([]string{"notifications/initialized ok 0"}, slices.Repeat([]string{"ping ok 0"}, 9)...)...)
	if resp := c.post(many); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("too many: %s", resp.Status)
	}
	ends("too many")
}

// A tracer hears of each message once, with bounded words and no arguments, and of
// its end once; the server sees the tracer's context, beside a progress token that
// is replaced.
func TestTrace(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	_, url, stage := newStage(t, &Options{Trace: r.trace})
	c, child := connectPuppet(t, url, stage, batchVersion)
	const ours = `"_meta":{"traceparent":"` + spanParent + `"`
	send := func(frame string) chan *http.Response {
		done := make(chan *http.Response, 1)
		go func() { done <- c.post(frame) }()
		return done
	}
	first := send(`{"jsonrpc":"2.0","id":"one","method":"tools/call","params":{"name":"` + strings.Repeat("é", 100) + `","arguments":{"key":"sesame"},"_meta":{"progressToken":"t","traceparent":"` + traceParent + `"}}}`)
	child.Expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"` + strings.Repeat("é", 100) + `","arguments":{"key":"sesame"},` + ours + `,"progressToken":"t"}}}`)
	second := send(`{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"p","_meta":{"progressToken":"t"}}}`)
	child.Expect(`{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"p",` + ours + `,"progressToken":"shproxy-3"}}}`)
	child.Says(`{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"no"}}`)
	child.Says(`{"jsonrpc":"2.0","id":2,"result":{"isError":true,"content":[]}}`)
	c.want(<-first, 200, `{"jsonrpc":"2.0","id":"one","result":{"isError":true,"content":[]}}`)
	c.want(<-second, 200, `{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"no"}}`)
	c.post(`{"jsonrpc":"2.0","method":"notifications/sesame"}`)
	child.Expect(`{"jsonrpc":"2.0","method":"notifications/sesame","params":{` + ours + `}}}`)

	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.ends)
	if want := []string{"initialize ok 0", "notifications/initialized ok 0", "other ok 0", "prompts/get error -32602", "tools/call tool_error 0"}; !slices.Equal(r.ends, want) {
		t.Errorf("ended: %q, want %q", r.ends, want)
	}
	for _, call := range r.calls {
		if strings.Contains(fmt.Sprint(call), "sesame") || call.Method != "initialize" && (call.Session == "" || strings.Contains(c.header.Get("Mcp-Session-Id"), call.Session)) {
			t.Errorf("told of %+v", call)
		}
		switch call.Method {
		case "tools/call":
			if call.Tool != strings.Repeat("é", 64) || call.ID != "one" || call.Parent.TraceParent != traceParent {
				t.Errorf("%+v", call)
			}
		case "prompts/get":
			if call.Prompt != "p" || call.Tool != "" || call.Parent != (TraceContext{}) {
				t.Errorf("%+v", call)
			}
		}
	}
}
