// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
)

func (a *app) promptCommand() *cobra.Command {
	var flags talkFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "prompt TARGET NAME [key=value | key=@file]...",
		Short: "Show the messages of a prompt",
		Long: `Show the messages that a prompt becomes with its arguments. key=@file takes the
contents of a file (- is stdin).

` + targetHelp,
		Example: `  shclient prompt https://example.com/mcp review language=go code=@main.go
  shclient prompt greet name=Ada -- npx -y some-server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, args, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return usage(cmd, "the name of a prompt is missing")
			}
			k, client, err := a.talk(cmd, t, &flags)
			if err != nil {
				return err
			}
			return a.withSession(cmd, t, client, func(ctx context.Context, session *mcp.ClientSession) error {
				end := k.begin(ctx)
				defer end()
				if err := k.start(ctx, session); err != nil {
					return err
				}
				result, err := a.prompt(ctx, session, t, args[0], args[1:])
				end()
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(a.stdout, result)
				}
				_, err = io.WriteString(a.stdout, a.drawPrompt(result))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the result as one JSON document")
	flags.register(cmd.Flags())
	return cmd
}

func (a *app) prompt(ctx context.Context, session *mcp.ClientSession, t target, name string, args []string) (*mcp.GetPromptResult, error) {
	prompts, err := allPages(true, session.Prompts(ctx, nil))
	if err != nil {
		return nil, err
	}
	hint := "run shclient list " + t.hint() + " prompts"
	if t.url == "" && t.name == "" {
		hint = "run shclient list prompts " + t.hint()
	}
	i := slices.IndexFunc(prompts, func(p *mcp.Prompt) bool { return p.Name == name })
	if i < 0 {
		var names []string
		for _, p := range prompts {
			names = append(names, p.Name)
		}
		return nil, &exitError{failure: failure{exitUsage, fmt.Sprintf("the server has no prompt %q", name) + toolargs.DidYouMean(name, names), hint}}
	}
	arguments, err := a.promptArguments(prompts[i], args)
	if err != nil {
		return nil, &exitError{failure: failure{exitUsage, err.Error(), hint}}
	}
	return session.GetPrompt(ctx, &mcp.GetPromptParams{Name: name, Arguments: arguments})
}

// promptArguments reads the arguments of a prompt as those of a tool, which
// happen to be strings.
func (a *app) promptArguments(prompt *mcp.Prompt, args []string) (map[string]string, error) {
	properties, required := map[string]any{}, []string{}
	for _, p := range prompt.Arguments {
		properties[p.Name] = map[string]string{"type": "string"}
		if p.Required {
			required = append(required, p.Name)
		}
	}
	schema, err := toolargs.Parse(map[string]any{"type": "object", "properties": properties, "required": required})
	if err != nil {
		return nil, err
	}
	raw, err := schema.Encode(args, a.readArgument)
	if err != nil {
		return nil, err
	}
	arguments := map[string]string{}
	return arguments, json.Unmarshal(raw, &arguments)
}

// drawPrompt puts the role above each message.
func (a *app) drawPrompt(result *mcp.GetPromptResult) string {
	screen := a.screen(a.stdout)
	text := ""
	if description := render.Summary(result.Description); description != "" && screen.Terminal() {
		text = screen.Dim(description) + "\n\n"
	}
	for i, m := range result.Messages {
		if i > 0 {
			text += "\n"
		}
		text += screen.Bold(render.Line(string(m.Role))+":") + "\n"
		if screen.Terminal() && render.Pictured(m.Content) && screen.Images == render.NoImages {
			screen.Images = a.imageProtocol()
		}
		text += screen.Content(m.Content)
	}
	return text
}
