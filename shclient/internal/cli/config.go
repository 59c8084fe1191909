// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show or extend the configurations of MCP clients",
		RunE:  needsSubcommand,
	}
	cmd.AddCommand(a.configListCommand(), a.configAddCommand(), a.configPrintCommand())
	return cmd
}

// needsSubcommand is what a command does that only groups others.
func needsSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "unknown command %q of %s", args[0], cmd.Name())
	}
	return usage(cmd, "no command of %s given", cmd.Name())
}

func (a *app) configListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the servers that MCP clients are configured for",
		Long: `List the servers in the configurations of Claude Desktop, Claude Code, Cursor, VS Code
and Windsurf. Each of the names works as TARGET of the other commands; the part after
the colon does alone, if no other client has another server of that name.

The files of a project are those of the current directory and its parents, up to the
root of the repository or the home directory. Secrets are not shown.

Into a pipe it writes one line per server: name, server, notes and file, separated by
tabs.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, "too many arguments: want none")
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			catalog, err := a.catalog()
			if err != nil {
				return err
			}
			for _, p := range catalog.Problems {
				fmt.Fprintf(a.stderr, "shclient: the configuration of %s is left out: %s\n", p.Client.Name, plain(p.Err))
			}
			if asJSON {
				return writeJSON(a.stdout, listingOf(catalog))
			}
			return a.writeServers(catalog)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	return cmd
}

// configuredServer is an entry in JSON.
type configuredServer struct {
	Name     string             `json:"name"`
	Client   string             `json:"client,omitempty"`
	Scope    clientconfig.Scope `json:"scope"`
	File     string             `json:"file"`
	Project  string             `json:"project,omitempty"`
	URL      string             `json:"url,omitempty"`
	Headers  []string           `json:"headers,omitempty"` // names
	Command  []string           `json:"command,omitempty"`
	Env      []string           `json:"env,omitempty"` // names
	BridgeTo string             `json:"bridge_to,omitempty"`
	Disabled bool               `json:"disabled,omitempty"`
	Hidden   bool               `json:"hidden,omitempty"`
	Problem  string             `json:"problem,omitempty"`
}

type configProblem struct {
	Client string `json:"client"`
	File   string `json:"file"`
	Error  string `json:"error"`
}

type configListing struct {
	Servers  []configuredServer `json:"servers"`
	Problems []configProblem    `json:"problems"`
}

func listingOf(catalog *clientconfig.Catalog) configListing {
	l := configListing{Servers: []configuredServer{}, Problems: []configProblem{}}
	for _, s := range catalog.Servers {
		l.Servers = append(l.Servers, configuredServer{
			Name: s.ID(), Client: s.Client.ID, Scope: s.Scope, File: s.File, Project: s.Project,
			URL: s.URL(), Headers: s.Headers(), Command: s.Command(), Env: s.Variables(),
			BridgeTo: s.Bridge(), Disabled: s.Disabled, Hidden: s.Hidden, Problem: s.Problem,
		})
	}
	for _, p := range catalog.Problems {
		l.Problems = append(l.Problems, configProblem{p.Client.ID, p.File, plain(p.Err)})
	}
	return l
}

func (a *app) writeServers(catalog *clientconfig.Catalog) error {
	screen := a.screen(a.stdout)
	if screen.Terminal() && len(catalog.Servers) == 0 {
		_, err := fmt.Fprintln(a.stdout, "No MCP client has a server configured.")
		return err
	}
	var rows [][]string
	home := a.system().Home()
	for _, s := range catalog.Servers {
		rows = append(rows, []string{s.ID(), s.Summary(), serverNotes(s), shortPath(s.File, home)})
	}
	_, err := io.WriteString(a.stdout, screen.Table([]string{"NAME", "SERVER", "NOTES", "FILE"}, rows))
	return err
}

// serverNotes is what else there is to know of an entry.
func serverNotes(s *clientconfig.Server) string {
	var notes []string
	if s.Problem != "" {
		notes = append(notes, s.Problem)
	}
	if url := s.Bridge(); url != "" {
		notes = append(notes, "bridge to "+url)
	}
	if s.Disabled {
		notes = append(notes, "disabled")
	}
	if s.Hidden {
		notes = append(notes, "hidden by one of the same name")
	}
	return strings.Join(notes, "; ")
}

// shortPath is a file as it is shown.
func shortPath(file, home string) string {
	if rest, err := filepath.Rel(home, file); home != "" && err == nil && filepath.IsLocal(rest) {
		return oneLine(filepath.Join("~", rest))
	}
	return oneLine(file)
}
