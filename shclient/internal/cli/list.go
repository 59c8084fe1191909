// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list TARGET",
		Short: "List the tools of a server",
		Long: `List the tools of a server with their arguments; * marks those that are required.

Into a pipe it writes one line per tool: name, arguments and description,
separated by tabs.

` + targetHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.onlyTarget(cmd, args)
			if err != nil {
				return err
			}
			return a.withClient(cmd, t, nil, func(ctx context.Context, c *shclient.Client) error {
				tools, err := c.ListTools(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(a.stdout, map[string]any{"tools": nonNil(tools)})
				}
				return a.writeTools(tools)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	return cmd
}

func nonNil(tools []*mcp.Tool) []*mcp.Tool {
	if tools == nil {
		return []*mcp.Tool{}
	}
	return tools
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func (a *app) writeTools(tools []*mcp.Tool) error {
	width, terminal := a.terminal()
	if terminal && len(tools) == 0 {
		_, err := fmt.Fprintln(a.stdout, "The server has no tools.")
		return err
	}
	var b strings.Builder
	for _, tool := range tools {
		schema, err := toolargs.Parse(tool.InputSchema)
		if err != nil {
			return fmt.Errorf("tool %s: %w", tool.Name, err)
		}
		if terminal {
			describeTool(&b, tool, schema.Params(), width)
		} else {
			fmt.Fprintf(&b, "%s\t%s\t%s\n", oneLine(tool.Name), names(schema.Params()), summary(tool.Description))
		}
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func names(params []toolargs.Param) string {
	var list []string
	for _, p := range params {
		list = append(list, marked(p))
	}
	return strings.Join(list, " ")
}

func marked(p toolargs.Param) string {
	if p.Required {
		return oneLine(p.Name) + "*"
	}
	return oneLine(p.Name)
}

// describeTool writes a tool for people: a line of its own for each argument.
func describeTool(b *strings.Builder, tool *mcp.Tool, params []toolargs.Param, width int) {
	fmt.Fprintln(b, clip(oneLine(tool.Name)+"  "+summary(tool.Description), width))
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, p := range params {
		fmt.Fprintf(w, "    %s\t%s\t%s\n", marked(p), p.Type(), summary(p.Description))
	}
	_ = w.Flush() // into memory
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(b, clip(strings.TrimRight(line, " \n"), width))
	}
}

// summary is the first line of a description.
func summary(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return oneLine(first)
}

func clip(text string, width int) string {
	if width < 2 || utf8.RuneCountInString(text) <= width {
		return strings.TrimRight(text, " ")
	}
	return string([]rune(text)[:width-1]) + "…"
}
