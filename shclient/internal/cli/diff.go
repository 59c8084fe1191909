// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/capture"
)

// difference is what `shclient diff --json` writes.
type difference struct {
	Same     bool             `json:"same"`
	Breaking int              `json:"breaking"`     // how many of the changes
	Skipped  []string         `json:"not_compared"` // kinds of things that only one side knows
	Changes  []capture.Change `json:"changes"`
}

func (a *app) diffCommand() *cobra.Command {
	var asJSON, breaking bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show how two servers, or two captures, differ",
		Long: `Show how what B offers differs from what A offers: capabilities, tools with their
schemas, prompts, resources and resource templates. A and B are captures of "shclient
record", or servers; one of them may be a command behind --. Of two captures the
answers to the same requests are compared too.

The order of things, of members and of what is required does not matter, nor how a
number is written. Each change is named by its path in the thing, and marked if it
breaks clients of A: + is new, - is gone, ~ is different.

The exit status is 0 if nothing differs and 6 otherwise; with --breaking only what
breaks clients is shown and counts.

` + targetHelp,
		Example: `  shclient diff https://example.com/mcp https://staging.example.com/mcp
  shclient diff before.ndjson after.ndjson
  shclient diff --breaking before.ndjson -- npx -y some-server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			sides, err := a.diffSides(cmd, args)
			if err != nil {
				return err
			}
			d, err := a.diff(cmd, sides)
			if err != nil {
				return err
			}
			if breaking {
				d.Changes = capture.Breaking(d.Changes)
			}
			d.Same = len(d.Changes) == 0
			if asJSON {
				err = writeJSON(a.stdout, d)
			} else {
				err = a.writeDiff(d)
			}
			if err == nil && !d.Same {
				err = &exitError{failure: failure{code: exitDifferent, text: fmt.Sprintf("%s, %d breaking", count(len(d.Changes), "difference"), d.Breaking)}}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&breaking, "breaking", false, "only what breaks clients of A")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	return cmd
}

// side is one of the two that are compared: a file, or a server.
type side struct {
	file   string
	server target
}

func (a *app) diffSides(cmd *cobra.Command, args []string) (sides []side, err error) {
	dash := cmd.ArgsLenAtDash()
	named := args
	if dash >= 0 {
		named = args[:dash]
	}
	for _, arg := range named {
		s := side{}
		if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() {
			s.file = arg
		} else if strings.Contains(arg, "://") {
			s.server = target{url: arg}
			if err := checkURL(cmd, arg); err != nil {
				return nil, err
			}
		} else if s.server, err = a.lookupTarget(cmd, arg); err != nil {
			return nil, err
		}
		sides = append(sides, s)
	}
	if dash >= 0 {
		t, _, err := a.target(cmd, args)
		if err != nil {
			return nil, err
		}
		sides = append(sides, side{server: t})
	}
	if len(sides) != 2 {
		return nil, usage(cmd, "want two captures or servers, have %d", len(sides))
	}
	return sides, nil
}

func (a *app) diff(cmd *cobra.Command, sides []side) (*difference, error) {
	var surfaces []*capture.Surface
	var captures []*capture.Capture
	for _, s := range sides {
		if s.file != "" {
			c, err := readCapture(s.file)
			if err != nil {
				return nil, err
			}
			captures, surfaces = append(captures, c), append(surfaces, c.Surface())
			continue
		}
		surface, err := a.surface(cmd, s.server)
		if err != nil {
			return nil, err
		}
		surfaces = append(surfaces, surface)
	}
	changes, skipped := capture.Compare(surfaces[0], surfaces[1])
	if len(captures) == 2 {
		changes = append(changes, capture.Exchanges(captures[0], captures[1])...)
	}
	d := &difference{Changes: append([]capture.Change{}, changes...), Skipped: append([]string{}, skipped...)}
	d.Breaking = len(capture.Breaking(changes))
	return d, nil
}

// surface asks a server what it offers.
func (a *app) surface(cmd *cobra.Command, t target) (*capture.Surface, error) {
	server, err := a.loadTarget(cmd, t, shclient.EraAuto)
	if err != nil {
		return nil, err
	}
	session, err := server.Open(cmd.Context())
	if err != nil {
		return nil, loadFailed(t, err)
	}
	defer session.Close()
	surface, err := capture.Fetch(cmd.Context(), session.Opening(), session.Ask)
	if err != nil {
		return nil, loadFailed(t, err)
	}
	return surface, nil
}

func (a *app) writeDiff(d *difference) error {
	if err := capture.WriteChanges(a.stdout, d.Changes); err != nil {
		return err
	}
	if len(d.Skipped) > 0 {
		_, err := fmt.Fprintf(a.stdout, "not compared, for only one side has them listed: %s\n", strings.Join(d.Skipped, ", "))
		return err
	}
	return nil
}
