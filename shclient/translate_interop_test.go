// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sampling, roots and logging are deprecated since 2026-07-28, and still have to pass

package shclient_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// interviewed is what the client heard in the interviews.
type interviewed struct {
	host
	mu       sync.Mutex
	logs     []string         // mu guards it
	progress map[string][]any // by token; mu guards it
	updates  chan string
	changes  chan struct{}
}

// connectInterviewed runs an SDK client that answers every question with what
// it was asked, so that an answer to another's question shows.
func connectInterviewed(t *testing.T, url, version string, limits *shclient.BridgeOptions) *interviewed {
	t.Helper()
	h := &interviewed{host: host{ended: make(chan error, 1)}, progress: map[string][]any{}, updates: make(chan string, 10), changes: make(chan struct{}, 10)}
	h.connect(t, url, version, limits, &mcp.ClientOptions{
		CreateMessageHandler: func(_ context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			text := req.Params.Messages[0].Content.(*mcp.TextContent).Text
			return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "sampled " + text}}, nil
		},
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "elicited " + req.Params.Message}}, nil
		},
		LoggingMessageHandler: func(_ context.Context, req *mcp.LoggingMessageRequest) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.logs = append(h.logs, fmt.Sprint(req.Params.Data))
		},
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
			h.mu.Lock()
			defer h.mu.Unlock()
			token := fmt.Sprint(req.Params.ProgressToken)
			h.progress[token] = append(h.progress[token], req.Params.Progress)
		},
		ResourceUpdatedHandler: func(_ context.Context, req *mcp.ResourceUpdatedNotificationRequest) { h.updates <- req.Params.URI },
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { h.changes <- struct{}{} },
	})
	return h
}

// interview calls the tool, and checks that everything came back to this call.
func (h *interviewed) interview(t *testing.T, name string, logs bool) {
	t.Helper()
	params := &mcp.CallToolParams{Name: "interview", Arguments: map[string]any{"message": name}}
	params.SetProgressToken("token-" + name)
	if logs {
		params.Meta[mcp.MetaKeyLogLevel] = "info"
	}
	result, err := h.CallTool(t.Context(), params)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	want := fmt.Sprintf("elicited %s, sampled %s, here", name, name)
	if got := result.Content[0].(*mcp.TextContent).Text; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// interviewMany has 8 interviews at a time, and checks what came with them.
func (h *interviewed) interviewMany(t *testing.T, logs bool) {
	t.Helper()
	var names []string
	var calls sync.WaitGroup
	for i := range 8 {
		name := fmt.Sprintf("number %d", i)
		names = append(names, name)
		calls.Go(func() { h.interview(t, name, logs) })
	}
	calls.Wait()
	h.check(t, names)
}

// check looks for the log messages and the progress of interviews.
func (h *interviewed) check(t *testing.T, names []string) {
	t.Helper()
	complete := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, name := range names {
			if !slices.Contains(h.logs, "logged "+name) || len(h.progress["token-"+name]) == 0 {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(patience); !complete(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("logs %q, progress %v", h.logs, h.progress)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.logs {
		if strings.Contains(line, "quiet") {
			t.Errorf("%q came to a call that wants no log messages", line)
		}
	}
}

func (h *interviewed) checkSubscriptions(t *testing.T, server *mcp.Server) {
	t.Helper()
	if err := h.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "file:///watched"}); err != nil {
		t.Fatal(err)
	}
	// Nothing says when an SDK client is subscribed in the modern era.
	for deadline := time.After(patience); ; {
		if err := server.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "file:///watched"}); err != nil {
			t.Fatal(err)
		}
		select {
		case uri := <-h.updates:
			if uri != "file:///watched" {
				t.Errorf("update of %s", uri)
			}
		case <-time.After(50 * time.Millisecond):
			continue
		case <-deadline:
			t.Fatal("no update came")
		}
		break
	}
	server.AddTool(&mcp.Tool{Name: "new", InputSchema: map[string]any{"type": "object"}}, nil)
	select {
	case <-h.changes:
	case <-time.After(patience):
		t.Fatal("no change of the list came")
	}
	if err := h.Unsubscribe(t.Context(), &mcp.UnsubscribeParams{URI: "file:///watched"}); err != nil {
		t.Error(err)
	}
}

