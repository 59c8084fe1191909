// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
)

// maxArgumentFile bounds the file of a key=@file argument.
const maxArgumentFile = 64 << 20

func (a *app) callCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "call TARGET TOOL [key=value | key:=json | key=@file]...",
		Short: "Call a tool",
		Long: `Call a tool and print what it returns.

Arguments are written as the tool's schema asks for: limit=5 becomes a number if
the tool wants a number. key:=json passes JSON as it is, key=@file the contents of
a file (- is stdin). Name the key of an array more than once to add elements.

If the tool reports an error, its text is printed too and the exit status is 5.

` + targetHelp,
		Example: `  shclient call https://example.com/mcp echo message=hello
  shclient call https://example.com/mcp plot points:='[[1,2],[3,4]]' title=@title.txt
  shclient call echo message=hello -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, args, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return usage(cmd, "the name of a tool is missing")
			}
			return a.withClient(cmd, t, nil, func(ctx context.Context, c *shclient.Client) error {
				return a.call(ctx, c, t, args[0], args[1:], asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the result as one JSON document")
	return cmd
}

func (a *app) call(ctx context.Context, c *shclient.Client, t target, name string, args []string, asJSON bool) error {
	hint := "run shclient list " + t.hint()
	tools, err := c.ListTools(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tools, func(t *mcp.Tool) bool { return t.Name == name })
	if i < 0 {
		return &exitError{failure: failure{exitUsage, fmt.Sprintf("the server has no tool %q", name), hint}}
	}
	schema, err := toolargs.Parse(tools[i].InputSchema)
	if err != nil {
		return fmt.Errorf("tool %s: %w", name, err)
	}
	arguments, err := schema.Encode(args, a.readArgument)
	if err != nil {
		return &exitError{failure: failure{exitUsage, err.Error(), hint}}
	}
	result, err := c.CallTool(ctx, name, arguments)
	if err != nil {
		return err
	}
	if err := a.writeResult(result, asJSON); err != nil {
		return err
	}
	if result.IsError {
		return &exitError{failure: failure{code: exitTool, text: fmt.Sprintf("the tool %s reported an error", name)}}
	}
	return nil
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

func (a *app) writeResult(result *mcp.CallToolResult, asJSON bool) error {
	if asJSON {
		return writeJSON(a.stdout, result)
	}
	if len(result.Content) == 0 && result.StructuredContent != nil {
		return writeJSON(a.stdout, result.StructuredContent)
	}
	screen := a.screen(a.stdout)
	for _, content := range result.Content {
		if _, err := io.WriteString(a.stdout, screen.Content(content)); err != nil {
			return err
		}
	}
	return nil
}
