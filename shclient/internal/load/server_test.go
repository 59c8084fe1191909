// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// pipes is a network of pipes, on which the time of a bubble holds.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.accepted <- theirs:
		return ours, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, &net.OpError{Op: "dial", Err: errors.New("nobody listens")}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// serve serves a handler on pipes until the test ends.
func serve(t *testing.T, handler http.Handler) (dial func(context.Context) (net.Conn, error), stop func()) {
	p := newPipes()
	s := &http.Server{Handler: handler, IdleTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(p)
	}()
	stop = func() {
		s.Close()
		p.Close()
		<-done
	}
	t.Cleanup(stop)
	return p.Dial, stop
}

// toolServer has a tool that takes 20 ms, and one that fails.
func toolServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "tools", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "wait"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		time.Sleep(20 * time.Millisecond)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "fail"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New("out\nof tea")
	})
	return s
}

var testClient = Client{Name: "test", Version: "1"}

func callOf(tool string) Call {
	return Call{Method: "tools/call", Params: []byte(`{"name":"` + tool + `","arguments":{}}`)}
}

// measureTarget makes a step of calls on sessions that it opens.
func measureTarget(t *testing.T, target Target, call Call, s Step) (row Row, version string) {
	t.Helper()
	first, err := target.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := OpenAll(t.Context(), target, first, s.Sessions)
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	lanes, err := sessions.Lanes(call, s.Concurrency)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, lane := range lanes {
			lane.Close()
		}
	}()
	var tally Tally
	var report Report
	report.Add(run(t.Context(), lanes, s, &tally, time.Sleep), &tally)
	return report.Steps[0], first.Version()
}

// A real server is measured to the microsecond: 20 ms for each call, and as many
// calls as fit.
func TestKnownLatency(t *testing.T) {
	http := func(o *mcp.StreamableHTTPOptions) func(*testing.T, Protocol) Target {
		return func(t *testing.T, p Protocol) Target {
			server := toolServer()
			dial, _ := serve(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, o))
			target, err := NewHTTP(HTTP{URL: "http://127.0.0.1/mcp", Protocol: p, Client: testClient, Dial: dial})
			if err != nil {
				t.Fatal(err)
			}
			return target
		}
	}
	lines := func(t *testing.T, p Protocol) Target { return linesTo(p, toolServer()) }
	for _, test := range []struct {
		name     string
		target   func(*testing.T, Protocol) Target
		protocol Protocol
		version  string
	}{
		{"HTTP events", http(nil), Either, "2025-11-25"},
		{"HTTP JSON", http(&mcp.StreamableHTTPOptions{JSONResponse: true}), Legacy, "2025-11-25"},
		{"HTTP modern", http(&mcp.StreamableHTTPOptions{Stateless: true}), Modern, "2026-07-28"},
		{"HTTP modern found out", http(&mcp.StreamableHTTPOptions{Stateless: true}), Either, "2026-07-28"},
		{"lines modern found out", lines, Either, "2026-07-28"},
		{"lines legacy", lines, Legacy, "2025-11-25"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				row, version := measureTarget(t, test.target(t, test.protocol), callOf("wait"),
					Step{Sessions: 3, Concurrency: 2, Duration: time.Second, Timeout: time.Minute})
				if version != test.version {
					t.Errorf("version %s, want %s", version, test.version)
				}
				if row.Succeeded != 300 || row.Failed != 0 {
					t.Errorf("%d calls, %+v; want 300, none failed", row.Succeeded, row.Failures)
				}
				if row.Latency.Min != 20 || row.Latency.P50 != 20 || row.Latency.Max != 20 || row.PerSecond != 300 {
					t.Errorf("latency %+v, %v calls/s; want 20 ms, 300", row.Latency, row.PerSecond)
				}
			})
		})
	}
}

// linesTo is a server on pipes, as a command would be.
func linesTo(p Protocol, server *mcp.Server) Target {
	return NewLines(Lines{Protocol: p, Client: testClient, Dial: func(context.Context) (io.ReadWriteCloser, error) {
		in, toServer := io.Pipe()
		fromServer, out := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Run(context.Background(), &mcp.IOTransport{Reader: in, Writer: out})
			out.Close()
			in.Close()
		}()
		return &pipeConn{fromServer, toServer, done}, nil
	}})
}

type pipeConn struct {
	io.ReadCloser
	in   io.WriteCloser
	done chan struct{}
}

func (c *pipeConn) Write(b []byte) (int, error) { return c.in.Write(b) }

func (c *pipeConn) Close() error {
	c.in.Close()
	c.ReadCloser.Close()
	<-c.done
	return nil
}

func TestToolErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row, _ := measureTarget(t, linesTo(Either, toolServer()), callOf("fail"), Step{Sessions: 1, Concurrency: 1, Calls: 3, Duration: time.Hour, Timeout: time.Minute})
		want := FailureCount{ClassTool, "tool error", 3, "out of tea"}
		if row.Failed != 3 || row.Failures[0] != want {
			t.Errorf("failures are %+v, want %+v", row.Failures, want)
		}
		row, _ = measureTarget(t, linesTo(Legacy, toolServer()), Call{Method: "no/such"}, Step{Sessions: 1, Concurrency: 1, Calls: 1, Duration: time.Hour, Timeout: time.Minute})
		if row.Failures[0].Kind != "error -32601" || row.Failures[0].Class != ClassServer {
			t.Errorf("failures are %+v, want error -32601", row.Failures)
		}
	})
}

