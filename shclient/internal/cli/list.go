// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// maxListed bounds what is collected of one kind over all pages.
const maxListed = 10_000

// kinds are what list can list, with the names that it takes for them.
var kinds = []string{"tools", "resources", "prompts", "templates"}

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list TARGET [tools | resources | prompts | templates]",
		Short: "List the tools, resources, prompts or resource templates of a server",
		Long: `List what a server offers: its tools if nothing else is asked for. * marks required
arguments of tools and prompts.

Into a pipe it writes one line for each, separated by tabs: of tools and prompts the
name, arguments and description; of resources the URI, name, type, size in bytes and
description; of templates the URI template, name, type and description.

` + targetHelp,
		Example: `  shclient list https://example.com/mcp
  shclient list https://example.com/mcp resources
  shclient list prompts -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, rest, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			kind := "tools"
			switch {
			case len(rest) > 1:
				return usage(cmd, "too many arguments: want the server and what to list")
			case len(rest) == 1 && !slices.Contains(kinds, rest[0]):
				return usage(cmd, "cannot list %q: want %s", rest[0], strings.Join(kinds, ", "))
			case len(rest) == 1:
				kind = rest[0]
			}
			// Servers may have tools for clients alone that can be asked, as call can.
			_, client, err := a.talk(cmd, t, &talkFlags{})
			if err != nil {
				return err
			}
			return a.withClient(cmd, t, client, func(ctx context.Context, c *shclient.Client) error {
				l, err := a.list(ctx, c, kind)
				if err != nil {
					return err
				}
				if tools, ok := l.items.([]*mcp.Tool); ok {
					a.remember(t, tools)
				}
				if asJSON {
					return writeJSON(a.stdout, map[string]any{l.member: l.items})
				}
				others := ""
				if len(rest) == 0 {
					others = a.otherKinds(l.capabilities, t)
				}
				return a.writeList(kind, l, others)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	return cmd
}

// listed is what a server has of one kind.
type listed struct {
	member       string // of the protocol's result
	items        any    // a slice, never nil
	drawn        string
	capabilities *mcp.ServerCapabilities
}

func (a *app) list(ctx context.Context, c *shclient.Client, kind string) (*listed, error) {
	session, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	screen := a.screen(a.stdout)
	has := &mcp.ServerCapabilities{}
	if init := session.InitializeResult(); init != nil && init.Capabilities != nil {
		has = init.Capabilities
	}
	l := &listed{member: kind, capabilities: has}
	switch kind {
	case "tools":
		var tools []*mcp.Tool
		tools, err = c.ListTools(ctx)
		l.items, l.drawn = nonNil(tools), screen.Tools(tools)
	case "resources":
		var resources []*mcp.Resource
		resources, err = allPages(has.Resources != nil, session.Resources(ctx, nil))
		l.items, l.drawn = nonNil(resources), screen.Resources(resources)
	case "templates":
		var templates []*mcp.ResourceTemplate
		templates, err = allPages(has.Resources != nil, session.ResourceTemplates(ctx, nil))
		l.member, l.items, l.drawn = "resourceTemplates", nonNil(templates), screen.Templates(templates)
	case "prompts":
		var prompts []*mcp.Prompt
		prompts, err = allPages(has.Prompts != nil, session.Prompts(ctx, nil))
		l.items, l.drawn = nonNil(prompts), screen.Prompts(prompts)
	}
	return l, err
}

// allPages reads all pages of a list, of a server that has the capability.
func allPages[T any](has bool, pages iter.Seq2[*T, error]) (all []*T, err error) {
	if !has {
		return nil, nil
	}
	for item, err := range pages {
		if err != nil {
			return nil, err
		}
		if len(all) == maxListed {
			return nil, fmt.Errorf("the server lists more than %d", maxListed)
		}
		all = append(all, item)
	}
	return all, nil
}

func nonNil[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// writeList writes a list; at a terminal an empty one is said to be.
func (a *app) writeList(kind string, l *listed, others string) error {
	text := l.drawn
	if a.screen(a.stdout).Terminal() {
		if text == "" {
			text = "The server has no " + kind + ".\n"
		}
		text += others
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}

// otherKinds tells a person what there is besides tools.
func (a *app) otherKinds(has *mcp.ServerCapabilities, t target) string {
	var others []string
	if has.Resources != nil {
		others = append(others, "resources")
	}
	if has.Prompts != nil {
		others = append(others, "prompts")
	}
	if len(others) == 0 {
		return ""
	}
	command := "shclient list " + t.String() + " " + others[0]
	if t.url == "" && t.name == "" {
		command = "shclient list " + others[0] + " -- …"
	}
	screen := a.screen(a.stdout)
	return "\n" + screen.Dim(render.Clip("It has "+strings.Join(others, " and ")+" too: "+command, screen.Width)) + "\n"
}
