// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/backup"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

// backupFlags are the flags of backup and restore.
type backupFlags struct {
	storeFlags
	output
	withoutGrants bool
}

func (a *app) backupCommand() *cobra.Command {
	f := &backupFlags{}
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write clients, grants and keys to a file",
		Long: `Writes all that the store keeps to a new file that only you can read; - is standard
output. The file has hashes of tokens and of client secrets, and the signing keys
as they are in the store: sealed, if the server runs with a key file. Keep it as
you keep the store.

The server can go on in the meantime.`,
		Example: `  oauthdyn backup oauthdyn-2026-11-28.backup --data /var/lib/oauthdyn
  oauthdyn backup - --data /var/lib/oauthdyn | age -r age1… > oauthdyn.backup.age`,
		Args: oneFile("backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			return a.backup(cmd.Context(), f, args[0])
		},
	}
	f.storeFlags.add(cmd)
	f.output.add(cmd.Flags())
	return cmd
}

func (a *app) restoreCommand() *cobra.Command {
	f := &backupFlags{}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Read clients, grants and keys from a backup",
		Long: `Stores what "oauthdyn backup" wrote in a store that is empty. A file that is not
whole changes nothing.

A backup brings back what was revoked after it was made, and refresh tokens that
were exchanged since then are taken for stolen ones when they come. With
--without-grants clients and keys come back, and people sign in again.`,
		Example: `  oauthdyn restore oauthdyn-2026-11-28.backup --data /var/lib/oauthdyn-new`,
		Args:    oneFile("restore"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			return a.restore(cmd.Context(), f, args[0])
		},
	}
	f.storeFlags.add(cmd)
	f.output.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.withoutGrants, "without-grants", false, "leave out what people have consented to, and their sessions")
	return cmd
}

func oneFile(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &usageError{text: "want the name of one file", hint: "oauthdyn " + command + " FILE"}
		}
		return nil
	}
}

// backup leaves the work to the server, if one runs.
func (a *app) backup(ctx context.Context, f *backupFlags, path string) (err error) {
	stdout := path == "-"
	if stdout {
		path = f.temporary()
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return a.administer(ctx, &f.storeFlags, func(c admin.Caller) error {
		out, err := admin.Call[admin.BackupOutput](ctx, c, admin.OpBackup, admin.BackupInput{File: absolute})
		if err != nil {
			return err
		}
		if stdout {
			return errors.Join(a.print(absolute), os.Remove(absolute))
		}
		return a.sayRecords(f.output, out.Records, "Wrote %d records to "+terminal.Printable(path)+".\n")
	})
}

// temporary names a file that is not there, where whoever writes the store can
// make one.
func (f *storeFlags) temporary() string {
	dir := os.TempDir()
	if file, ok := f.file(); ok {
		dir = filepath.Dir(file)
	}
	return filepath.Join(dir, ".backup-"+rand.Text())
}

func (a *app) print(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(a.stdout, file)
	return err
}

func (a *app) restore(ctx context.Context, f *backupFlags, path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	to, err := f.open(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	n, err := backup.Read(ctx, file, to, &backup.ReadOptions{WithoutGrants: f.withoutGrants})
	if err != nil {
		return notEmpty(err)
	}
	return a.sayRecords(f.output, n, "Stored %d records.\n")
}

// notEmpty adds advice to backup.ErrNotEmpty.
func notEmpty(err error) error {
	if errors.Is(err, backup.ErrNotEmpty) {
		return &hintedError{err, "name an empty directory, another database or another prefix"}
	}
	return err
}

func (a *app) sayRecords(o output, n int, format string) error {
	if o.json {
		return a.writeJSON(map[string]int{"records": n})
	}
	_, err := fmt.Fprintf(a.stdout, format, n)
	return err
}