func interviewOptions(versions ...string) *mcp.ServerOptions {
	return &mcp.ServerOptions{
		SupportedProtocolVersions: versions,
		SubscribeHandler:          func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler:        func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	}
}

type interviewInput struct {
	Message string `json:"message"`
}

var nameSchema = map[string]any{"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}}

func sampling(text string) *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{MaxTokens: 10, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}
}

// notify logs, and reports progress.
func notify(ctx context.Context, req *mcp.CallToolRequest, name string) error {
	if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Data: "logged " + name}); err != nil {
		return err
	}
	return req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: 1})
}

func verdict(elicited *mcp.ElicitResult, sampled mcp.Content, roots *mcp.ListRootsResult) *mcp.CallToolResult {
	return textResult(fmt.Sprintf("%s, %s, %s", elicited.Content["name"], sampled.(*mcp.TextContent).Text, roots.Roots[0].Name))
}

// legacyInterviewer asks in the middle of a call.
func legacyInterviewer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "interviewer", Version: "1"}, interviewOptions())
	s.AddResource(&mcp.Resource{URI: "file:///watched", Name: "watched"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "interview"}, func(ctx context.Context, req *mcp.CallToolRequest, in interviewInput) (*mcp.CallToolResult, any, error) {
		if err := notify(ctx, req, in.Message); err != nil {
			return nil, nil, err
		}
		elicited, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: in.Message, RequestedSchema: nameSchema})
		if err != nil {
			return nil, nil, err
		}
		sampled, err := req.Session.CreateMessage(ctx, sampling(in.Message))
		if err != nil {
			return nil, nil, err
		}
		roots, err := req.Session.ListRoots(ctx, nil)
		if err != nil {
			return nil, nil, err
		}
		return verdict(elicited, sampled.Content, roots), nil, nil
	})
	return s
}

// modernInterviewer asks all at once, instead of an answer.
func modernInterviewer(versions ...string) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "interviewer", Version: "1"}, interviewOptions(versions...))
	s.AddResource(&mcp.Resource{URI: "file:///watched", Name: "watched"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "interview"}, func(ctx context.Context, req *mcp.CallToolRequest, in interviewInput) (*mcp.CallToolResult, any, error) {
		if answers := req.Params.InputResponses; answers != nil {
			return verdict(answers["e"].(*mcp.ElicitResult), answers["s"].(*mcp.CreateMessageWithToolsResult).Content[0], answers["r"].(*mcp.ListRootsResult)), nil, nil
		}
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{
			"e": &mcp.ElicitParams{Message: in.Message, RequestedSchema: nameSchema},
			"s": sampling(in.Message),
			"r": &mcp.ListRootsParams{},
		}}, nil, notify(ctx, req, in.Message)
	})
	return s
}

// Every question of a real legacy server reaches the call of the modern client
// that it belongs to, although nothing but its stream says which.
func TestManyInterviewsInALane(t *testing.T) {
	server := legacyInterviewer()
	h := connectInterviewed(t, serve(t, streamable(server, nil)), "", nil)
	h.interview(t, "quiet", false)
	h.interviewMany(t, true)
	h.checkSubscriptions(t, server)
	h.leave(t)
}

// A legacy client has all of that from real servers of the modern era alone:
// one that refuses initialize, and one that answers it but then nothing more,
// which is what the SDK's does.
func TestManyInterviewsAfterAnUpgrade(t *testing.T) {
	refusing := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Mcp-Method") == "" {
				http.Error(w, "no method in the header", http.StatusBadRequest)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	tests := []struct {
		name  string
		wrap  func(http.Handler) http.Handler
		limit *shclient.BridgeOptions
	}{
		{"it refuses initialize", refusing, nil},
		{"it answers initialize", func(next http.Handler) http.Handler { return next }, nil},
		{"forced", refusing, &shclient.BridgeOptions{ServerEra: shclient.EraModern}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := modernInterviewer("2026-07-28")
			handler := streamable(server, &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
			h := connectInterviewed(t, serve(t, tt.wrap(handler)), "2025-11-25", tt.limit)
			if err := h.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "info"}); err != nil {
				t.Fatal(err)
			}
			h.interviewMany(t, false)
			h.checkSubscriptions(t, server)
			h.leave(t)
		})
	}
}
