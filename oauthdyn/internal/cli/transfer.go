// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"github.com/spf13/cobra"
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
		return a.clientOutput(f).Export(ctx, client, shown(target, f.AuthServer), to)
	})
	cmd.Flags().StringVar(&to, "to", "", "`file` to make; - is standard output")
	return cmd
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
		client, err := a.client(f, target)
		if err != nil {
			return err
		}
		return a.clientOutput(f).Import(ctx, client, shown(target, f.AuthServer), from, a.stdin)
	})
	cmd.Flags().StringVar(&from, "from", "", "`file` that export wrote; - is standard input")
	return cmd
}
