// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// pipeConn is a connection with what runs at the other end of two pipes.
type pipeConn struct {
	io.Reader
	io.WriteCloser
	close func()
}

func (c *pipeConn) CloseWrite() error { return c.WriteCloser.Close() }
func (c *pipeConn) Close() error      { c.close(); return nil }

func connect(serve func(in io.Reader, out io.Writer)) *pipeConn {
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(in, out)
		in.Close()
		out.Close()
	}()
	return &pipeConn{fromServer, toServer, sync.OnceFunc(func() {
		toServer.Close()
		fromServer.Close()
		<-done
	})}
}

// toServer serves a server of the SDK.
func toServer(s *mcp.Server) *pipeConn {
	return connect(func(in io.Reader, out io.Writer) {
		_ = s.Run(context.Background(), &mcp.IOTransport{Reader: io.NopCloser(in), Writer: nopCloser{out}})
	})
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// askingServer asks who the client is before it answers. Its lists have pages.
func askingServer(question string) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "asking", Version: "1"}, &mcp.ServerOptions{PageSize: 1})
	mcp.AddTool(s, &mcp.Tool{Name: "greet"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		answer, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: question})
		if err != nil {
			return nil, nil, err
		}
		if err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: 1}); err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint("hello ", answer.Content["name"])}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "other"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{}}, nil, nil
	})
	return s
}

// recordSession is the capture of a real client with a real server.
func recordSession(t *testing.T) *Capture {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	in, toBridge := io.Pipe()
	fromBridge, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Record(t.Context(), in, out, toServer(askingServer("who?")), w)
		out.Close()
		done <- err
	}()
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "ana"}}, nil
		},
	})
	session, err := client.Connect(t.Context(), &mcp.IOTransport{Reader: fromBridge, Writer: toBridge}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	for tool, err := range session.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(tool, err)
		}
	}
	params := &mcp.CallToolParams{Name: "greet"}
	params.SetProgressToken("p")
	result, err := session.CallTool(t.Context(), params)
	if err != nil || result.IsError {
		t.Fatal(result, err)
	}
	session.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func replay(t *testing.T, c *Capture, conn *pipeConn) (*ReplayReport, string, error) {
	t.Helper()
	defer conn.Close()
	report, err := Replay(t.Context(), conn, c, ReplayOptions{Timeout: time.Minute})
	var text strings.Builder
	_ = WriteChanges(&text, report.Changes)
	return report, text.String(), err
}

func TestReplayOfARealSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := recordSession(t)
		report, text, err := replay(t, c, toServer(askingServer("who?")))
		if err != nil || text != "" || report.Requests != 4 {
			t.Errorf("the same server: %d requests, %v\n%s", report.Requests, err, text)
		}
		_, text, err = replay(t, c, toServer(askingServer("what?")))
		want := "question elicitation/create\n  ~ $.params.message: \"who?\" → \"what?\"\n"
		if err != nil || text != want {
			t.Errorf("another question: %v\n%s\nwant\n%s", err, text, want)
		}
		silent := mcp.NewServer(&mcp.Implementation{Name: "asking", Version: "1"}, &mcp.ServerOptions{PageSize: 1})
		mcp.AddTool(silent, &mcp.Tool{Name: "greet"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, errors.New("no")
		})
		_, text, err = replay(t, c, toServer(silent))
		for _, want := range []string{
			"tool other\n  - $  (breaking: clients may use it)",
			"tools/call greet\n",
			"$.result.isError: true  (breaking: it worked before)",
			"question elicitation/create\n  - $\n",
			"notifications/progress\n  - $\n",
		} {
			if err != nil || !strings.Contains(text, want) {
				t.Errorf("a server that fails: %v\n%s\nwant\n%s", err, text, want)
			}
		}
	})
}

