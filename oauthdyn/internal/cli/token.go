// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

func (a *app) tokenCommand() *cobra.Command {
	f := &clientFlags{}
	header := false
	cmd := a.clientCommand(&cobra.Command{
		Use:   "token URL",
		Short: "Print an access token that is valid now",
		Long: `Prints the access token of a login, refreshed first if it is about to end. Nobody is
asked: without a login the exit status is 3. With --client-credentials or
--assertion-file a login is not needed.

--header prints the whole header, for programs that would otherwise show the token
to all users of this machine in their arguments.`,
		Example: `  oauthdyn token https://mcp.example.com/mcp
  oauthdyn token --header https://mcp.example.com/mcp | curl -H @- https://mcp.example.com/mcp
  oauthdyn token https://mcp.example.com/mcp | oauthdyn decode`,
	}, f, func(ctx context.Context, target string) error { return a.token(ctx, f, target, header) })
	cmd.Flags().BoolVar(&header, "header", false, "print the Authorization header instead of the token alone")
	f.addSecrets(cmd.Flags(), "the refresh token, with --json")
	cmd.MarkFlagsMutuallyExclusive("header", "json")
	return cmd
}

func (a *app) token(ctx context.Context, f *clientFlags, target string, header bool) error {
	client, err := a.client(f, target)
	if err != nil {
		return err
	}
	return a.clientOutput(f).Token(ctx, client, header)
}

func (a *app) refreshCommand() *cobra.Command {
	f := &clientFlags{}
	return a.clientCommand(&cobra.Command{
		Use:   "refresh URL",
		Short: "Refresh the token now, even if it is still valid",
		Long: `Trades the refresh token for a new access token, even if the present one is still
valid, and keeps what comes back. When the authorization server refuses it, or never
issued one, the exit status is 3: sign in again.`,
	}, f, func(ctx context.Context, target string) error {
		client, err := a.client(f, target)
		if err != nil {
			return err
		}
		if _, err := client.Refresh(ctx); err != nil {
			return err
		}
		return a.showGrant(ctx, f, client, "Refreshed the token for "+shown(target, f.AuthServer)+".")
	})
}

func (a *app) revokeCommand() *cobra.Command {
	f := &clientFlags{}
	forget := false
	cmd := a.clientCommand(&cobra.Command{
		Use:   "revoke URL",
		Short: "End a login, at the authorization server and here",
		Long: `Ends the grant at the authorization server (RFC 7009) and forgets it here. The
registration stays. When the authorization server cannot be told, nothing is
forgotten.

With --forget the login and its registration are forgotten here in any case.`,
	}, f, func(ctx context.Context, target string) error { return a.revoke(ctx, f, target, forget) })
	cmd.Flags().BoolVar(&forget, "forget", false, "forget the login and the registration, even if the server cannot be told")
	return cmd
}

func (a *app) revoke(ctx context.Context, f *clientFlags, target string, forget bool) error {
	client, err := a.client(f, target)
	if err != nil {
		return err
	}
	_, err = client.StoredGrant(ctx)
	was := err == nil
	if err != nil && !errors.Is(err, oauthdyn.ErrNotSignedIn) {
		return err
	}
	end := client.Revoke
	if forget {
		end = client.Logout
	}
	if err := end(ctx); err != nil {
		if forget {
			return err // it says that all is forgotten here nevertheless
		}
		return &hintedError{err, "the login is still here; --forget drops it without the server"}
	}
	if f.json {
		return a.writeJSON(map[string]bool{"revoked": was})
	}
	text := "There is no login for %s.\n"
	if was {
		text = "Ended the login for %s.\n"
	}
	_, err = fmt.Fprintf(a.stdout, text, shown(target, f.AuthServer))
	return err
}
