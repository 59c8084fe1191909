// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

func progressFrame(token string, n int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d}}`, token, n)
}

func logFrame(text string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":%q}}`, text)
}

// Progress comes before the answer, complete and in order, on the stream of
// the call that asked for it, even when calls share a token.
func TestProgress(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	const n = 500
	for _, token := range []string{`"t\u0031"`, "7", `"7"`, `"t1"`} {
		first := c.events(c.post(toolFrame("1", "ask", nil, `{"progressToken":`+token+`}`)))
		id := strings.TrimPrefix(strings.SplitN(first.next(), `,"method"`, 2)[0], `{"jsonrpc":"2.0","id":`)
		second := c.post(toolFrame("1", "progress", map[string]any{"count": n, "text": "done"}, `{"progressToken":`+token+`}`))
		e := c.events(second)
		for i := range n {
			if got, want := e.next(), progressFrame(token, i+1); got != want {
				t.Fatalf("event %d: got %s, want %s", i, got, want)
			}
		}
		if got, want := e.next(), textResult("1", "done"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		c.post(`{"jsonrpc":"2.0","id":` + id + `,"result":{}}`)
		if got, want := first.next(), textResult("1", "{}"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What belongs to no call goes to the newest call in flight.
func TestMessagesOfTheServerGoToTheCall(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	e := c.events(c.tool("1", "log", map[string]any{"text": "hello"}))
	if got, want := e.next(), logFrame("hello"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := e.next(), textResult("1", "hello"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A client that takes JSON alone gets the rest on its GET stream.
func TestJSONOnly(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	get := c.listen(t.Context())
	c.header = http.Header{"Accept": {"application/json"}}
	c.want(c.tool("1", "log", map[string]any{"text": "hello"}), 200, textResult("1", "hello"))
	if got, want := get.next(), logFrame("hello"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.want(c.post(toolFrame("2", "progress", map[string]any{"count": 1, "text": "x"}, `{"progressToken":1}`)), 200, textResult("2", "x"))
	if got, want := get.next(), progressFrame("1", 1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// News about lists goes to the GET stream; without one, to a call.
func TestListChanged(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	const changed = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	e := c.events(c.tool("1", "changed", nil))
	if got := e.next(); got != changed {
		t.Errorf("got %s", got)
	}
	get := c.listen(t.Context())
	c.want(c.tool("2", "changed", nil), 200, textResult("2", ""))
	if got := get.next(); got != changed {
		t.Errorf("got %s", got)
	}
}

// Messages wait for a GET stream; the newest stream takes over from an older
// one, which ends.
func TestGetStream(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	const n = 5
	c.want(c.tool("1", "later", map[string]any{"count": n, "text": "x"}), 200, textResult("1", "x"))
	ctx, leave := context.WithCancel(t.Context())
	first := c.listen(ctx)
	for i := range n {
		if got, want := first.next(), logFrame(fmt.Sprint("later ", i+1)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	second := c.listen(t.Context())
	if got := first.next(); got != "EOF" {
		t.Errorf("the older stream got %s", got)
	}
	leave()
	c.want(c.tool("2", "later", map[string]any{"count": 1, "text": "y"}), 200, textResult("2", "y"))
	if got, want := second.next(), logFrame("later 1"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.delete()
	if got := second.next(); got != "EOF" {
		t.Errorf("after DELETE: %s", got)
	}
}

func TestCancel(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	get := c.listen(t.Context())
	done := make(chan *http.Response)
	frame := toolFrame(`"\u0061"`, "wait", nil, "")
	go func() { done <- c.post(frame) }()
	for proxy.sessions.Stats().Calls == 0 {
		time.Sleep(time.Millisecond)
	}
	// One that names no call in flight goes no further: 2 is the id by which
	// the server knows the waiting call.
	if resp := c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`); resp.StatusCode != 202 {
		t.Errorf("cancelled: %s", resp.Status)
	}
	c.want(c.post(`{"jsonrpc":"2.0","id":3,"method":"ping"}`), 200, `{"jsonrpc":"2.0","id":3,"result":{}}`)
	if resp := c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"r","requestId":"a"}}`); resp.StatusCode != 202 {
		t.Errorf("cancelled: %s", resp.Status)
	}
	if got := c.events(<-done).next(); got != "EOF" {
		t.Errorf("the cancelled call got %s", got)
	}
	if got := get.next(); !strings.HasPrefix(got, `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"cancelled `) {
		t.Errorf("the server did not see the cancellation: %s", got)
	}
}

// A slow call gets its headers soon, signs of life, and its answer.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	const keepAlive = ": keep-alive\n\n"
	proxy, url, stage := newStage(t, &Options{KeepAlive: 20 * time.Millisecond})
	c, child := connectPuppet(t, url, stage, testVersion)
	proxy.patience = 20 * time.Millisecond
	resp := c.tool("1", "slow", nil) // whose headers are here before its answer
	child.Hears()
	lives := make([]byte, 2*len(keepAlive))
	if _, err := io.ReadFull(resp.Body, lives); err != nil || string(lives) != keepAlive+keepAlive {
		t.Fatalf("got %q, %v", lives, err)
	}
	child.Says(textResult("2", "late"))
	body, answer := c.body(resp), "id: 1-1\ndata: "+textResult("1", "late")+"\n\n"
	if !strings.HasSuffix(body, answer) || strings.ReplaceAll(strings.TrimSuffix(body, answer), keepAlive, "") != "" {
		t.Errorf("got %q", body)
	}
	get := c.do(c.request(t.Context(), http.MethodGet, ""))
	alive := make([]byte, len(keepAlive))
	if _, err := io.ReadFull(get.Body, alive); err != nil || string(alive) != keepAlive {
		t.Errorf("GET: %q, %v", alive, err)
	}
}

// A closed connection is no cancellation; what the server still says goes
// elsewhere, and the session works on.
func TestClientLeavesInMidCall(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, &Options{ReplayBytes: -1})
	c := connect(t, url)
	for range 20 {
		ctx, leave := context.WithCancel(t.Context())
		resp := c.do(c.request(ctx, "POST", toolFrame("1", "ask", nil, "")))
		if got := c.events(resp).next(); !strings.Contains(got, "sampling/createMessage") {
			t.Fatalf("got %s", got)
		}
		leave()
	}
	c.want(c.tool("2", "echo", map[string]any{"text": "still here"}), 200, textResult("2", "still here"))
	for proxy.sessions.Stats().Calls > 0 {
		time.Sleep(time.Millisecond)
	}
}

// A client that reads slowly, and goes on to, gets a large message whole.
func TestTimeToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlineWriter{}
		rp := &reply{w: w}
		for message, want := range map[int]time.Duration{0: 30 * time.Second, 10 << 20: 190 * time.Second} {
			rp.extendDeadline(message)
			if got := time.Until(w.deadline); got != want {
				t.Errorf("%v for a message of %d bytes, want %v", got, message, want)
			}
		}
	})
}

type deadlineWriter struct {
	httptest.ResponseRecorder
	deadline time.Time
}

func (w *deadlineWriter) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}
