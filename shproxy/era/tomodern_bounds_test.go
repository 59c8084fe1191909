// SPDX-License-Identifier: Apache-2.0

package era

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// modernTalk feeds a ToModern one message at a time.
type modernTalk struct {
	t    testing.TB
	tr   *ToModern
	last []byte // frame, which is gone when the next one comes
	out  Output
}

// newModernTalk returns one with a client that takes all questions.
func newModernTalk(t testing.TB, maxHeld int) *modernTalk {
	k := &modernTalk{t: t, tr: NewToModern(ToModernConfig{MaxHeld: maxHeld})}
	k.client(`{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{},"roots":{}},"clientInfo":{"name":"c","version":"1"}}}`)
	k.server(`{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"resources":{"subscribe":true}}}}`)
	return k
}

func (k *modernTalk) client(format string, args ...any) *Output {
	k.next(format, args)
	k.tr.FromClient(time.Time{}, k.last, k.scan(k.last), &k.out)
	return &k.out
}

func (k *modernTalk) server(format string, args ...any) *Output {
	k.next(format, args)
	k.tr.FromServer(time.Time{}, k.last, k.scan(k.last), &k.out)
	return &k.out
}

func (k *modernTalk) next(format string, args []any) {
	for i := range k.last {
		k.last[i] = '!'
	}
	k.last = fmt.Appendf(nil, format, args...)
	k.out.Reset()
}

func (k *modernTalk) scan(frame []byte) jsonrpc.Message {
	k.t.Helper()
	m, err := jsonrpc.Scan(frame)
	if err != nil {
		k.t.Fatalf("%.200s: %v", frame, err)
	}
	return m
}

// refused checks that the only answer is an error with the text.
func (k *modernTalk) refused(text string) {
	k.t.Helper()
	if len(k.out.ToServer) > 0 || len(k.out.ToClient) != 1 || !strings.Contains(string(k.out.ToClient[0].Frame), text) {
		k.t.Fatalf("no error with %q, but %.200q to the server and %.500q to the client", text, k.out.ToServer, k.out.ToClient)
	}
	if m := k.scan(k.out.ToClient[0].Frame); !m.Error.Present() {
		k.t.Fatalf("no error: %s", k.out.ToClient[0].Frame)
	}
}

// passed checks that exactly one message goes to the server.
func (k *modernTalk) passed() {
	k.t.Helper()
	if len(k.out.ToServer) != 1 || len(k.out.ToClient) > 0 {
		k.t.Fatalf("%q to the server and %q to the client", k.out.ToServer, k.out.ToClient)
	}
	k.scan(k.out.ToServer[0])
}

// nothing checks that all that was held is released.
func (k *modernTalk) nothing() {
	k.t.Helper()
	if t := k.tr; t.held != 0 || len(t.byClient) > 0 || len(t.inputs) > 0 {
		k.t.Fatalf("%d bytes of %d calls and %d questions are left", t.held, len(t.byClient), len(t.inputs))
	}
}

func TestToModernBoundsWaiting(t *testing.T) {
	t.Parallel()
	const initialize = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{}}`
	t.Run("number", func(t *testing.T) {
		k := &modernTalk{t: t, tr: NewToModern(ToModernConfig{})}
		k.client(initialize)
		for i := range mostWaiting {
			if out := k.client(`{"jsonrpc":"2.0","id":%d,"method":"m"}`, i); len(out.ToClient)+len(out.ToServer) > 0 {
				t.Fatalf("request %d does not wait: %s", i, out.ToClient[0].Frame)
			}
		}
		k.client(`{"jsonrpc":"2.0","id":"over","method":"m"}`)
		k.refused("too much waits")
		out := k.server(`{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}`)
		if len(out.ToServer) != mostWaiting || len(out.ToClient) != 1 {
			t.Fatalf("%d requests came out and %d answers", len(out.ToServer), len(out.ToClient))
		}
	})
	t.Run("bytes", func(t *testing.T) {
		k := &modernTalk{t: t, tr: NewToModern(ToModernConfig{MaxHeld: 1000})}
		k.client(initialize)
		k.client(`{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":"%s"}}`, strings.Repeat("x", 800))
		k.client(`{"jsonrpc":"2.0","id":2,"method":"m","params":{"x":"%s"}}`, strings.Repeat("x", 800))
		k.refused("too much waits")
		k.server(`{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}`)
		k.nothing()
	})
}

