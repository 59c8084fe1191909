// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sampling is deprecated since 2026-07-28, and still has to pass

package shclient_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// patience is how long a test waits for what must happen; it bounds a failure,
// and never decides a success.
const patience = time.Minute

// serve starts an HTTP server for the length of the test.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL + "/mcp"
}

// program is the stdio end of a running bridge.
type program struct {
	t     testing.TB
	stdin io.WriteCloser
	lines *bufio.Reader
	out   *io.PipeReader
	ended chan error
	end   context.CancelFunc
}

// startBridge runs a bridge to url between pipes. The test need not end it.
func startBridge(t testing.TB, o shclient.Options, limits *shclient.BridgeOptions) *program {
	t.Helper()
	var with shclient.BridgeOptions
	if limits != nil {
		with = *limits
	}
	if with.DrainTimeout == 0 {
		with.DrainTimeout = patience / 2 // a slow machine has its time for what is in flight
	}
	b, err := shclient.NewBridge(o, &with)
	if err != nil {
		t.Fatal(err)
	}
	inReader, inWriter := io.Pipe()
	outReader, outWriter := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{
		t: t, stdin: inWriter, out: outReader, lines: bufio.NewReaderSize(outReader, 1<<20),
		ended: make(chan error, 1), end: cancel,
	}
	go func() {
		p.ended <- b.Run(ctx, inReader, outWriter)
		outWriter.Close()
	}()
	t.Cleanup(func() {
		cancel()
		inWriter.Close()
		outReader.Close()
	})
	return p
}

func (p *program) send(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
			p.t.Fatal(err)
		}
	}
}

// next returns the next line of stdout, without its line break.
func (p *program) next() string {
	p.t.Helper()
	type outcome struct {
		line string
		err  error
	}
	got := make(chan outcome, 1)
	go func() {
		line, err := p.lines.ReadString('\n')
		got <- outcome{line, err}
	}()
	select {
	case o := <-got:
		if o.err != nil {
			p.t.Fatalf("reading a line: %v", o.err)
		}
		return strings.TrimSuffix(o.line, "\n")
	case <-time.After(patience):
		p.t.Fatal("no line came")
		return ""
	}
}

func (p *program) want(line string) {
	p.t.Helper()
	if got := p.next(); got != line {
		p.t.Errorf("got  %.300s\nwant %.300s", got, line)
	}
}

// wantError expects an error response, and returns its message.
func (p *program) wantError(id string, code int) string {
	p.t.Helper()
	line := p.next()
	var m struct {
		ID    json.RawMessage
		Error struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
	if string(m.ID) != id || m.Error.Code != code {
		p.t.Errorf("got %s, want an error %d for id %s", line, code, id)
	}
	return m.Error.Message
}

// wait closes stdin and returns what Run returned. No further line may come.
func (p *program) wait() error {
	p.t.Helper()
	p.stdin.Close()
	rest := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(p.lines)
		rest <- string(text)
	}()
	select {
	case err := <-p.ended:
		if text := <-rest; text != "" {
			p.t.Errorf("unexpected lines:\n%.1000s", text)
		}
		return err
	case <-time.After(patience):
		p.t.Fatal("the bridge did not end")
		return nil
	}
}

