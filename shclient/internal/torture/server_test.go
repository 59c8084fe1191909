// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sampling is deprecated since 2026-07-28, and still has to pass

package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// The kinds of servers.
const (
	kindLegacy = "legacy" // Streamable HTTP with sessions, and streams that can be resumed
	kindModern = "modern" // 2026-07-28 alone
	kindOld    = "old"    // HTTP+SSE
)

// orders are what a server is started with, and what it gets line by line.
type orders struct {
	Kind     string // of server
	Address  string // to listen on
	Resource string // URL at which clients reach it
	Issuer   string // of tokens; empty: everybody may come in
	Log      string // file for what was executed and cancelled
}

// What a server is told on stdin. It answers each with a line, orderListen when
// it can be reached.
const (
	orderListen  = "listen"
	orderForget  = "forget"  // all sessions
	orderCount   = "count"   // of sessions
	orderRevoke  = "revoke"  // the last token that came
	orderRelease = "release" // the calls that hold
)

// A tortured server.
type server struct {
	orders
	mcp      *mcp.Server
	revoked  resource.Revocations
	mu       sync.Mutex
	token    *resource.Principal // the last that came; mu guards it
	released chan struct{}       // closed to release the calls; mu guards it
}

// serve is the part of the server. It ends with its stdin.
func serve(args []string) int {
	s := &server{released: make(chan struct{})}
	if err := json.Unmarshal([]byte(args[0]), &s.orders); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	handler, err := s.handler()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		said, err := s.obey(lines.Text(), handler)
		if err != nil {
			fmt.Println("failed:", err)
			continue
		}
		fmt.Println("ok", said)
	}
	return 0
}

func (s *server) obey(order string, handler http.Handler) (said string, err error) {
	switch order {
	case orderListen:
		listener, err := listen(s.Address)
		if err != nil {
			return "", err
		}
		go func() { _ = http.Serve(listener, handler) }() // until the process ends
	case orderForget:
		for _, session := range slices.Collect(s.mcp.Sessions()) {
			_ = session.Close() // it may be gone already
		}
	case orderCount:
		return fmt.Sprint(len(slices.Collect(s.mcp.Sessions()))), nil
	case orderRevoke:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.token != nil {
			return "", s.revoked.Add(resource.Revocation{Issuer: s.Issuer, TokenID: s.token.ID})
		}
	case orderRelease:
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.released)
		s.released = make(chan struct{})
	default:
		return "", fmt.Errorf("unknown order %q", order)
	}
	return "", nil
}

// listen waits until the port of a killed process is free.
func listen(address string) (listener net.Listener, err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if listener, err = listenOnce(address); err == nil {
			return listener, nil
		}
	}
	return nil, err
}

func listenOnce(address string) (net.Listener, error) { return net.Listen("tcp", address) }

func (s *server) handler() (http.Handler, error) {
	o := &mcp.ServerOptions{}
	if s.Kind == kindModern {
		o.SupportedProtocolVersions = []string{"2026-07-28"}
	}
	s.mcp = mcp.NewServer(&mcp.Implementation{Name: "tortured", Version: "1"}, o)
	mcp.AddTool(s.mcp, &mcp.Tool{Name: "work"}, s.work)
	pick := func(*http.Request) *mcp.Server { return s.mcp }
	var h http.Handler
	switch s.Kind {
	case kindOld:
		h = mcp.NewSSEHandler(pick, &mcp.SSEOptions{MaxRequestBodyBytes: -1})
	case kindModern:
		h = mcp.NewStreamableHTTPHandler(pick, &mcp.StreamableHTTPOptions{
			Stateless: true, PropagateRequestCancellation: true, MaxRequestBodyBytes: -1})
	default:
		h = mcp.NewStreamableHTTPHandler(pick, &mcp.StreamableHTTPOptions{
			EventStore: mcp.NewMemoryEventStore(nil), MaxRequestBodyBytes: -1})
	}
	h = eager(h)
	if s.Issuer == "" {
		return h, nil
	}
	r, err := resource.New(resource.Options{Resource: s.Resource, AuthorizationServers: []string{s.Issuer}, Revocations: &s.revoked})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", r.Middleware(s.note(h)))
	mux.Handle(r.MetadataPath(), r.MetadataHandler())
	return mux, nil
}

// note remembers the token of a request.
func (s *server) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := resource.FromContext(r.Context()); ok {
			s.mu.Lock()
			s.token = p
			s.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// eager asks clients to come back soon when a stream breaks, which the SDK's
// server leaves to them.
func eager(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&eagerWriter{ResponseWriter: w}, r) })
}

type eagerWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *eagerWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		_, _ = w.ResponseWriter.Write([]byte("retry: 20\n\n")) // the next write fails, too
	}
}

