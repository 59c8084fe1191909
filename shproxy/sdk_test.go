// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type sdkArgs struct {
	Text string `json:"text,omitempty"`
}

// runSDKServer is a server of the official SDK on stdio.
func runSDKServer() int {
	var waits, cancels atomic.Int64 // calls that wait, or did; calls that were cancelled
	server := mcp.NewServer(&mcp.Implementation{Name: "sdk-child", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(ctx context.Context, req *mcp.CallToolRequest, args sdkArgs) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: args.Text}}}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "interact"}, func(ctx context.Context, req *mcp.CallToolRequest, args sdkArgs) (*mcp.CallToolResult, any, error) {
		for i := range 3 {
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: float64(i), Total: 3}); err != nil {
				return nil, nil, err
			}
		}
		result, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: args.Text, RequestedSchema: map[string]any{"type": "object"}})
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(result.Content["answer"])}}}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "input"}, func(ctx context.Context, req *mcp.CallToolRequest, args sdkArgs) (*mcp.CallToolResult, any, error) {
		if answer, ok := req.Params.InputResponses["q"].(*mcp.ElicitResult); ok {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(answer.Content["answer"])}}}, nil, nil
		}
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{
			"q": &mcp.ElicitParams{Message: args.Text, RequestedSchema: map[string]any{"type": "object"}},
		}}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "progress"}, func(ctx context.Context, req *mcp.CallToolRequest, args sdkArgs) (*mcp.CallToolResult, any, error) {
		for i := range 3 {
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: float64(i), Total: 3}); err != nil {
				return nil, nil, err
			}
		}
		return &mcp.CallToolResult{}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "wait"}, func(ctx context.Context, req *mcp.CallToolRequest, args sdkArgs) (*mcp.CallToolResult, any, error) {
		waits.Add(1)
		<-ctx.Done()
		cancels.Add(1)
		return nil, nil, ctx.Err()
	})
	mcp.AddTool(server, &mcp.Tool{Name: "waits"}, func(ctx context.Context, req *mcp.CallToolRequest, args sdkArgs) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(waits.Load(), " ", cancels.Load())}}}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "grow"}, func(ctx context.Context, req *mcp.CallToolRequest, args sdkArgs) (*mcp.CallToolResult, any, error) {
		server.AddTool(&mcp.Tool{Name: "new-" + args.Text, InputSchema: map[string]any{"type": "object"}}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{}, nil
		})
		return &mcp.CallToolResult{}, nil, nil
	})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// The official SDK on both sides, in every version, and the one that it
// negotiates by itself.
func TestSDK(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"} {
		for _, mode := range []Mode{ModeSession, ModeShared} {
			t.Run(fmt.Sprint(version, " ", mode), func(t *testing.T) {
				t.Parallel()
				testSDK(t, version, mode)
			})
		}
	}
}

func testSDK(t *testing.T, version string, mode Mode) {
	proxy, url := newTestProxy(t, "sdk", &Options{Mode: mode})
	progress := make(chan float64, 10)
	changed := make(chan struct{}, 10)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"answer": "answer to " + req.Params.Message}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) { progress <- req.Params.Progress },
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
	})
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	modern := version == ""
	want := cmp.Or(version, modernVersion)
	if got := session.InitializeResult(); got.ServerInfo.Name != "sdk-child" || got.ProtocolVersion != want {
		t.Errorf("server %q speaks %q, want %q", got.ServerInfo.Name, got.ProtocolVersion, want)
	}
	if tools, err := session.ListTools(t.Context(), nil); err != nil || len(tools.Tools) != 7 {
		t.Errorf("tools: %v, %v", tools, err)
	}
	var calls sync.WaitGroup
	for i := range 50 {
		calls.Go(func() {
			text := strings.Repeat(fmt.Sprint(i, " "), i*50)
			if got := callText(t, session, &mcp.CallToolParams{Name: "echo", Arguments: sdkArgs{text}}); got != text {
				t.Errorf("call %d: got %d bytes", i, len(got))
			}
		})
	}
	calls.Wait()
	if modern || mode == ModeSession { // a shared server cannot ask its clients
		if got := callText(t, session, &mcp.CallToolParams{Name: "input", Arguments: sdkArgs{"question"}}); got != "answer to question" {
			t.Errorf("input: %q", got)
		}
	}
	params := &mcp.CallToolParams{Name: "progress"}
	params.SetProgressToken("token")
	if !modern && mode == ModeSession {
		params.Name, params.Arguments = "interact", sdkArgs{"question"}
	}
	if got := callText(t, session, params); params.Name == "interact" && got != "answer to question" {
		t.Errorf("elicitation: %q", got)
	}
	for i := range 3 {
		if got := <-progress; got != float64(i) {
			t.Errorf("progress %v, want %d", got, i)
		}
	}
	waits := func(want string) {
		for callText(t, session, &mcp.CallToolParams{Name: "waits"}) != want && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls.Go(func() {
		waits("1 0")
		cancel()
	})
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "wait"}); err == nil {
		t.Error("a call that was cancelled was answered")
	}
	calls.Wait()
	waits("1 1") // the cancellation reached the server
	callText(t, session, &mcp.CallToolParams{Name: "grow", Arguments: sdkArgs{"tool"}})
	<-changed
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	for proxy.Status().Sessions+proxy.Status().Calls > 0 {
		time.Sleep(time.Millisecond)
	}
	raw := want
	if mode == ModeShared && !modern {
		raw = "2025-11-25" // which the server was asked for
	}
	if versions := proxy.Status().Versions; !slices.Contains(versions, raw) {
		t.Errorf("the server is known to speak %v", versions)
	}
}

func callText(t *testing.T, session *mcp.ClientSession, params *mcp.CallToolParams) string {
	result, err := session.CallTool(t.Context(), params)
	if err != nil {
		t.Error(err)
		return ""
	}
	if len(result.Content) == 0 {
		return ""
	}
	return result.Content[0].(*mcp.TextContent).Text
}