// afterOpening is a legacy server that answers calls as it is told.
func afterOpening(call http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"initialize"`):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}`)
		case strings.Contains(string(body), "notifications/"):
			w.WriteHeader(http.StatusAccepted)
		default:
			call(w, r)
		}
	})
}

func TestHTTPFailures(t *testing.T) {
	content := func(kind string, status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		}
	}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    FailureCount
	}{
		{"status", content("text/plain", 503, "no\nroom"), FailureCount{ClassServer, "HTTP 503", 2, "no room"}},
		{"denied", content("text/plain", 401, ""), FailureCount{ClassAuth, "HTTP 401", 2, ""}},
		{"error with a status", content("application/json", 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"header"}}`), FailureCount{ClassServer, "error -32020", 2, "header"}},
		{"web page", content("text/html", 200, "<html>"), FailureCount{ClassServer, "bad answer", 2, "not an MCP answer but text/html"}},
		{"no JSON", content("application/json", 200, "{"), FailureCount{ClassServer, "bad answer", 2, "jsonrpc: no string at byte 1"}},
		{"another id", content("application/json", 200, `{"jsonrpc":"2.0","id":"x","result":{}}`), FailureCount{ClassServer, "bad answer", 2, "it answers another request"}},
		{"stream without an answer", content("text/event-stream", 200, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n"), FailureCount{ClassServer, "stream without an answer", 2, ""}},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, FailureCount{ClassUnreachable, "connection closed", 2, ""}},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, FailureCount{ClassServer, "timeout", 2, ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, _ := serve(t, afterOpening(test.handler))
				target, _ := NewHTTP(HTTP{URL: "http://127.0.0.1/mcp", Protocol: Legacy, Client: testClient, Dial: dial})
				row, _ := measureTarget(t, target, callOf("x"), Step{Sessions: 1, Concurrency: 1, Calls: 2, Duration: time.Hour, Timeout: time.Minute})
				if row.Succeeded != 0 || len(row.Failures) != 1 || row.Failures[0] != test.want {
					t.Errorf("%d calls, failures %+v; want %+v", row.Succeeded, row.Failures, test.want)
				}
			})
		})
	}
}

// Servers close connections that rest. The next call must not pay for that.
func TestConnectionsThatRested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := toolServer()
		dial, _ := serve(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)) // closes after 5 s
		target, _ := NewHTTP(HTTP{URL: "http://127.0.0.1/mcp", Protocol: Legacy, Client: testClient, Dial: dial})
		row, _ := measureTarget(t, target, callOf("wait"), Step{Sessions: 1, Concurrency: 1, Rate: .1, Duration: time.Minute, Timeout: time.Minute})
		if row.Succeeded != 6 || row.Failed != 0 {
			t.Errorf("%d calls, failures %+v; want 6, none", row.Succeeded, row.Failures)
		}
	})
}

func TestServerThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
		target, _ := NewHTTP(HTTP{URL: "http://127.0.0.1/mcp", Client: testClient, Dial: dial})
		_, err := target.Open(t.Context())
		if f, ok := errors.AsType[*Failure](err); !ok || !f.IsNoMCP() {
			t.Errorf("a web page: %v", err)
		}
		stop()
		_, err = target.Open(t.Context())
		if err == nil || failureOf(err).Class != ClassUnreachable {
			t.Errorf("no server: %v", err)
		}
	})
}

// A server that does not read must not hold a lane for ever.
func TestServerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := NewLines(Lines{Protocol: Legacy, Client: testClient, Dial: func(context.Context) (io.ReadWriteCloser, error) {
			in, toServer := io.Pipe()
			fromServer, out := io.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				lines := bufio.NewScanner(in)
				lines.Scan()
				fmt.Fprintln(out, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}`)
				lines.Scan() // notifications/initialized; and nothing after it
			}()
			return &pipeConn{fromServer, toServer, done}, nil
		}})
		start := time.Now()
		row, _ := measureTarget(t, target, callOf("x"), Step{Sessions: 1, Concurrency: 2, Duration: time.Minute, Timeout: time.Second})
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it ends after %v, want a minute", took)
		}
		if row.Succeeded != 0 || row.Failures[0].Kind != "connection closed" {
			t.Errorf("%d calls, failures %+v; want closed connections", row.Succeeded, row.Failures)
		}
	})
}

// What a server asks is answered, so that it does not wait.
func TestServerThatAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := toolServer()
		mcp.AddTool(server, &mcp.Tool{Name: "ask"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			err := r.Session.Ping(ctx, nil)
			return &mcp.CallToolResult{Content: []mcp.Content{}}, nil, err
		})
		row, _ := measureTarget(t, linesTo(Legacy, server), callOf("ask"), Step{Sessions: 1, Concurrency: 2, Calls: 10, Duration: time.Hour, Timeout: time.Minute})
		if row.Succeeded != 10 || row.Failed != 0 {
			t.Errorf("%d calls, failures %+v; want 10, none", row.Succeeded, row.Failures)
		}
	})
}
