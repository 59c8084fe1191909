// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
)

func (a *app) completeCommand() *cobra.Command {
	var with []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "complete TARGET PROMPT|URI-TEMPLATE ARGUMENT [VALUE]",
		Short: "Ask the server how an argument may go on",
		Long: `Ask the server how the value of an argument may go on: of a prompt, or of a resource
template, which has a "{" or "://" in it. One suggestion is written on each line.

` + targetHelp,
		Example: `  shclient complete https://example.com/mcp greet language f
  shclient complete https://example.com/mcp 'docs://{page}' page --json
  shclient complete https://example.com/mcp greet language --with name=Ada`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, args, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if len(args) < 2 || len(args) > 3 {
				return usage(cmd, "want a prompt or URI template, the name of an argument, and how its value begins")
			}
			params := &mcp.CompleteParams{Ref: completeReference(args[0]), Argument: mcp.CompleteParamsArgument{Name: args[1]}}
			if len(args) == 3 {
				params.Argument.Value = args[2]
			}
			if params.Context, err = completeContext(with); err != nil {
				return usage(cmd, "%s", plain(err))
			}
			return a.withSession(cmd, t, nil, func(ctx context.Context, session *mcp.ClientSession) error {
				result, err := session.Complete(ctx, params)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(a.stdout, result)
				}
				return a.writeCompletion(result.Completion)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the result as one JSON document")
	cmd.Flags().StringArrayVar(&with, "with", nil, "another argument that has its value already, as `key=value` (more than once)")
	return cmd
}

func completeReference(text string) *mcp.CompleteReference {
	if strings.Contains(text, "{") || strings.Contains(text, "://") {
		return &mcp.CompleteReference{Type: "ref/resource", URI: text}
	}
	return &mcp.CompleteReference{Type: "ref/prompt", Name: text}
}

func completeContext(with []string) (*mcp.CompleteContext, error) {
	if len(with) == 0 {
		return nil, nil
	}
	arguments := map[string]string{}
	for _, text := range with {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--with %q: want key=value", text)
		}
		arguments[name] = value
	}
	return &mcp.CompleteContext{Arguments: arguments}, nil
}

func (a *app) writeCompletion(c mcp.CompletionResultDetails) error {
	for _, value := range c.Values {
		if _, err := fmt.Fprintln(a.stdout, oneLine(value)); err != nil {
			return err
		}
	}
	if more := c.Total - len(c.Values); more > 0 {
		fmt.Fprintf(a.stderr, "and %d more\n", more)
	} else if c.HasMore {
		fmt.Fprintln(a.stderr, "and more")
	}
	return nil
}
