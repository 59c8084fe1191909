// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// documentedServer has what the command lines of the README are about, besides
// what the rich server has.
func documentedServer() *mcp.Server {
	s := richServer(context.Background())
	s.AddPrompt(&mcp.Prompt{Name: "review", Arguments: []*mcp.PromptArgument{{Name: "language"}, {Name: "code"}}},
		func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			what := &mcp.TextContent{Text: "Review this " + req.Params.Arguments["language"] + ": " + req.Params.Arguments["code"]}
			return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: what}}}, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "fetch"},
		func(_ context.Context, _ *mcp.CallToolRequest, in struct {
			URL string `json:"url"`
		}) (*mcp.CallToolResult, any, error) {
			return text("Contents of %s", in.URL), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "search"},
		func(_ context.Context, _ *mcp.CallToolRequest, in struct {
			Query string `json:"query"`
			Limit int    `json:"limit,omitempty"`
		}) (*mcp.CallToolResult, any, error) {
			return text("%d pages about %s", in.Limit, in.Query), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "plot"},
		func(_ context.Context, _ *mcp.CallToolRequest, in struct {
			Points [][]int `json:"points"`
			Title  string  `json:"title,omitempty"`
		}) (*mcp.CallToolResult, any, error) {
			result := text("%s of %v", strings.TrimSpace(in.Title), in.Points)
			result.Content = append(result.Content, &mcp.ImageContent{MIMEType: "image/png", Data: []byte("\x89PNG plot")})
			return result, nil, nil
		})
	return s
}

func text(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}