const (
	initializeLine  = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`
	initializedLine = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	initializeReply = `{"jsonrpc":"2.0","id":"init","result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"fake","version":"1"}}}`
)

// initialize plays the handshake and waits until the server has seen all of it.
func (p *program) initialize() {
	p.t.Helper()
	p.send(initializeLine)
	p.want(initializeReply)
	p.send(initializedLine)
}

// fake is an MCP server whose faults the test writes by hand. It answers the
// handshake; everything else goes to the functions, or gets 202 and 405.
type fake struct {
	recorder
	post   func(w http.ResponseWriter, r *http.Request, body string)
	get    func(w http.ResponseWriter, r *http.Request)
	tools  func(w http.ResponseWriter, r *http.Request, body string) // for tools/list; nil: post, but nothing if the bridge asks
	noIDs  bool                                                      // answer initialize without a session id
	opened int                                                       // mu guards it
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := f.note(r)
	switch {
	case strings.Contains(body, probeID): // the bridge's own, which is none of the test's business
		f.mu.Lock()
		f.seen = f.seen[:len(f.seen)-1]
		f.mu.Unlock()
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":"discover","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}}`)
	case r.Method == http.MethodPost && strings.Contains(body, `"initialize"`):
		f.mu.Lock()
		f.opened++
		if !f.noIDs {
			w.Header().Set("Mcp-Session-Id", fmt.Sprintf("session-%d", f.opened))
		}
		f.mu.Unlock()
		writeJSON(w, 200, initializeReply)
	case r.Method == http.MethodPost && !strings.Contains(body, `"id"`):
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPost && f.tools == nil && strings.Contains(body, "shclient-tools-"):
		writeJSON(w, 200, `{"jsonrpc":"2.0","id":"shclient-tools-0","result":{"tools":[]}}`)
	case r.Method == http.MethodPost && f.tools != nil && strings.Contains(body, `"tools/list"`):
		f.tools(w, r, body)
	case r.Method == http.MethodPost && f.post != nil:
		f.post(w, r, body)
	case r.Method == http.MethodGet && f.get != nil:
		f.get(w, r)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// probeID marks the request by which the bridge finds out what a server speaks.
const probeID = `"id":"discover"`

// recorder remembers requests.
type recorder struct {
	mu   sync.Mutex
	seen []seen // mu guards it
}

// seen is a request as it came.
type seen struct {
	method string
	header http.Header
	body   string
}

// note returns the body of r.
func (r *recorder) note(req *http.Request) string {
	raw, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, seen{req.Method, req.Header.Clone(), string(raw)})
	return string(raw)
}

// requests returns what came so far that keep chooses.
func (r *recorder) requests(keep func(seen) bool) []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kept []seen
	for _, s := range r.seen {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// await waits until a request came that keep chooses.
func (r *recorder) await(t testing.TB, keep func(seen) bool) seen {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if found := r.requests(keep); len(found) > 0 {
			return found[0]
		}
	}
	t.Fatal("the request did not come")
	return seen{}
}

func byMethod(method string) func(seen) bool {
	return func(s seen) bool { return s.method == method }
}

func byBody(part string) func(seen) bool {
	return func(s seen) bool { return strings.Contains(s.body, part) }
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// writeEvents sends events as they are written, and flushes them.
func writeEvents(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, text)
	w.(http.Flusher).Flush()
}

// toolServer is a real server with one tool for each kind of interaction.
func toolServer(cancelled chan<- struct{}) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "tools", Version: "1"}, nil)
	type text struct {
		Message string `json:"message" jsonschema:"what to say"`
	}
	// Since MCP 2026-07-28 the argument has to be in a header as well.
	schema := json.RawMessage(`{"type":"object","properties":{"message":{"type":"string","description":"what to say","x-mcp-header":"Message"}},"required":["message"]}`)
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "Says it again.", InputSchema: schema},
		func(_ context.Context, _ *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
			return textResult(in.Message), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "fail"},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, fmt.Errorf("as asked")
		})
	mcp.AddTool(s, &mcp.Tool{Name: "count"},
		func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			for i := range 3 {
				err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
					ProgressToken: req.Params.GetProgressToken(), Progress: float64(i + 1), Total: 3,
				})
				if err != nil {
					return nil, nil, err
				}
			}
			return textResult("counted"), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "wait"},
		func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			// The notification tells the caller that the tool runs.
			_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken()})
			<-ctx.Done()
			close(cancelled)
			return nil, nil, ctx.Err()
		})
	mcp.AddTool(s, &mcp.Tool{Name: "sample"},
		func(ctx context.Context, req *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
			answer, err := req.Session.CreateMessage(ctx, &mcp.CreateMessageParams{
				MaxTokens: 10,
				Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: in.Message}}},
			})
			if err != nil {
				return nil, nil, err
			}
			return textResult(answer.Content.(*mcp.TextContent).Text), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "elicit"},
		func(ctx context.Context, req *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
			answer, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: in.Message, RequestedSchema: map[string]any{
				"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
			}})
			if err != nil {
				return nil, nil, err
			}
			return textResult(fmt.Sprint(answer.Action, " ", answer.Content["name"])), nil, nil
		})
	return s
}

func textResult(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

func streamable(s *mcp.Server, o *mcp.StreamableHTTPOptions) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, o)
}
