// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// input are the arguments of the fetch tool.
type input struct {
	URL        string            `json:"url"`
	MaxLength  int               `json:"max_length"`
	StartIndex int               `json:"start_index"`
	Raw        bool              `json:"raw"`
	Method     string            `json:"method,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
}

func (in *input) request() *Request {
	r := &Request{URL: in.URL, Raw: in.Raw, Continue: in.StartIndex > 0, Method: in.Method, Body: []byte(in.Body)}
	for name, value := range in.Headers {
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set(name, value)
	}
	return r
}

// mayChange reports whether a method is not safe (RFC 9110 section 9.2.1). The
// schema of the tool has methods in upper case, however they are configured.
func mayChange(method string) bool {
	switch strings.ToUpper(method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

func (s *Server) addFetchTool() {
	yes, readOnly := true, !slices.ContainsFunc(s.opts.AllowMethods, mayChange)
	mcp.AddTool(s.mcp, &mcp.Tool{
		Name:  "fetch",
		Title: "Fetch a web page",
		Description: "Fetches a URL from the internet and returns its contents, web pages as Markdown. " +
			"Long contents are returned in slices of max_length characters. " + untrusted,
		Annotations: &mcp.ToolAnnotations{
			Title:          "Fetch a web page",
			ReadOnlyHint:   readOnly,
			IdempotentHint: readOnly,
			OpenWorldHint:  &yes,
		},
		InputSchema:  s.fetchInput().encode(),
		OutputSchema: fetchOutput().encode(),
	}, s.fetchTool)
}

// fetchTool is the handler of the fetch tool. An error becomes a result with
// isError, for the model to read.
func (s *Server) fetchTool(ctx context.Context, req *mcp.CallToolRequest, in input) (*mcp.CallToolResult, *output, error) {
	ctx, done := reportStages(ctx, req)
	defer done()
	r := in.request()
	d, err := s.fetchLogged(ctx, r)
	if err != nil {
		return nil, nil, errors.New(Explain(err))
	}
	out := d.describe(in.URL, in.StartIndex, in.MaxLength)
	if out.NextIndex == nil {
		s.doneReading(ctx, r)
	}
	return &mcp.CallToolResult{Content: s.content(d, out, in.MaxLength)}, out, nil
}

// fetchLogged is Fetch with a record for each call.
func (s *Server) fetchLogged(ctx context.Context, r *Request) (*Document, error) {
	d, o, err := s.fetch(ctx, r)
	if err != nil {
		s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "fetch failed", s.logURL(r.URL), slog.String("outcome", string(o.Result)), reason(err),
			slog.Duration("waited", o.Waited), slog.Duration("duration", o.Duration))
		return nil, err
	}
	s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "fetched", s.logURL(r.URL), slog.Int("status", d.Status),
		slog.String("content_type", d.ContentType), slog.Int("length", d.Length), slog.String("cache", string(o.Cache)), slog.Int64("received", o.Received),
		slog.Duration("waited", o.Waited), slog.Duration("duration", o.Duration))
	return d, nil
}
