// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

func (a *app) readCommand() *cobra.Command {
	var flags talkFlags
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "read TARGET URI",
		Short: "Read a resource",
		Long: `Read a resource. Into a pipe or a file goes what it contains, byte for byte, also if
it is binary; a terminal shows text, and images if it can.

` + targetHelp,
		Example: `  shclient read https://example.com/mcp docs://readme
  shclient read https://example.com/mcp docs://logo >logo.png
  shclient read docs://readme -- npx -y some-server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, args, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if len(args) != 1 {
				return usage(cmd, "want the URI of one resource")
			}
			save := &saver{a, dir}
			if err := save.check(); err != nil {
				return usage(cmd, "--save: %s", plain(err))
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
				result, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: args[0]})
				end()
				if err != nil {
					return err
				}
				return a.writeResource(result, save, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the result as one JSON document")
	cmd.Flags().StringVar(&dir, "save", "", "keep binary contents in a `dir`ectory, which is made if need be; no file is overwritten")
	flags.register(cmd.Flags())
	return cmd
}

func (a *app) writeResource(result *mcp.ReadResourceResult, save *saver, asJSON bool) error {
	for _, r := range result.Contents {
		if r.Blob == nil {
			continue
		}
		if err := save.save(nameOf(r.URI), r.MIMEType, r.Blob); err != nil {
			return err
		}
	}
	if asJSON {
		return writeJSON(a.stdout, result)
	}
	screen := a.screen(a.stdout)
	for i, r := range result.Contents {
		text := r.Text
		switch {
		case screen.Terminal():
			if r.Blob != nil && screen.Images == render.NoImages {
				screen.Images = a.imageProtocol()
			}
			text = screen.Resource(r)
		case r.Blob != nil:
			text = string(r.Blob)
		case i < len(result.Contents)-1 && !strings.HasSuffix(text, "\n"):
			text += "\n" // sets texts apart; a single one is as it is
		}
		if _, err := io.WriteString(a.stdout, text); err != nil {
			return err
		}
	}
	if len(result.Contents) == 0 {
		fmt.Fprintln(a.stderr, "The resource has no contents.")
	}
	return nil
}
