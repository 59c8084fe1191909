// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// demoServerArg as the first argument makes this program the stdio MCP server
// that the gateway wraps by default, so that nothing but Go is needed.
const demoServerArg = "demo-server"

type echoInput struct {
	Message string `json:"message" jsonschema:"the text to send back"`
}

type countdownInput struct {
	From int `json:"from,omitempty" jsonschema:"the number to count down from, 1 to 100; 3 when absent"`
}

// runDemoServer serves MCP on stdin and stdout until stdin ends.
func runDemoServer(ctx context.Context, stdin io.ReadCloser, stdout io.WriteCloser) error {
	server := mcp.NewServer(&mcp.Implementation{Name: "gateway-demo", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "Sends the message back."},
		func(_ context.Context, _ *mcp.CallToolRequest, in echoInput) (*mcp.CallToolResult, any, error) {
			return text(in.Message), nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "countdown", Description: "Counts down to zero and reports progress at each step."}, countdown)
	return server.Run(ctx, &mcp.IOTransport{Reader: stdin, Writer: stdout})
}

func countdown(ctx context.Context, req *mcp.CallToolRequest, in countdownInput) (*mcp.CallToolResult, any, error) {
	from := in.From
	if from == 0 {
		from = 3
	}
	if from < 1 || from > 100 {
		return nil, nil, fmt.Errorf("from is %d; want 1 to 100", from)
	}
	var said []string
	for i := range from {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		said = append(said, fmt.Sprint(from-i))
		if token := req.Params.GetProgressToken(); token != nil {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: token, Progress: float64(i + 1), Total: float64(from),
			})
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return text(strings.Join(append(said, "liftoff"), ", ")), nil, nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