func (w *eagerWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

func (w *eagerWriter) Flush() {
	w.begin()
	w.ResponseWriter.(http.Flusher).Flush()
}

func (w *eagerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// job are the arguments of the one tool.
type job struct {
	Nonce string `json:"nonce"`           // no other call has it
	Steps int    `json:"steps,omitempty"` // of progress
	Ask   string `json:"ask,omitempty"`   // what the client is asked after that: askUser, askModel or nothing
	Hold  bool   `json:"hold,omitempty"`  // until the calls are released, after one more step of progress; another follows
	Pad   string `json:"pad,omitempty"`   // must be what padding returns
	Size  int    `json:"size,omitempty"`  // of the result's padding
}

const (
	askUser  = "user"
	askModel = "model"
)

// work is the one tool. What it is asked to do it writes down first.
func (s *server) work(ctx context.Context, req *mcp.CallToolRequest, j job) (*mcp.CallToolResult, any, error) {
	round := "first"
	if req.Params.InputResponses != nil {
		round = "second" // the call is made again, with the answer
	}
	if err := appendLine(s.Log, fmt.Sprint("executed ", j.Nonce, " ", round)); err != nil {
		return nil, nil, err
	}
	if j.Pad != padding(j.Nonce, len(j.Pad)) {
		return nil, nil, fmt.Errorf("the padding of %s is not what was sent", j.Nonce)
	}
	if round == "second" {
		return s.finish(j, answerIn(req.Params.InputResponses["q"]))
	}
	steps := 0
	step := func() error {
		steps++
		return req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: float64(steps)})
	}
	for range j.Steps {
		if err := step(); err != nil {
			return nil, nil, err
		}
	}
	if j.Hold {
		if err := s.hold(ctx, j, step); err != nil {
			return nil, nil, err
		}
	}
	if j.Ask == "" {
		return s.finish(j, "")
	}
	if s.Kind == kindModern {
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"q": questionFor(j)}}, nil, nil
	}
	answer, err := s.ask(ctx, req.Session, j)
	if err != nil {
		return nil, nil, err
	}
	return s.finish(j, answer)
}

// hold waits for the release, and writes down if the client does not.
func (s *server) hold(ctx context.Context, j job, step func() error) error {
	s.mu.Lock()
	released := s.released
	s.mu.Unlock()
	if err := step(); err != nil {
		return err
	}
	select {
	case <-released:
		return step()
	case <-ctx.Done():
		if err := appendLine(s.Log, "cancelled "+j.Nonce); err != nil {
			return err
		}
		return ctx.Err()
	}
}

func questionFor(j job) mcp.InputRequest {
	if j.Ask == askModel {
		return sampling(j.Nonce)
	}
	return elicitation(j.Nonce)
}

func sampling(text string) *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{MaxTokens: 10, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}
}

func elicitation(text string) *mcp.ElicitParams {
	return &mcp.ElicitParams{Message: text, RequestedSchema: map[string]any{
		"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}}}
}

func (s *server) ask(ctx context.Context, session *mcp.ServerSession, j job) (string, error) {
	if j.Ask == askModel {
		answer, err := session.CreateMessage(ctx, sampling(j.Nonce))
		if err != nil {
			return "", err
		}
		return answer.Content.(*mcp.TextContent).Text, nil
	}
	answer, err := session.Elicit(ctx, elicitation(j.Nonce))
	if err != nil {
		return "", err
	}
	return fmt.Sprint(answer.Content["name"]), nil
}

// answerIn is the text in an answer that came with the call.
func answerIn(answer any) string {
	switch a := answer.(type) {
	case *mcp.ElicitResult:
		return fmt.Sprint(a.Content["name"])
	case *mcp.CreateMessageWithToolsResult:
		return a.Content[0].(*mcp.TextContent).Text
	}
	return fmt.Sprintf("%T", answer)
}

// finish checks that the answer is one to the question of this call.
func (s *server) finish(j job, answer string) (*mcp.CallToolResult, any, error) {
	if j.Ask != "" && answer != j.Nonce {
		return nil, nil, fmt.Errorf("asked about %s, answered about %s", j.Nonce, answer)
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: resultText(j)}}}, nil, nil
}

// resultText is what a job that went well says.
func resultText(j job) string { return "done " + j.Nonce + " " + padding(j.Nonce, j.Size) }

// padding is text of at least n bytes, most of them in characters of several,
// that no other call has.
func padding(nonce string, n int) string {
	unit := nonce + "/é€😀\u2028<&>\"\\/"
	text := strings.Repeat(unit, n/len(unit)+1)
	for !utf8Start(text, n) {
		n++
	}
	return text[:n]
}

func utf8Start(text string, n int) bool { return n >= len(text) || text[n]&0xC0 != 0x80 }
