// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 sampling is deprecated since 2026-07-28, and still has to pass

package shclient_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// host is the SDK's client at the stdio end of a bridge.
type host struct {
	*mcp.ClientSession
	progress chan *mcp.ProgressNotificationParams
	ended    chan error
}

// connectHost runs SDK client, bridge and server in one process. version forces
// the era; empty means that the client probes for the modern one.
func connectHost(t *testing.T, url, version string) *host {
	t.Helper()
	h := &host{progress: make(chan *mcp.ProgressNotificationParams, 10), ended: make(chan error, 1)}
	h.connect(t, url, version, nil, &mcp.ClientOptions{
		CreateMessageHandler: func(_ context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			text := req.Params.Messages[0].Content.(*mcp.TextContent).Text
			return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "re: " + text}}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
			h.progress <- req.Params
		},
	})
	return h
}

func (h *host) connect(t *testing.T, url, version string, limits *shclient.BridgeOptions, o *mcp.ClientOptions) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	b, err := shclient.NewBridge(shclient.Options{URL: url}, limits)
	if err != nil {
		t.Fatal(err)
	}
	inReader, inWriter := io.Pipe()
	outReader, outWriter := io.Pipe()
	go func() {
		h.ended <- b.Run(ctx, inReader, outWriter)
		outWriter.Close()
	}()
	client := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, o)
	client.AddRoots(&mcp.Root{URI: "file:///here", Name: "here"})
	h.ClientSession, err = client.Connect(ctx, &mcp.IOTransport{Reader: outReader, Writer: inWriter}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
}

// leave closes the host's end, and waits for the bridge to follow.
func (h *host) leave(t *testing.T) {
	t.Helper()
	h.Close()
	select {
	case err := <-h.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the bridge did not end")
	}
}

func (h *host) call(t *testing.T, name string, args map[string]any) string {
	t.Helper()
	params := &mcp.CallToolParams{Name: name, Arguments: args}
	params.SetProgressToken("token-" + name)
	result, err := h.CallTool(t.Context(), params)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(result.Content) == 0 {
		return ""
	}
	text := result.Content[0].(*mcp.TextContent).Text
	if result.IsError {
		return "error: " + text
	}
	return text
}

// The SDK's client and server, of both eras, do through the bridge all that
// they do without it.
func TestBridgeBetweenSDKClientAndServer(t *testing.T) {
	tests := []struct {
		name    string
		version string
		options *mcp.StreamableHTTPOptions
		asks    bool // the server can ask the client
		cancels bool // the server notices cancellation
	}{
		{"stateful", "2025-11-25", &mcp.StreamableHTTPOptions{}, true, true},
		{"stateful with JSON answers", "2025-06-18", &mcp.StreamableHTTPOptions{JSONResponse: true}, false, true},
		{"stateful with event store", "2025-11-25", &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}, true, true},
		{"stateful, from a modern client", "", &mcp.StreamableHTTPOptions{}, true, true},
		{"stateless, legacy", "2025-11-25", &mcp.StreamableHTTPOptions{Stateless: true}, false, false},
		{"stateless, modern", "2026-07-28", &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cancelled := make(chan struct{})
			h := connectHost(t, serve(t, streamable(toolServer(cancelled), tt.options)), tt.version)
			tools, err := h.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, tool := range tools.Tools {
				names = append(names, tool.Name)
			}
			if want := []string{"count", "echo", "elicit", "fail", "sample", "wait"}; !slices.Equal(names, want) {
				t.Errorf("tools %v, want %v", names, want)
			}
			if got := h.call(t, "echo", map[string]any{"message": "grüße"}); got != "grüße" {
				t.Errorf("echo: %q", got)
			}
			if got := h.call(t, "fail", nil); got != "error: as asked" {
				t.Errorf("fail: %q", got)
			}
			if !tt.options.JSONResponse {
				h.checkProgress(t)
			}
			if tt.asks {
				if got := h.call(t, "sample", map[string]any{"message": "hi"}); got != "re: hi" {
					t.Errorf("sample: %q", got)
				}
				if got := h.call(t, "elicit", map[string]any{"message": "who?"}); got != "accept Ada" {
					t.Errorf("elicit: %q", got)
				}
			}
			if tt.cancels && !tt.options.JSONResponse {
				h.checkCancellation(t, cancelled)
			}
			if _, err := h.CallTool(t.Context(), &mcp.CallToolParams{Name: "none"}); err == nil || !strings.Contains(err.Error(), "none") {
				t.Errorf("unknown tool: %v", err)
			}
			h.leave(t)
		})
	}
}

// checkEverything plays all kinds of interaction, and leaves.
func checkEverything(t *testing.T, h *host, cancelled <-chan struct{}) {
	t.Helper()
	if got := h.call(t, "echo", map[string]any{"message": "grüße"}); got != "grüße" {
		t.Errorf("echo: %q", got)
	}
	h.checkProgress(t)
	if got := h.call(t, "sample", map[string]any{"message": "hi"}); got != "re: hi" {
		t.Errorf("sample: %q", got)
	}
	if got := h.call(t, "elicit", map[string]any{"message": "who?"}); got != "accept Ada" {
		t.Errorf("elicit: %q", got)
	}
	if cancelled != nil {
		h.checkCancellation(t, cancelled)
	}
	h.leave(t)
}

func (h *host) checkProgress(t *testing.T) {
	t.Helper()
	if got := h.call(t, "count", nil); got != "counted" {
		t.Errorf("count: %q", got)
	}
	for want := 1.0; want <= 3; want++ {
		select {
		case p := <-h.progress:
			if p.Progress != want || p.ProgressToken != "token-count" {
				t.Errorf("progress %+v, want %v", p, want)
			}
		case <-time.After(patience):
			t.Fatal("no progress came")
		}
	}
}

func (h *host) checkCancellation(t *testing.T, cancelled <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		params := &mcp.CallToolParams{Name: "wait"}
		params.SetProgressToken("token-wait")
		_, err := h.CallTool(ctx, params)
		ended <- err
	}()
	<-h.progress // the tool runs
	cancel()
	if err := <-ended; err == nil {
		t.Error("a cancelled call succeeded")
	}
	select {
	case <-cancelled:
	case <-time.After(patience):
		t.Error("the server did not hear of the cancellation")
	}
	if got := h.call(t, "echo", map[string]any{"message": "still here"}); got != "still here" {
		t.Errorf("after a cancellation: %q", got)
	}
}
