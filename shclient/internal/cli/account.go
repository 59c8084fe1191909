// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/clientcmd"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// accountFlags are those of the commands about logins and registrations.
type accountFlags struct{ json, secrets bool }

// accountCommand completes a command about the login to a target, or about the
// registration behind it.
func (a *app) accountCommand(cmd *cobra.Command, f *accountFlags, run func(context.Context, *oauthdyn.Client, target, clientcmd.Output) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := a.urlTarget(cmd, args)
		if err != nil {
			return err
		}
		a.secretsFrom = a.stdin
		config, err := a.oauth(cmd, t.url)
		if err != nil {
			return err
		}
		client, err := oauthdyn.New(*config)
		if err != nil {
			return usage(cmd, "%s", plain(err))
		}
		return at(t, accountError(t, run(cmd.Context(), client, t, a.accountOutput(f))))
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write one JSON document")
	return cmd
}

func (a *app) accountOutput(f *accountFlags) clientcmd.Output {
	return clientcmd.Output{Stdout: a.stdout, Stderr: a.stderr, JSON: f.json, Secrets: f.secrets}
}

// accountError gives errors of logins their status and hint.
func accountError(t target, err error) error {
	refused, answered := errors.AsType[*oauthdyn.Error](err)
	switch {
	case errors.Is(err, oauthdyn.ErrNotSignedIn):
		return &exitError{failure{code: exitAuth, text: plain(err), hint: "run shclient login " + t.String()}, err}
	case errors.Is(err, oauthdyn.ErrNoRegistration):
		return &exitError{failure{code: exitFailure, text: plain(err), hint: "shclient login " + t.String() + " makes one; client show --stored shows what is kept here"}, err}
	case answered && refused.Status < 500:
		return &exitError{failure{code: exitAuth, text: plain(err), hint: "shclient doctor " + t.String() + " looks closer"}, err}
	}
	return err
}

func (a *app) tokenCommand() *cobra.Command {
	f, header := &accountFlags{}, false
	cmd := a.accountCommand(&cobra.Command{
		Use:   "token TARGET",
		Short: "Print an access token that is valid now",
		Long: `Print the access token of the login to a server, refreshed first if it is about to end.
Nobody is asked: without a login the exit status is 3.

--header prints the whole header, for programs that would otherwise show the token to
all users of this machine in their arguments.`,
		Example: `  shclient token https://example.com/mcp
  shclient token https://example.com/mcp --header | curl -H @- https://example.com/mcp`,
	}, f, func(ctx context.Context, client *oauthdyn.Client, _ target, out clientcmd.Output) error {
		return out.Token(ctx, client, header)
	})
	cmd.Flags().BoolVar(&header, "header", false, "print the Authorization header instead of the token alone")
	return cmd
}

func (a *app) authCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Show the logins, or move one to another machine",
		RunE:  needsSubcommand,
	}
	cmd.AddCommand(a.authListCommand(), a.authExportCommand(), a.authImportCommand())
	return cmd
}

func (a *app) authListCommand() *cobra.Command {
	f := &accountFlags{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the logins that are kept",
		Long: `List the logins that are kept, without their tokens: server, authorization server, scopes,
and until when the token is valid. Those of the oauthdyn command are the same.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, "too many arguments: want none")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := a.connect.CredentialFile(signin.Process{LookupEnv: a.lookupEnv, Stderr: a.stderr})
			if err != nil {
				return err
			}
			return a.accountOutput(f).Grants(cmd.Context(), oauthdyn.NewFileStore(name))
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write one JSON document")
	return cmd
}

func (a *app) authExportCommand() *cobra.Command {
	f, to := &accountFlags{}, ""
	cmd := a.accountCommand(&cobra.Command{
		Use:   "export TARGET --to FILE",
		Short: "Move a login to a file, for another machine",
		Long: `Write the login to a new file that only you can read, and forget it here. It is a move
and no copy: a refresh token that two machines use is taken for a stolen one. Give the
file to "shclient auth import" there, and delete it.`,
		Example: "  shclient auth export https://example.com/mcp --to login.json",
	}, f, func(ctx context.Context, client *oauthdyn.Client, t target, out clientcmd.Output) error {
		if to == "" {
			return &exitError{failure: failure{code: exitUsage, text: "--to is missing: which file gets the login?"}}
		}
		return out.Export(ctx, client, t.String(), to)
	})
	cmd.Flags().StringVar(&to, "to", "", "`file` to make; - is stdout")
	return cmd
}

func (a *app) authImportCommand() *cobra.Command {
	f, from := &accountFlags{}, ""
	cmd := a.accountCommand(&cobra.Command{
		Use:   "import TARGET --from FILE",
		Short: "Take over a login from a file of another machine",
		Long: `Take over a login that "shclient auth export" wrote on another machine. There must be
none here for the same server.`,
		Example: "  shclient auth import https://example.com/mcp --from login.json",
	}, f, func(ctx context.Context, client *oauthdyn.Client, t target, out clientcmd.Output) error {
		if from == "" {
			return &exitError{failure: failure{code: exitUsage, text: "--from is missing: which file has the login?"}}
		}
		return out.Import(ctx, client, t.String(), from, a.stdin)
	})
	cmd.Flags().StringVar(&from, "from", "", "`file` that export wrote; - is stdin")
	return cmd
}
