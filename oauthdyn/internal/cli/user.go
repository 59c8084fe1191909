// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
)

// maxPasswordLine bounds what is read from standard input.
const maxPasswordLine = 4096

func (a *app) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage the people who can sign in",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q of user", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return &usageError{text: "no command given", hint: "oauthdyn user add NAME"}
		},
	}
	cmd.AddCommand(a.userAddCommand(), a.userListCommand(), a.userRemoveCommand())
	return cmd
}

func (a *app) userAddCommand() *cobra.Command {
	f := &userFlags{}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a person, or change the password of one",
		Long: `Adds a person who can sign in, or changes the password of one.

The password is asked for, or read from the first line of standard input if that
is not a terminal. It has 8 to 1024 bytes.`,
		Example: `  oauthdyn user add alice --data /var/lib/oauthdyn
  pass show oauthdyn/alice | oauthdyn user add alice`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{text: "want the name of one person", hint: "oauthdyn user add NAME; the password is read from standard input"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			return a.addUser(cmd.Context(), args[0], f)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) addUser(ctx context.Context, name string, f *userFlags) error {
	file := f.file
	if file == "" {
		if err := os.MkdirAll(f.data, 0o700); err != nil {
			return err
		}
		file = filepath.Join(f.data, usersFile)
	}
	users, err := openUsers(f.data, file)
	if err != nil {
		return err
	}
	password, err := a.readPassword(ctx, name)
	if err != nil {
		return err
	}
	before, err := users.Names()
	if err != nil {
		return err
	}
	if err := users.Set(name, password); err != nil {
		return err
	}
	name = strings.ToLower(name)
	if slices.Contains(before, name) {
		_, err = fmt.Fprintf(a.stdout, "%s was there already: the password is changed; kept in %s\n", name, file)
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s can sign in; kept in %s\n", name, file)
	return err
}

// userFlags say where the users are.
type userFlags struct{ data, file string }

func (f *userFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", defaultData, "`DIR` that serve uses")
	cmd.Flags().StringVar(&f.file, "users", "", "`FILE` of users (default DIR/users)")
}

// open opens the users that are there. A directory that is not is a mistaken name,
// not a gateway without people.
func (f *userFlags) open() (*local.Users, error) {
	dir := f.data
	if f.file != "" {
		dir = filepath.Dir(f.file)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, &hintedError{fmt.Errorf("there is no directory %s", dir), "--data names the directory that serve uses"}
	}
	return openUsers(f.data, f.file)
}

func (a *app) userListCommand() *cobra.Command {
	f, out := &userFlags{}, &output{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the people who can sign in with a password",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.running = true
			return a.listUsers(f, out)
		},
	}
	f.add(cmd)
	out.add(cmd.Flags())
	return cmd
}

func (a *app) listUsers(f *userFlags, out *output) error {
	users, err := f.open()
	if err != nil {
		return err
	}
	names, err := users.Names()
	if err != nil {
		return err
	}
	type user struct {
		Name    string `json:"name"`
		Subject string `json:"sub"`
	}
	list := []user{}
	g := &grid{}
	g.add("NAME", "SUBJECT")
	for _, name := range names {
		u := user{name, local.Subject(name)}
		list = append(list, u)
		g.add(u.Name, u.Subject)
	}
	if out.json {
		return a.writeJSON(map[string]any{"users": list})
	}
	return a.writeGrid(g, len(list), "user", false)
}

func (a *app) userRemoveCommand() *cobra.Command {
	f := &userFlags{}
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a person",
		Long: `Removes a person from those who can sign in with a password, also while the server runs.
What the person has allowed clients ends when their tokens are refreshed; at once with
"oauthdyn grants revoke --subject local:NAME".`,
		Args: oneArg("want the name of one person", "oauthdyn user list shows the names"),
		RunE: func(_ *cobra.Command, args []string) error {
			a.running = true
			return a.removeUser(args[0], f)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) removeUser(name string, f *userFlags) error {
	users, err := f.open()
	if err != nil {
		return err
	}
	names, err := users.Names()
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	if !slices.Contains(names, name) {
		return &hintedError{fmt.Errorf("there is no user %s", name), "oauthdyn user list shows the names"}
	}
	if err := users.Delete(name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s cannot sign in any more\n", name)
	return err
}

// readPassword asks at a terminal, or else takes the first line of stdin.
func (a *app) readPassword(ctx context.Context, name string) (string, error) {
	fd := int(a.stdin.Fd())
	if !term.IsTerminal(fd) {
		line, err := bufio.NewReader(io.LimitReader(a.stdin, maxPasswordLine)).ReadString('\n')
		if err != nil && (!errors.Is(err, io.EOF) || line == "") {
			return "", errors.New("no password on standard input")
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := a.prompt(ctx, fd, "Password for "+name+": ")
	if err != nil {
		return "", err
	}
	second, err := a.prompt(ctx, fd, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}

// prompt reads a line without showing it. If ctx ends first, the terminal is put
// right; the read then blocks until the process ends, which is at once.
func (a *app) prompt(ctx context.Context, fd int, text string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(a.stderr, text)
	defer fmt.Fprintln(a.stderr)
	type result struct {
		password []byte
		err      error
	}
	read := make(chan result, 1)
	go func() {
		password, err := term.ReadPassword(fd)
		read <- result{password, err}
	}()
	select {
	case r := <-read:
		return string(r.password), r.err
	case <-ctx.Done():
		return "", errors.Join(errors.New("interrupted; nothing was changed"), term.Restore(fd, before))
	}
}
