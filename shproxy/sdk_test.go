// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type sdkArgs struct {
	Text string `json:"text,omitempty"`
}

// runSDKServer is a server of the official SDK on stdio.
func runSDKServer() int {
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

// The official SDK on both sides, with a session.
func TestSDK(t *testing.T) {
	proxy, url := newTestProxy(t, "sdk", nil)
	progress := make(chan float64, 10)
	changed := make(chan struct{}, 10)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"answer": "answer to " + req.Params.Message}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) { progress <- req.Params.Progress },
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
	})
	ctx := t.Context()
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	if got := session.InitializeResult().ServerInfo.Name; got != "sdk-child" {
		t.Errorf("server is %q", got)
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

	params := &mcp.CallToolParams{Name: "interact", Arguments: sdkArgs{"question"}}
	params.SetProgressToken("token")
	if got := callText(t, session, params); got != "answer to question" {
		t.Errorf("elicitation: %q", got)
	}
	for i := range 3 {
		if got := <-progress; got != float64(i) {
			t.Errorf("progress %v, want %d", got, i)
		}
	}
	callText(t, session, &mcp.CallToolParams{Name: "grow", Arguments: sdkArgs{"tool"}})
	<-changed

	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if n := proxy.sessions.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions left", n)
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
