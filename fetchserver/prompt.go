// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxPrompt bounds the text of a prompt in code points.
const maxPrompt = 200_000

func (s *Server) addPrompt() {
	s.mcp.AddPrompt(&mcp.Prompt{
		Name:        "fetch",
		Title:       "Fetch a web page",
		Description: "Fetch a URL and put its contents, web pages as Markdown, into the conversation",
		Arguments:   []*mcp.PromptArgument{{Name: "url", Title: "URL", Description: "The https or http URL to fetch", Required: true}},
	}, s.fetchPrompt)
}

// fetchPrompt is the handler of the prompt. A person chose it, so robots.txt is
// not asked; what fails is a message, as in mcp-server-fetch.
func (s *Server) fetchPrompt(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	url := req.Params.Arguments["url"]
	if url == "" || len(url) > maxURLLength {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: `the argument "url" must be an https or http URL of at most 8192 bytes`}
	}
	message := func(description string, content mcp.Content) *mcp.GetPromptResult {
		return &mcp.GetPromptResult{Description: description, Messages: []*mcp.PromptMessage{{Role: "user", Content: content}}}
	}
	r := &Request{URL: url, ByPerson: true}
	d, err := s.fetchLogged(ctx, r)
	s.doneReading(ctx, r) // nobody reads on in a prompt
	if err != nil {
		return message("Failed to fetch "+url, &mcp.TextContent{Text: Explain(err)}), nil
	}
	result := &mcp.GetPromptResult{Description: "Contents of " + url}
	for _, c := range s.content(d, d.describe(url, 0, maxPrompt), maxPrompt) {
		result.Messages = append(result.Messages, &mcp.PromptMessage{Role: "user", Content: c})
	}
	return result, nil
}
