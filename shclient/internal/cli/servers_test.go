// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 servers of the legacy era log

package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// richServer offers something of everything that the commands are about. Once
// somebody has subscribed to a resource, it and the tools change until ctx ends.
func richServer(ctx context.Context) *mcp.Server {
	var s *mcp.Server
	s = mcp.NewServer(&mcp.Implementation{Name: "rich", Version: "1"}, &mcp.ServerOptions{
		CompletionHandler: completeLanguage,
		SubscribeHandler: func(reqCtx context.Context, req *mcp.SubscribeRequest) error {
			_ = req.Session.Log(reqCtx, &mcp.LoggingMessageParams{Level: "info", Data: "subscribed\x1b[2J"})
			go change(ctx, s, req.Params.URI)
			return nil
		},
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	mcp.AddTool(s, &mcp.Tool{Name: "noop", Description: "Do nothing."},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{}}, nil, nil
		})
	s.AddPrompt(&mcp.Prompt{
		Name: "greet", Description: "Greet somebody.",
		Arguments: []*mcp.PromptArgument{
			{Name: "name", Description: "whom", Required: true},
			{Name: "language"},
		},
	}, greet)
	s.AddResource(&mcp.Resource{URI: "docs://readme", Name: "readme", MIMEType: "text/markdown", Size: 2048, Description: "What it is.\nMore."}, readme)
	s.AddResource(&mcp.Resource{URI: "docs://logo", Name: "logo", MIMEType: "image/png"}, readme)
	s.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: "docs://page/{n}", Name: "page", MIMEType: "text/plain", Description: "A page."}, readme)
	return s
}

// change goes on and on, since nobody can tell when the stream is there that a
// legacy client listens to.
func change(ctx context.Context, s *mcp.Server, uri string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_ = s.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: uri})
		if i%2 == 0 {
			s.AddResource(&mcp.Resource{URI: "docs://new", Name: "new"}, readme)
		} else {
			s.RemoveResources("docs://new")
		}
	}
}

func greet(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	word := map[string]string{"": "Hello", "fr": "Bonjour"}[req.Params.Arguments["language"]]
	return &mcp.GetPromptResult{
		Description: "A greeting.",
		Messages: []*mcp.PromptMessage{
			{Role: "user", Content: &mcp.TextContent{Text: word + ", **" + req.Params.Arguments["name"] + "**!"}},
			{Role: "assistant", Content: &mcp.TextContent{Text: "And you?"}},
		},
	}, nil
}

func readme(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	contents := &mcp.ResourceContents{URI: req.Params.URI, MIMEType: "text/plain"}
	switch uri := req.Params.URI; {
	case uri == "docs://logo":
		contents.MIMEType, contents.Blob = "image/png", []byte("PNG logo\n")
	case uri == "docs://readme":
		contents.MIMEType, contents.Text = "text/markdown", "# Read me\n- first\n"
	case strings.HasPrefix(uri, "docs://page/"):
		contents.Text = "page " + strings.TrimPrefix(uri, "docs://page/")
	}
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{contents}}, nil
}

func completeLanguage(_ context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	values := []string{"de", "en", "fr"}
	if c := req.Params.Context; c != nil && c.Arguments["name"] == "Amélie" {
		values = []string{"fr"}
	}
	values = slices.DeleteFunc(values, func(v string) bool { return !strings.HasPrefix(v, req.Params.Argument.Value) })
	return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: values, Total: len(values)}}, nil
}
