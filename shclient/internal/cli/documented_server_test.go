// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// documentedServer has the tools that the README calls.
func documentedServer() *mcp.Server {
	s := toolServer()
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
			Title  string  `json:"title"`
		}) (*mcp.CallToolResult, any, error) {
			return text("%s of %v", strings.TrimSpace(in.Title), in.Points), nil, nil
		})
	return s
}

func text(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}
