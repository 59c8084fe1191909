// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

func (a *app) exportCommand() *cobra.Command {
	f := &clientFlags{}
	to := ""
	cmd := a.clientCommand(&cobra.Command{
		Use:   "export URL --to FILE",
		Short: "Move a login to a file, for another machine",
		Long: `Writes the login to a new file that only you can read, and forgets it here. It is a
move and no copy: a refresh token that two machines use is taken for a stolen one.
Give the file to "oauthdyn import" there, and delete it.`,
	}, f, func(ctx context.Context, target string) error {
		if to == "" {
			return &usageError{text: "no --to given: which file gets the login?"}
		}
		client, err := a.client(f, target)
		if err != nil {
			return err
		}
		if err := client.ExportGrant(ctx, func(grant []byte) error { return a.deliver(to, grant) }); err != nil {
			return err
		}
		if to == "-" {
			return nil
		}
		return a.say(f, map[string]string{"exported": to}, "Moved the login for %s to %s.\n", shown(target, f.AuthServer), to)
	})
	cmd.Flags().StringVar(&to, "to", "", "`file` to make; - is standard output")
	return cmd
}

// deliver writes a grant where it is to go, down to the disk, since it is
// forgotten here afterwards.
func (a *app) deliver(to string, grant []byte) (err error) {
	if to == "-" {
		_, err := fmt.Fprintf(a.stdout, "%s\n", grant)
		return err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; name a new file", to)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(append(grant, '\n')); err != nil {
		return err
	}
	return file.Sync()
}

func (a *app) importCommand() *cobra.Command {
	f := &clientFlags{}
	from := ""
	cmd := a.clientCommand(&cobra.Command{
		Use:   "import URL --from FILE",
		Short: "Take over a login from a file of another machine",
		Long: `Takes over a login that "oauthdyn export" wrote on another machine. There must be
none here for the same server.`,
	}, f, func(ctx context.Context, target string) error {
		if from == "" {
			return &usageError{text: "no --from given: which file has the login?"}
		}
		grant, err := signin.ReadSecretFile(from, a.stdin)
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		client, err := a.client(f, target)
		if err != nil {
			return err
		}
		if err := client.ImportGrant(ctx, grant); err != nil {
			return err
		}
		return a.showGrant(ctx, f, client, "Took over the login for "+shown(target, f.AuthServer)+"; delete the file.")
	})
	cmd.Flags().StringVar(&from, "from", "", "`file` that export wrote; - is standard input")
	return cmd
}

// say prints a sentence, or JSON.
func (a *app) say(f *clientFlags, v any, format string, args ...any) error {
	if f.json {
		return a.writeJSON(v)
	}
	_, err := fmt.Fprintf(a.stdout, format, args...)
	return err
}
