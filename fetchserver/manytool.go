// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"strconv"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// manyAtOnce is how many documents of one call are fetched at the same time.
const manyAtOnce = 5

type manyArguments struct {
	URLs      []string `json:"urls"`
	MaxLength int      `json:"max_length"`
	Raw       bool     `json:"raw"`
}

func (s *Server) addManyTool() {
	yes := true
	mcp.AddTool(s.mcp, &mcp.Tool{
		Name:  "fetch_many",
		Title: "Fetch several web pages",
		Description: "Fetches up to " + strconv.Itoa(maxURLs) + " URLs from the internet at once and returns the beginning of each, web pages as Markdown; " +
			"use fetch with start_index to read on in one of them. A URL that fails does not keep the others from being fetched. " + untrusted,
		Annotations: &mcp.ToolAnnotations{
			Title:          "Fetch several web pages",
			ReadOnlyHint:   true,
			IdempotentHint: true,
			OpenWorldHint:  &yes,
		},
		InputSchema:  manyInput().encode(),
		OutputSchema: manyOutput().encode(),
	}, s.manyTool)
}

// manyTool is the handler of the fetch_many tool. It is an error only if every
// URL is.
func (s *Server) manyTool(ctx context.Context, req *mcp.CallToolRequest, in manyArguments) (*mcp.CallToolResult, *manyResult, error) {
	items := make([]manyItem, len(in.URLs))
	contents := make([][]mcp.Content, len(in.URLs))
	progress := newProgress(req, len(in.URLs))
	next := make(chan int)
	var working sync.WaitGroup
	for range min(manyAtOnce, len(in.URLs)) {
		working.Go(func() {
			for i := range next {
				items[i], contents[i] = s.fetchOne(ctx, in.URLs[i], in.Raw, in.MaxLength)
				outcome := "fetched"
				if items[i].Error != "" {
					outcome = "failed"
				}
				progress.step(ctx, outcome+" "+in.URLs[i])
			}
		})
	}
	for i := range in.URLs {
		next <- i
	}
	close(next)
	working.Wait()

	result := &mcp.CallToolResult{IsError: true}
	for i, item := range items {
		result.Content = append(result.Content, contents[i]...)
		if item.Error == "" {
			result.IsError = false
		}
	}
	return result, &manyResult{items}, nil
}

// fetchOne fetches one of many. A panic would end the process, since it runs in
// a goroutine of ours.
func (s *Server) fetchOne(ctx context.Context, url string, raw bool, length int) (item manyItem, content []mcp.Content) {
	failed := func(text string) (manyItem, []mcp.Content) {
		return manyItem{URL: url, Error: text}, []mcp.Content{&mcp.TextContent{Text: "Error fetching " + url + ":\n" + text}}
	}
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(ctx, "fetch_many", p)
			item, content = failed("Internal error of the fetch server.")
		}
	}()
	r := &Request{URL: url, Raw: raw}
	d, err := s.fetchLogged(ctx, r)
	if err != nil {
		return failed(Explain(err))
	}
	out := d.describe(url, 0, length)
	if out.NextIndex == nil {
		s.doneReading(ctx, r)
	}
	return manyItem{URL: url, Document: out}, s.content(d, out, length)
}
