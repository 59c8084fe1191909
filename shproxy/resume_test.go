// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// cutClient reads event streams over connections that break after a number of
// bytes, and comes back with the last event that it saw whole.
type cutClient struct {
	*client
	rnd    *rand.Rand
	lastID string
	got    []string
	retry  time.Duration
	cuts   int
}

// read reads a response until it ends or is cut; it reports whether it ended.
func (c *cutClient) read(r *http.Request, after int) bool {
	c.t.Helper()
	var conn net.Conn
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return conn, err
	}}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != sse.ContentType {
		body, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("%s %s", resp.Status, body)
	}
	var seen bytes.Buffer
	_, err = io.CopyN(&seen, resp.Body, int64(after))
	cut := err == nil
	if cut {
		c.cuts++
		_ = conn.(*net.TCPConn).SetLinger(0) // it breaks, and nobody says good-bye
		_ = conn.Close()
	} else if !errors.Is(err, io.EOF) {
		c.t.Fatal(err)
	}
	c.events(seen.Bytes())
	return !cut
}

// events takes what came whole.
func (c *cutClient) events(seen []byte) {
	c.t.Helper()
	whole := seen[:bytes.LastIndex(seen, []byte("\n\n"))+2]
	if len(whole) < 2 {
		return
	}
	reader := sse.NewReader(bytes.NewReader(whole), 0)
	for {
		event, err := reader.Next()
		if err == io.EOF {
			if retry, ok := reader.Retry(); ok {
				c.retry = retry
			}
			return
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if event.ID == "" {
			c.t.Fatalf("an event without id: %s", event.Data)
		}
		c.lastID = event.ID
		if len(event.Data) > 0 {
			c.got = append(c.got, string(event.Data))
		}
	}
}

// whole reads a stream over as many connections as it takes.
func (c *cutClient) whole(r *http.Request, most int) {
	c.t.Helper()
	first := 200 // enough for the first event id
	for !c.read(r, first+c.rnd.IntN(most)) {
		first = 1
		r = c.request(c.t.Context(), http.MethodGet, "")
		r.Header.Set("Last-Event-ID", c.lastID)
	}
}

// The messages of a call reach a client whose connection breaks again and
// again at any byte: all of them, once, in order.
func TestResumeOverBrokenConnections(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, nil)
	for _, version := range []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"} {
		for seed := range uint64(5) {
			t.Run(fmt.Sprint(version, " ", seed), func(t *testing.T) {
				t.Parallel()
				c := &cutClient{client: connectAs(t, url, version), rnd: rand.New(rand.NewPCG(seed, 0))}
				const n = 200
				frame := toolFrame("1", "progress", map[string]any{"count": n, "text": "done"}, `{"progressToken":"t"}`)
				most := []int{400, 1000, 3000, 10000, 50000}[seed]
				c.whole(c.request(t.Context(), "POST", frame), most)
				if len(c.got) != n+1 {
					t.Fatalf("%d messages over %d connections", len(c.got), c.cuts+1)
				}
				for i := range n {
					if c.got[i] != progressFrame(`"t"`, i+1) {
						t.Fatalf("message %d is %s", i, c.got[i])
					}
				}
				if c.got[n] != textResult("1", "done") {
					t.Errorf("the answer is %s", c.got[n])
				}
				if wants := primed(version); wants != (c.retry > 0) {
					t.Errorf("retry is %v", c.retry)
				}
			})
		}
	}
}

// So do the messages of the standalone stream, which come while nobody is
// there as well.
func TestResumeTheStandaloneStream(t *testing.T) {
	t.Parallel()
	_, url, stage := newStage(t, nil)
	c, child := connectPuppet(t, url, stage, "2025-11-25")
	const n = 300
	const most = 5000 // they fit into the ring, however far the client falls behind
	cut := &cutClient{client: c, rnd: rand.New(rand.NewPCG(1, 2))}
	enough, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := range most {
			select {
			case <-enough:
				return
			default:
				child.Says(logFrame(fmt.Sprint(i)))
			}
		}
	}()
	r := cut.request(t.Context(), http.MethodGet, "")
	for first := 200; len(cut.got) < n; first = 1 {
		cut.read(r, first+cut.rnd.IntN(3000))
		r = cut.request(t.Context(), http.MethodGet, "")
		r.Header.Set("Last-Event-ID", cut.lastID)
	}
	close(enough)
	<-done
	for i, got := range cut.got {
		if got != logFrame(fmt.Sprint(i)) {
			t.Fatalf("message %d of %d over %d connections is %s", i, len(cut.got), cut.cuts, got)
		}
	}
}

