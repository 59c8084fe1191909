// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 servers of the legacy era log, sample and ask for roots

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// talkServer has tools that tell and ask. dir is where one leaves traces.
func talkServer(dir string) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "talk", Version: "1"}, nil)
	add := func(name string, h func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error)) {
		mcp.AddTool(s, &mcp.Tool{Name: name}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			result, err := h(ctx, req)
			return result, nil, err
		})
	}
	add("work", work)
	add("slow", func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		touch(dir, "started")
		_ = req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "warning", Logger: "w", Data: "tired\x1b[2J"})
		if token := req.Params.GetProgressToken(); token != nil {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: 1, Total: 3, Message: "started\x1b[31m"})
			if err != nil {
				return nil, err
			}
		}
		<-ctx.Done()
		touch(dir, "cancelled")
		return nil, ctx.Err()
	})
	add("book", asks(&mcp.ElicitParams{
		Message: "Which room?\x1b[2J\u202e",
		RequestedSchema: json.RawMessage(`{"type":"object","required":["name"],"properties":{
			"name":{"type":"string","title":"Your name"},
			"nights":{"type":"integer","minimum":1,"default":1}}}`),
	}))
	add("pay", asks(&mcp.ElicitParams{Mode: "url", Message: "Pay here.", URL: "https://pay.example/1", ElicitationID: "1"}))
	add("think", asks(&mcp.CreateMessageParams{MaxTokens: 10, Messages: []*mcp.SamplingMessage{
		{Role: "user", Content: &mcp.TextContent{Text: "What is 6 times 7?"}},
	}}))
	add("picture", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
			return nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.ImageContent{MIMEType: "image/png", Data: b.Bytes()}}}, nil
	})
	add("where", asks(&mcp.ListRootsParams{}))
	return s
}

func touch(dir, name string) {
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
		panic(err)
	}
}

func work(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	_ = req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "warning", Logger: "w", Data: "tired\x1b[2J"})
	if token := req.Params.GetProgressToken(); token != nil {
		for i := range 3 {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: float64(i + 1), Total: 3, Message: "step\x1b[31m"})
			if err != nil {
				return nil, err
			}
		}
	}
	return text("# Done\n- **all** of it\x1b[2J"), nil
}

// asks is a tool that tells what it was answered.
func asks(request mcp.InputRequest) func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	return func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer, ok := req.Params.InputResponses["q"]
		if !ok {
			return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"q": request}}, nil
		}
		raw, err := json.Marshal(answer)
		return text("answer %s", raw), err
	}
}

// waitForFile waits for a trace of a server.
func waitForFile(name string) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no file %s", name)
}
