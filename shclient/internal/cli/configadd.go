// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
)

// entryFlags say how a server is written into a configuration.
type entryFlags struct {
	name     string
	env      []string
	absolute bool
	masked   bool // secrets of an entry that is copied are left out
}

func (f *entryFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "name", "", "`name` of the server (default: its own, or one made of its URL or command)")
	flags.StringArrayVar(&f.env, "env", nil, "`NAME=VALUE` that the command gets in its environment; repeatable")
	flags.BoolVar(&f.absolute, "absolute", false, "write the command with its whole path, for clients that search other directories")
}

func (a *app) configAddCommand() *cobra.Command {
	var f entryFlags
	var to string
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "add TARGET --to CLIENT|FILE",
		Short: "Write a server into the configuration of a client",
		Long: `Write a server into the configuration of a client: claude, claude-code, cursor, vscode,
windsurf, or a file such as .mcp.json or .vscode/mcp.json. For a URL the client is told
to run shclient, which forwards to it, with the flags for headers and logins that are
given here; for a name of another client the entry is copied.

All else in the file stays as it is, comments too; what it held before is kept in a file
that ends in .bak.

` + targetHelp,
		Example: `  shclient config add https://example.com/mcp --to claude
  shclient config add claude:github --to cursor
  shclient config add --to .vscode/mcp.json --name everything -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			place, err := a.placeOf(cmd, to)
			if err != nil {
				return err
			}
			name, entry, err := a.entryOf(cmd, args, &f, place.Client)
			if err != nil {
				return err
			}
			change, err := place.Add(name, entry, force)
			if errors.Is(err, clientconfig.ErrExists) {
				return &exitError{failure{exitUsage, fmt.Sprintf("%s has a server %q already", place.File, name), "--force replaces it, --name takes another name"}, err}
			}
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, struct {
					Name string `json:"name"`
					*clientconfig.Change
				}{name, change})
			}
			_, err = fmt.Fprintf(a.stdout, "Added %s to %s.\n", oneLine(name), oneLine(change.File))
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "`client`, or file, that gets the server")
	f.add(flags)
	flags.BoolVar(&force, "force", false, "replace a server of the same name")
	flags.BoolVar(&asJSON, "json", false, "write one JSON document")
	return cmd
}

// placeOf is where --to points.
func (a *app) placeOf(cmd *cobra.Command, to string) (place clientconfig.Place, err error) {
	if to == "" {
		return place, usage(cmd, "--to is missing: %s, or a file", strings.Join(clientIDs(), ", "))
	}
	client := clientconfig.ByID(to)
	if client == nil {
		if !strings.ContainsAny(to, `./\`) {
			return place, usage(cmd, "no client is called %q: want %s, or a file", to, strings.Join(clientIDs(), ", "))
		}
		return clientconfig.ForFile(to), nil
	}
	file := client.UserFile(a.system())
	if file == "" {
		return place, &exitError{failure: failure{exitFailure, "the environment does not say where the home directory is", "name the file with --to"}}
	}
	return clientconfig.Place{Client: client, File: file}, nil
}

func clientIDs() []string {
	var ids []string
	for _, c := range clientconfig.Clients {
		ids = append(ids, c.ID)
	}
	return ids
}

// entryOf makes the entry of the target for a client, and chooses its name.
func (a *app) entryOf(cmd *cobra.Command, args []string, f *entryFlags, client *clientconfig.Client) (name string, entry json.RawMessage, err error) {
	if len(args) == 1 && cmd.ArgsLenAtDash() < 0 && !strings.Contains(args[0], "://") {
		s, err := a.configured(cmd, args[0])
		if err != nil {
			return "", nil, err
		}
		if f.masked {
			s = s.Masked()
		}
		if entry, err = client.EntryOf(s); err != nil {
			err = &exitError{failure{code: exitUsage, text: plain(err)}, err}
		}
		return f.nameOr(s.Name), entry, err
	}
	t, err := a.onlyTarget(cmd, args)
	if err != nil {
		return "", nil, err
	}
	command, suggestion := t.command, ""
	if t.url != "" {
		u, _ := url.Parse(t.url) // it did before
		suggestion = u.Hostname()
		command = append([]string{"shclient", t.url}, a.givenFlags(cmd)...)
		for _, header := range a.connect.headers {
			if !strings.Contains(header, "${") {
				fmt.Fprintln(a.stderr, "note: a header stands in the file and in the list of processes as it is; write ${NAME} and give the value with --env")
			}
		}
	} else {
		suggestion = commandName(command)
	}
	if f.absolute {
		if command, err = absoluteCommand(command, t.url != ""); err != nil {
			return "", nil, err
		}
	}
	entry, err = client.EntryForCommand(command, f.env)
	if err != nil {
		return "", nil, usage(cmd, "--env: %v", err)
	}
	return f.nameOr(cleanName(suggestion)), entry, nil
}

func (f *entryFlags) nameOr(suggestion string) string {
	if f.name != "" {
		return f.name
	}
	return suggestion
}

// commandName is what a command is probably about: the package that a runner
// runs, or itself.
func commandName(command []string) string {
	for _, word := range slices.Backward(command) {
		if !strings.HasPrefix(word, "-") {
			base := filepath.Base(word)
			if name, _, _ := strings.Cut(base, "@"); name != "" {
				return name
			}
		}
	}
	return filepath.Base(command[0])
}

// cleanName has only characters that every client takes in a name.
func cleanName(text string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, text), "-")
	if name == "" {
		return "server"
	}
	return name
}

// absoluteCommand has the whole path of the program.
func absoluteCommand(command []string, self bool) ([]string, error) {
	program, err := os.Executable()
	if !self {
		program, err = exec.LookPath(command[0])
	}
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return nil, &exitError{failure{code: exitUsage, text: "--absolute: " + plain(err)}, err}
	}
	return append([]string{program}, command[1:]...), nil
}

// givenFlags are the flags about the connection as they were given, for a bridge
// that is to have the same. Files get their whole path.
func (a *app) givenFlags(cmd *cobra.Command) []string {
	var given []string
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Changed || f.Name == "verbose" || f.Name == "config" {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		kind, _ := pflag.UnquoteUsage(f)
		for _, value := range values {
			if kind == "file" {
				if path, err := filepath.Abs(value); err == nil {
					value = path
				}
			}
			given = append(given, "--"+f.Name+"="+value)
		}
	})
	return given
}

func (a *app) configPrintCommand() *cobra.Command {
	var f entryFlags
	var client string
	var asJSON, secrets bool
	cmd := &cobra.Command{
		Use:   "print TARGET",
		Short: "Print what to write into the configuration of each client",
		Long: `Print what "config add" would write, for each client and the file that it belongs into,
to paste it by hand. Of the server of a configuration the secrets are left out.

` + targetHelp,
		Example: `  shclient config print https://example.com/mcp
  shclient config print https://example.com/mcp --for vscode
  shclient config print --name everything -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			clients := clientconfig.Clients
			if client != "" {
				c := clientconfig.ByID(client)
				if c == nil {
					return usage(cmd, "no client is called %q: want one of %s", client, strings.Join(clientIDs(), ", "))
				}
				clients = []*clientconfig.Client{c}
			}
			f.masked = !secrets
			return a.printEntries(cmd, args, &f, clients, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&client, "for", "", "`client` to print for (default: all)")
	f.add(flags)
	flags.BoolVar(&secrets, "show-secrets", false, "also print the secrets of a server of a configuration")
	flags.BoolVar(&asJSON, "json", false, "write one JSON document: the file of each client by its name")
	return cmd
}

func (a *app) printEntries(cmd *cobra.Command, args []string, f *entryFlags, clients []*clientconfig.Client, asJSON bool) error {
	var b strings.Builder
	documents := map[string]json.RawMessage{}
	for i, c := range clients {
		name, entry, err := a.entryOf(cmd, args, f, c)
		if _, not := errors.AsType[*clientconfig.CopyError](err); not && len(clients) > 1 {
			fmt.Fprintf(a.stderr, "shclient: nothing for %s: %s\n", c.Name, plain(err))
			continue
		}
		if err != nil {
			return err
		}
		text := c.Snippet(name, entry)
		documents[c.ID] = text
		if len(clients) > 1 {
			if i > 0 {
				fmt.Fprintln(&b)
			}
			fmt.Fprintf(&b, "%s: %s\n\n", c.Name, shortPath(c.UserFile(a.system()), a.system().Home()))
		}
		b.Write(text)
	}
	if asJSON {
		return writeJSON(a.stdout, documents)
	}
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}
