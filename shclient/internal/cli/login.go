// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

func (a *app) loginCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "login TARGET",
		Short: "Log in to a server and keep the login",
		Long: `Log in to a server and keep the login for later commands and bridges. The other
commands log in by themselves when they must; this one does it ahead of time, and
replaces a login that is there.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.urlTarget(cmd, args)
			if err != nil {
				return err
			}
			a.secretsFrom = a.stdin
			return at(t, a.login(cmd, t))
		},
	}
}

func (a *app) login(cmd *cobra.Command, t target) error {
	ctx := cmd.Context()
	o, err := a.options(cmd, t)
	if err != nil {
		return err
	}
	if isExposed(t.url) {
		return usage(cmd, "%s is an http URL of another machine, where no login would be safe", t)
	}
	if o.OAuth == nil {
		return usage(cmd, "a token is given already, by --token-file, --header, %s or the configuration", tokenEnv)
	}
	client, err := oauthdyn.New(*o.OAuth)
	if err != nil {
		return err
	}
	o.OAuth = nil
	switch wanted, err := asksForLogin(ctx, client, o); {
	case err != nil:
		return err
	case !wanted:
		_, err := fmt.Fprintf(a.stdout, "%s does not ask for a login.\n", t)
		return err
	}
	if _, err := client.Authenticate(ctx); err != nil {
		return loginError(err)
	}
	_, err = fmt.Fprintf(a.stdout, "Logged in to %s.\n", t)
	return err
}

// asksForLogin tries the server without a token. One that works is asked for
// its OAuth metadata, since it may want a login for some calls only.
func asksForLogin(ctx context.Context, client *oauthdyn.Client, o shclient.Options) (bool, error) {
	c, err := shclient.New(o, nil)
	if err != nil {
		return false, err
	}
	defer c.Close()
	_, err = c.ListTools(ctx)
	if status, ok := errors.AsType[*shclient.StatusError](err); ok && status.Status == http.StatusUnauthorized {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	found, err := client.Discover(ctx)
	return err == nil && !found.Legacy, nil
}

// loginError tells a login that failed from a network that did.
func loginError(err error) error {
	if isUnreachable(err) {
		return err
	}
	return &shclient.AuthError{Err: err}
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout TARGET",
		Short: "Forget the login to a server",
		Long: `Forget the login to a server and the registration that came with it. An
authorization server that can end logins is told to; at others a token that was
copied stays valid until it expires.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.urlTarget(cmd, args)
			if err != nil {
				return err
			}
			config, err := a.oauth(cmd, t.url)
			if err != nil {
				return err
			}
			client, err := oauthdyn.New(*config)
			if err != nil {
				return err
			}
			if err := client.Logout(cmd.Context()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "Logged out of %s.\n", t)
			return err
		},
	}
}