// capture of lines: "client: …" and "server: …".
func captureOf(t *testing.T, lines ...string) *Capture {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"capture":1,"time":"2026-01-01T00:00:00Z","target":"x","redacted":true}` + "\n")
	for _, line := range lines {
		from, message, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&b, `{"ms":1,"from":%q,"message":%s}`+"\n", from, message)
	}
	c, err := Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// script is a server that expects lines and says lines: "> …" and "< …".
func script(t *testing.T, steps ...string) *pipeConn {
	return connect(func(in io.Reader, out io.Writer) {
		lines := bufio.NewScanner(in)
		for _, step := range steps {
			if say, ok := strings.CutPrefix(step, "< "); ok {
				fmt.Fprintln(out, say)
				continue
			}
			lines.Scan()
			if got, want := lines.Text(), strings.TrimPrefix(step, "> "); got != want {
				t.Errorf("the server got\n%s\nwant\n%s", got, want)
			}
		}
		lines.Scan() // the end
	})
}

func TestReplayGivesWhatTheServerGave(t *testing.T) {
	c := captureOf(t,
		`client: {"jsonrpc":"2.0","id":"a","method":"tools/list"}`,
		`server: {"jsonrpc":"2.0","id":"a","result":{"tools":[],"nextCursor":"old"}}`,
		`client: {"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"old"}}`,
		`client: {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x","arguments":{"cursor":"old"}}}`,
		`server: {"jsonrpc":"2.0","id":3,"result":{"resultType":"input_required","requestState":"s1"}}`,
		`server: {"jsonrpc":"2.0","id":2,"result":{"tools":[]}}`,
		`client: {"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"x","requestState":"s1","inputResponses":{}}}`,
		`server: {"jsonrpc":"2.0","id":4,"result":{"n":1.0,"secret":"[redacted]"}}`,
		`client: {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}`,
	)
	conn := script(t,
		`> {"jsonrpc":"2.0","id":"a","method":"tools/list"}`,
		`< noise`,
		`< {"jsonrpc":"2.0","id":"a","result":{"nextCursor":"new\"1","tools":[]}}`,
		`> {"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"new\"1"}}`,
		`> {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x","arguments":{"cursor":"old"}}}`,
		`< {"jsonrpc":"2.0","id":77,"method":"ping"}`,
		`> {"jsonrpc":"2.0","id":77,"result":{}}`,
		`< {"jsonrpc":"2.0","id":2,"result":{"tools":[]}}`,
		`< {"jsonrpc":"2.0","id":3,"result":{"requestState":"t2","resultType":"input_required"}}`,
		`> {"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"x","requestState":"t2","inputResponses":{}}}`,
		`< {"jsonrpc":"2.0","id":4,"result":{"secret":{"any":1},"n":1}}`,
		`> {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}`,
	)
	report, text, err := replay(t, c, conn)
	if err != nil || text != "" || report.Requests != 4 {
		t.Errorf("%d requests, %v\n%s", report.Requests, err, text)
	}
}

func TestReplayOfServersThatDoNotAnswer(t *testing.T) {
	c := captureOf(t,
		`client: {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`,
		`server: {"jsonrpc":"2.0","id":1,"result":{}}`,
	)
	synctest.Test(t, func(t *testing.T) {
		_, text, err := replay(t, c, script(t, `> {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`))
		if want := "tools/call x\n  - $  (breaking: no answer within 1m0s)\n"; err != nil || text != want {
			t.Errorf("silence: %v\n%s\nwant\n%s", err, text, want)
		}
		_, _, err = replay(t, c, connect(func(in io.Reader, _ io.Writer) { bufio.NewScanner(in).Scan() }))
		if err == nil || !strings.Contains(err.Error(), "the server has ended before it ") || !strings.Contains(err.Error(), "tools/call x (line 2)") {
			t.Errorf("the end: %v", err)
		}
		blocked := make(chan struct{})
		conn := connect(func(io.Reader, io.Writer) { <-blocked })
		_, err = Replay(t.Context(), conn, c, ReplayOptions{Timeout: time.Minute})
		if err == nil || !strings.Contains(err.Error(), "does not read") {
			t.Errorf("a server that does not read: %v", err)
		}
		close(blocked)
		conn.Close()
	})
}

func TestCapturesThatAreNone(t *testing.T) {
	const header = `{"capture":1,"time":"2026-01-01T00:00:00Z","target":"x","redacted":true}` + "\n"
	for text, want := range map[string]string{
		"":                  "no capture",
		"{}\n":              "no capture",
		`{"capture":2}`:     "format 2",
		header + "{}\n{}\n": "line 2: from must be client or server",
		header + `{"from":"client","message":{"id":1}}` + "\n{}\n": "line 2: jsonrpc",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	c, err := Read(strings.NewReader(header + `{"from":"server","text":"noise"}` + "\n\n" + `{"from":"client","mess`))
	if err != nil || len(c.Entries) != 1 {
		t.Errorf("a line that was cut off: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"capture":1}` + "\n" + `{"from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/list"}}` + "\n" +
		`{"from":"server","message":{"jsonrpc":"2.0","id":1.0,"result":{"tools":[{"name":"x","inputSchema":{"type":[1],"anyOf":3}}]}}}`))
	f.Add([]byte(`{"capture":1}` + "\n" + `{"from":"client","message":{"jsonrpc":"2.0","id":1,"method":"initialize"}}` + "\n" +
		`{"from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"capabilities":[],"serverInfo":null,"_meta":0}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if changes, _ := Compare(c.Surface(), c.Surface()); len(changes) > 0 {
			t.Errorf("a capture differs from itself: %+v", changes)
		}
		if changes := Exchanges(c, c); len(changes) > 0 {
			t.Errorf("a capture differs from itself: %+v", changes)
		}
		Compare(&Surface{Items: map[string]map[string]any{}}, c.Surface())
	})
}
