// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/buildinfo"
)

// getFlags are those of get alone.
type getFlags struct {
	startIndex int
	maxLength  int
}

func (a *app) getCommand() *cobra.Command {
	f := &getFlags{}
	return a.readCommand(&cobra.Command{
		Use:   "get URL...",
		Short: "Print what a model would see of pages",
		Long: `Prints what a model would see: the text of the tool fetch, or of fetch_many for
several URLs. What cannot be fetched is told on standard error, in the words of the
tool.

Exit codes: 0 all was fetched, 1 something was not, 2 wrong use.`,
		Example: `  fetchserver get https://example.com/
  fetchserver get https://example.com/long --start-index 5000 --max-length 20000
  fetchserver get https://example.com/ https://example.com/other --json`,
		Args: needURLs,
	}, func(r *reading, own *pflag.FlagSet) {
		own.IntVar(&f.startIndex, "start-index", 0, "first character to print, `N` from the beginning")
		own.IntVar(&f.maxLength, "max-length", 5000, "print at most `N` characters of a page")
		own.BoolVar(&r.json, "json", false, "print the structured content, without the text")
	}, func(ctx context.Context, r *reading, args []string) error { return r.get(ctx, f, args) })
}

func needURLs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{text: "no URL given", hint: "fetchserver get https://example.com/"}
	}
	return nil
}

func (r *reading) get(ctx context.Context, f *getFlags, urls []string) error {
	switch {
	case r.prompt && (r.json || r.raw || len(urls) > 1 || len(r.headers) > 0 || r.cmd.Flags().Changed("start-index") || r.cmd.Flags().Changed("max-length")):
		return &usageError{text: "--prompt takes one URL and goes with no other flag of get"}
	case f.startIndex < 0:
		return &usageError{text: "--start-index must not be negative"}
	case f.maxLength <= 0 || f.maxLength > longest(urls):
		return &usageError{text: fmt.Sprintf("--max-length must be between 1 and %d", longest(urls))}
	case len(urls) > 1 && (len(r.headers) > 0 || f.startIndex != 0):
		return &usageError{text: "--header and --start-index go with one URL"}
	}
	server, header, end, err := r.open(nil)
	if err != nil {
		return err
	}
	defer end()
	session, hangUp, err := connect(ctx, server)
	if err != nil {
		return err
	}
	defer hangUp()
	switch {
	case r.prompt:
		err = r.getPrompt(ctx, session, urls[0])
	case len(urls) == 1:
		err = r.getOne(ctx, session, f, urls[0], header)
	default:
		err = r.getMany(ctx, session, f, urls)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if wire, ok := errors.AsType[*jsonrpc.Error](err); ok { // the arguments are not what the tool takes
		return &usageError{text: wire.Message}
	}
	return err
}

// longest is how much of a page the tool hands out at most.
func longest(urls []string) int {
	if len(urls) > 1 {
		return 50_000
	}
	return 999_999
}

// connect returns a client of the server, in this process.
func connect(ctx context.Context, server *fetchserver.Server) (*mcp.ClientSession, func(), error) {
	here, there := mcp.NewInMemoryTransports()
	answering, err := server.MCP().Connect(ctx, there, nil)
	if err != nil {
		return nil, nil, err
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "fetchserver get", Version: buildinfo.Version()}, nil).Connect(ctx, here, nil)
	if err != nil {
		_ = answering.Close()
		return nil, nil, err
	}
	return session, func() {
		_ = session.Close() // both ends are here
		_ = answering.Wait()
	}, nil
}

func (r *reading) getPrompt(ctx context.Context, session *mcp.ClientSession, url string) error {
	result, err := session.GetPrompt(ctx, &mcp.GetPromptParams{Name: "fetch", Arguments: map[string]string{"url": url}})
	if err != nil {
		return err
	}
	var content []mcp.Content
	for _, m := range result.Messages {
		content = append(content, m.Content)
	}
	if strings.HasPrefix(result.Description, "Failed") {
		return r.failed(textOf(content))
	}
	return r.write(textOf(content))
}

func (r *reading) getOne(ctx context.Context, session *mcp.ClientSession, f *getFlags, url string, header http.Header) error {
	arguments := map[string]any{"url": url, "start_index": f.startIndex, "max_length": f.maxLength, "raw": r.raw}
	if len(header) > 0 {
		fields := map[string]string{}
		for name := range header {
			fields[name] = header.Get(name)
		}
		arguments["headers"] = fields
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "fetch", Arguments: arguments})
	switch {
	case err != nil:
		return err
	case result.IsError:
		return r.failed(textOf(result.Content))
	case r.json:
		return r.writeJSON(result.StructuredContent)
	}
	return r.write(textOf(result.Content))
}

// atOnce is how many URLs the tool takes.
const atOnce = 20

// getMany asks for all URLs, as many at once as the tool takes.
func (r *reading) getMany(ctx context.Context, session *mcp.ClientSession, f *getFlags, urls []string) error {
	results := []any{}
	failed, printed := false, false
	for some := range slices.Chunk(urls, atOnce) {
		result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "fetch_many", Arguments: map[string]any{"urls": some, "max_length": f.maxLength, "raw": r.raw}})
		if err != nil {
			return err
		}
		structured, _ := result.StructuredContent.(map[string]any)
		items, _ := structured["results"].([]any)
		if len(items) != len(some) {
			return r.failed(textOf(result.Content))
		}
		results = append(results, items...)
		contents := byDocument(result.Content)
		for i, item := range items {
			if fields, ok := item.(map[string]any); ok && fields["error"] != nil {
				failed = true
				_ = r.failed(textOf(contents[i]))
				continue
			}
			if r.json {
				continue
			}
			text := textOf(contents[i])
			if printed {
				text = "\n" + text
			}
			printed = true
			if err := r.write(text); err != nil {
				return err
			}
		}
	}
	if r.json {
		if err := r.writeJSON(map[string]any{"results": results}); err != nil {
			return err
		}
	}
	if failed {
		return &saidError{exitFailure}
	}
	return nil
}

// byDocument parts the content of fetch_many: each document begins with a text.
func byDocument(content []mcp.Content) (documents [][]mcp.Content) {
	for _, c := range content {
		if _, ok := c.(*mcp.TextContent); ok {
			documents = append(documents, nil)
		}
		if n := len(documents); n > 0 {
			documents[n-1] = append(documents[n-1], c)
		}
	}
	return documents
}

// textOf is the text of content. An image has a text beside it that tells of it.
func textOf(content []mcp.Content) string {
	var texts []string
	for _, c := range content {
		switch c := c.(type) {
		case *mcp.TextContent:
			texts = append(texts, c.Text)
		case *mcp.ResourceLink:
			texts = append(texts, c.URI)
		}
	}
	return strings.Join(texts, "\n")
}

// failed tells what the tool says of a failure.
func (r *reading) failed(text string) error {
	fmt.Fprintln(r.stderr, "fetchserver: "+printed(r.stderr, text))
	return &saidError{exitFailure}
}

func (r *reading) write(text string) error {
	_, err := io.WriteString(r.stdout, printed(r.stdout, text)+"\n")
	return err
}

// writeJSON prints a value for programs.
func (r *reading) writeJSON(value any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return err
	}
	_, err := r.stdout.Write(b.Bytes())
	return err
}