// A stream begins with an event that can be resumed from, without data, since
// 2025-11-25 alone: clients of older versions would read a message in it.
func TestPriming(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, nil)
	for _, version := range legacyVersions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := connectAs(t, url, version)
			body := c.body(c.tool("1", "log", map[string]any{"text": "x"}))
			want := "id: 1-1\ndata: " + logFrame("x") + "\n\nid: 1-2\ndata: " + textResult("1", "x") + "\n\n"
			if primed(version) {
				want = "retry: 1000\nid: 1-0\ndata: \n\n" + want
			}
			if body != want {
				t.Errorf("got %q\nwant %q", body, want)
			}
			get := c.do(c.request(t.Context(), "GET", ""))
			c.delete()
			body = c.body(get)
			want = ": the client ended the session\n\n"
			if primed(version) {
				want = "retry: 1000\nid: 2-0\ndata: \n\n" + want
			}
			if body != want {
				t.Errorf("GET: got %q\nwant %q", body, want)
			}
		})
	}
}

// Every id that a client can come back with has an answer that tells it what
// to do.
func TestLastEventIDRefusals(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, nil)
	c := connectAs(t, url, "2025-11-25")
	c.body(c.tool("1", "log", map[string]any{"text": "x"})) // stream 1
	other := connectAs(t, url, "2025-11-25")
	for _, id := range []string{"x", "1", "7-0", "-1-0", "1-0-0", strings.Repeat("9", 100) + "-1"} {
		r := c.request(t.Context(), "GET", "")
		r.Header.Set("Last-Event-ID", id)
		c.wantError(c.do(r), 400, "null", codeTransport, "no longer held")
	}
	r := other.request(t.Context(), "GET", "")
	r.Header.Set("Last-Event-ID", "1-0") // of another session
	other.wantError(other.do(r), 400, "null", codeTransport, "no longer held")
	r = c.request(t.Context(), "GET", "")
	r.Header.Set("Last-Event-ID", "1-1")
	if got := c.body(c.do(r)); got != "id: 1-2\ndata: "+textResult("1", "x")+"\n\n" {
		t.Errorf("got %q", got)
	}
	c.delete()
	r = c.request(t.Context(), "GET", "")
	r.Header.Set("Last-Event-ID", "1-1")
	c.wantError(c.do(r), 404, "null", codeNoSession, "session")
}

// Without replay there are no ids, and nothing to resume.
func TestNoReplay(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, &Options{ReplayBytes: -1})
	c := connectAs(t, url, "2025-11-25")
	body := c.body(c.tool("1", "log", map[string]any{"text": "x"}))
	if want := "data: " + logFrame("x") + "\n\ndata: " + textResult("1", "x") + "\n\n"; body != want {
		t.Errorf("got %q", body)
	}
	r := c.request(t.Context(), "GET", "")
	r.Header.Set("Last-Event-ID", "1-1")
	c.wantError(c.do(r), 400, "null", codeTransport, "no longer held")
}

// A call goes on while its client is away: the server is not told of a
// cancellation, and what it asks is answered when the client is back.
func TestQuestionWhileTheClientIsAway(t *testing.T) {
	t.Parallel()
	proxy, url, stage := newStage(t, nil)
	c, child := connectPuppet(t, url, stage, "2025-11-25")
	ctx, leave := context.WithCancel(t.Context())
	proxy.patience = 0 // so that the stream begins at once
	resp := c.do(c.request(ctx, "POST", `{"jsonrpc":"2.0","id":1,"method":"x"}`))
	e := c.events(resp)
	event, err := e.r.Next()
	if err != nil || event.ID == "" || len(event.Data) != 0 {
		t.Fatalf("the stream begins with %+v, %v", event, err)
	}
	leave()
	child.Expect(`{"jsonrpc":"2.0","id":2,"method":"x"}`)
	child.Says(`{"jsonrpc":"2.0","id":5,"method":"roots/list"}`)
	r := c.request(t.Context(), "GET", "")
	r.Header.Set("Last-Event-ID", event.ID)
	e = c.events(c.do(r))
	if got := e.next(); got != `{"jsonrpc":"2.0","id":5,"method":"roots/list"}` {
		t.Errorf("got %s", got)
	}
	c.post(`{"jsonrpc":"2.0","id":5,"result":{"roots":[]}}`)
	child.Expect(`{"jsonrpc":"2.0","id":5,"result":{"roots":[]}}`)
	child.Says(`{"jsonrpc":"2.0","id":2,"result":1}`)
	if got := e.next(); got != `{"jsonrpc":"2.0","id":1,"result":1}` {
		t.Errorf("got %s", got)
	}
}