func TestToModernBoundsProfile(t *testing.T) {
	t.Parallel()
	for _, capabilities := range []string{
		`{"x":"` + strings.Repeat("x", mostProfile) + `"}`,
		strings.Repeat(`{"x":`, jsonrpc.MaxDepth-2) + "1" + strings.Repeat("}", jsonrpc.MaxDepth-2),
	} {
		k := &modernTalk{t: t, tr: NewToModern(ToModernConfig{})}
		k.client(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":%s}}`, capabilities)
		k.refused("capabilities and clientInfo")
		k.nothing()
		k.client(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`)
		k.passed()
	}
}

func TestToModernBoundsCalls(t *testing.T) {
	t.Parallel()
	k := newModernTalk(t, 0)
	for i := range mostCalls {
		k.client(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, i)
		k.passed()
	}
	k.client(`{"jsonrpc":"2.0","id":"over","method":"tools/list"}`)
	k.refused("too many requests")
	k.server(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	k.client(`{"jsonrpc":"2.0","id":"over","method":"tools/list"}`)
	k.passed()

	k = newModernTalk(t, 1000)
	k.client(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":"%s"}}}`, strings.Repeat("x", 2000))
	k.refused("too many requests")
	k.client(`{"jsonrpc":"2.0","id":1,"method":"%s"}`, strings.Repeat("x", 2000))
	k.refused("too many requests")
	k.nothing()
}

const asks = `{"jsonrpc":"2.0","id":%d,"result":{"resultType":"input_required","inputRequests":{%s}}}`

// questions are n of them.
func questions(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"q%d":{"method":"roots/list"}`, i))
	}
	return strings.Join(list, ",")
}

func TestToModernBoundsRounds(t *testing.T) {
	t.Parallel()
	k := newModernTalk(t, 0)
	k.client(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}`)
	for i := range mostRounds {
		k.server(asks, k.tr.lastID, questions(1))
		k.client(`{"jsonrpc":"2.0","id":"bridge-%d","result":{"roots":[]}}`, i+1)
		k.passed()
	}
	k.server(asks, k.tr.lastID, questions(1))
	k.refused("more than 10 times")
	k.nothing()
}

func TestToModernBoundsQuestions(t *testing.T) {
	t.Parallel()
	k := newModernTalk(t, 0)
	ask := func(n int) *Output {
		k.client(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"t"}}`, k.tr.born)
		return k.server(asks, k.tr.lastID, questions(n))
	}
	ask(mostAsked + 1)
	k.refused("more input")
	k.nothing()
	for len(k.tr.inputs)+mostAsked <= mostOpen {
		if out := ask(mostAsked); len(out.ToClient) != mostAsked {
			t.Fatalf("%d questions for %d", len(out.ToClient), mostAsked)
		}
	}
	ask(mostOpen - len(k.tr.inputs) + 1)
	k.refused("more input")
	ask(mostOpen - len(k.tr.inputs))
	ask(1)
	k.refused("more input")
}

func TestToModernBoundsBytes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	t.Run("call", func(t *testing.T) {
		t.Parallel()
		k := newModernTalk(t, 1000)
		k.client(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s"}}`, long)
		k.passed()
		k.server(asks, k.tr.lastID, questions(1))
		k.refused("too much is kept")
		k.nothing()
	})
	t.Run("state", func(t *testing.T) {
		t.Parallel()
		k := newModernTalk(t, 1000)
		k.client(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}`)
		k.server(`{"jsonrpc":"2.0","id":%d,"result":{"resultType":"input_required","requestState":"%s"}}`, k.tr.lastID, long)
		k.refused("more input")
		k.nothing()
	})
	t.Run("answer", func(t *testing.T) {
		t.Parallel()
		k := newModernTalk(t, 1000)
		k.client(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}`)
		k.server(asks, k.tr.lastID, questions(2))
		out := k.client(`{"jsonrpc":"2.0","id":"bridge-1","result":{"roots":["%s"]}}`, long)
		if len(out.ToClient) != 2 || !strings.Contains(string(out.ToClient[0].Frame), `"requestId":"bridge-2"`) ||
			!strings.Contains(string(out.ToClient[1].Frame), "more than the bridge keeps") {
			t.Fatalf("%q", out.ToClient)
		}
		k.nothing()
	})
	t.Run("depth", func(t *testing.T) {
		t.Parallel()
		k := newModernTalk(t, 0)
		k.client(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}`)
		k.server(asks, k.tr.lastID, questions(1))
		const depth = jsonrpc.MaxDepth - 2
		k.client(`{"jsonrpc":"2.0","id":"bridge-1","result":{"x":%s}}`, strings.Repeat("[", depth)+strings.Repeat("]", depth))
		k.refused("cannot be passed on")
		k.nothing()
	})
}

func TestToModernBoundsSubscriptions(t *testing.T) {
	t.Parallel()
	k := newModernTalk(t, 0)
	const subscribe = `{"jsonrpc":"2.0","id":%q,"method":"resources/subscribe","params":{"uri":%q}}`
	for i := range mostURIs {
		k.client(subscribe, fmt.Sprint(i), fmt.Sprint("file:///", i))
		k.passed()
	}
	k.client(subscribe, "over", "file:///over")
	k.refused("too many subscriptions")
	k.client(`{"jsonrpc":"2.0","id":"u","method":"resources/unsubscribe","params":{"uri":"file:///7"}}`)
	k.client(subscribe, "over", "file:///over")
	k.passed()

	k = newModernTalk(t, 1000)
	k.client(subscribe, "1", strings.Repeat("x", 2000))
	k.refused("too many subscriptions")
	k.client(subscribe, "2", "file:///a")
	k.client(`{"jsonrpc":"2.0","id":"u","method":"resources/unsubscribe","params":{"uri":"file:///a"}}`)
	k.nothing()
}

// TestToModernKeepsNoFrames has a conversation in which every frame is gone
// when the next one comes.
func TestToModernKeepsNoFrames(t *testing.T) {
	t.Parallel()
	k := newModernTalk(t, 0)
	k.client(`{"jsonrpc":"2.0","id":"call","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"tok"}}}`)
	k.server(`{"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"roots/list"}},"requestState":"s"}}`)
	k.client(`{"jsonrpc":"2.0","id":"bridge-1","result":{"roots":[1]}}`)
	k.client(`{"jsonrpc":"2.0","id":"bridge-2","result":{"roots":[2]}}`)
	k.passed()
	if again := string(k.out.ToServer[0]); !strings.HasSuffix(again, `"inputResponses":{"a":{"roots":[1]},"b":{"roots":[2]}},"requestState":"s"}}`) {
		t.Fatal(again)
	}
	out := k.server(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"tok","progress":1}}`)
	if len(out.ToClient) != 1 || string(out.ToClient[0].Related) != `"call"` {
		t.Fatalf("%q", out.ToClient)
	}
	k.server(`{"jsonrpc":"2.0","id":3,"result":{"content":[]}}`)
	if answer := string(out.ToClient[0].Frame); answer != `{"jsonrpc":"2.0","id":"call","result":{"content":[]}}` {
		t.Fatal(answer)
	}
	k.nothing()
}
