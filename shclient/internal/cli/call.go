// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
)

// maxArgumentFile bounds the file of a key=@file argument.
const maxArgumentFile = 64 << 20

// callFlags are those of call.
type callFlags struct {
	talkFlags
	params string
	save   string
	json   bool
}

func (a *app) callCommand() *cobra.Command {
	var flags callFlags
	cmd := &cobra.Command{
		Use:   "call TARGET TOOL [key=value | key:=json | key=@file]...",
		Short: "Call a tool",
		Long: `Call a tool and print what it returns.

Arguments are written as the tool's schema asks for: limit=5 becomes a number if
the tool wants a number. key:=json passes JSON as it is, key=@file the contents of
a file (- is stdin). Name the key of an array more than once to add elements. If
the tool requires one argument alone, its value will do without a key. --params
takes all arguments as one JSON object.

Progress and log messages go to stderr. What the server asks, you are asked, if
stdin is a terminal; else it is declined. Ctrl-C cancels the call.

If the tool reports an error, its text is printed too and the exit status is 5.

` + targetHelp,
		Example: `  shclient call https://example.com/mcp echo message=hello
  shclient call https://example.com/mcp fetch 'https://example.org/?a=1&b=2'
  shclient call https://example.com/mcp plot points:='[[1,2],[3,4]]' title=@title.txt
  shclient call https://example.com/mcp plot --params '{"points": [[1,2],[3,4]]}' --save .
  shclient call echo message=hello -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, args, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return usage(cmd, "the name of a tool is missing")
			}
			if flags.params != "" && len(args) > 1 {
				return usage(cmd, "--params has all arguments: %q is too much", args[1])
			}
			save := &saver{a, flags.save}
			if err := save.check(); err != nil {
				return usage(cmd, "--save: %s", plain(err))
			}
			k, client, err := a.talk(cmd, t, &flags.talkFlags)
			if err != nil {
				return err
			}
			return a.withClient(cmd, t, client, func(ctx context.Context, c *shclient.Client) error {
				end := k.begin(ctx)
				defer end()
				result, err := a.call(ctx, k, c, t, args[0], args[1:], flags.params)
				end()
				if err != nil {
					return err
				}
				return a.writeResult(args[0], result, save, flags.json)
			})
		},
	}
	cmd.Flags().BoolVar(&flags.json, "json", false, "write the result as one JSON document")
	cmd.Flags().StringVar(&flags.params, "params", "", "all arguments as one `JSON` object, or @file, or - for stdin")
	cmd.Flags().StringVar(&flags.save, "save", "", "keep images, audio and other binary content in a `dir`ectory, which is made if need be; no file is overwritten")
	flags.register(cmd.Flags())
	return cmd
}

func (a *app) call(ctx context.Context, k *talk, c *shclient.Client, t target, name string, args []string, params string) (*mcp.CallToolResult, error) {
	hint := "run shclient list " + t.hint()
	session, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.start(ctx, session); err != nil {
		return nil, err
	}
	tools, err := c.ListTools(ctx)
	if err != nil {
		return nil, err
	}
	a.remember(t, tools)
	i := slices.IndexFunc(tools, func(t *mcp.Tool) bool { return t.Name == name })
	if i < 0 {
		var names []string
		for _, tool := range tools {
			names = append(names, tool.Name)
		}
		return nil, &exitError{failure: failure{exitUsage, fmt.Sprintf("the server has no tool %q", name) + toolargs.DidYouMean(name, names), hint}}
	}
	schema, err := toolargs.Parse(tools[i].InputSchema)
	if err != nil {
		return nil, fmt.Errorf("tool %s: %w", name, err)
	}
	var arguments json.RawMessage
	if params != "" {
		arguments, err = a.jsonArgument("--params", params, true)
	} else {
		arguments, err = schema.Encode(args, a.readArgument)
	}
	if err != nil {
		return nil, &exitError{failure: failure{exitUsage, err.Error(), hint}}
	}
	return c.CallTool(ctx, name, arguments)
}

// readArgument reads the file of key=@file.
func (a *app) readArgument(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxArgumentFile+1))
	if err == nil && len(content) > maxArgumentFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxArgumentFile)
	}
	return content, err
}

// jsonArgument reads JSON, or the file of @file, or stdin if it is "-". what
// names it in errors.
func (a *app) jsonArgument(what, text string, wantObject bool) (json.RawMessage, error) {
	raw := []byte(text)
	var err error
	if text == "-" {
		raw, err = a.readArgument("-")
	} else if text[0] == '@' {
		raw, err = a.readArgument(text[1:])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var object map[string]json.RawMessage
	switch err := json.Unmarshal(raw, &object); {
	case !json.Valid(raw):
		var syntax any
		return nil, fmt.Errorf("%s is not valid JSON: %w", what, json.Unmarshal(raw, &syntax))
	case wantObject && (err != nil || object == nil):
		return nil, fmt.Errorf("%s wants a JSON object", what)
	}
	return raw, nil
}

// writeResult writes what a tool has returned, and tells whether it failed.
func (a *app) writeResult(name string, result *mcp.CallToolResult, save *saver, asJSON bool) error {
	for _, content := range result.Content {
		if err := save.content(name, content); err != nil {
			return err
		}
	}
	if err := a.writeContent(result, asJSON); err != nil {
		return err
	}
	if result.IsError {
		return &exitError{failure: failure{code: exitTool, text: fmt.Sprintf("the tool %s reported an error", name)}}
	}
	return nil
}

func (a *app) writeContent(result *mcp.CallToolResult, asJSON bool) error {
	if asJSON {
		return writeJSON(a.stdout, result)
	}
	if len(result.Content) == 0 && result.StructuredContent != nil {
		return writeJSON(a.stdout, result.StructuredContent)
	}
	screen := a.screen(a.stdout)
	if screen.Terminal() && slices.ContainsFunc(result.Content, render.Pictured) {
		screen.Images = a.imageProtocol()
	}
	for _, content := range result.Content {
		if _, err := io.WriteString(a.stdout, screen.Content(content)); err != nil {
			return err
		}
	}
	return nil
}
