// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/clientcmd"
)

func (a *app) registerCommand() *cobra.Command {
	f, m := &clientFlags{}, &clientcmd.MetadataFlags{}
	again := false
	cmd := a.clientCommand(&cobra.Command{
		Use:   "register URL",
		Short: "Register a client with an authorization server",
		Long: `Registers a client (RFC 7591) with an authorization server, or with that of an MCP
server, and keeps the registration. If there is one already, it is shown.

Without flags it is the client that "oauthdyn login" and shclient use, which
register by themselves when they must. Give a client of your own a --client-name of
its own, and that name to the other commands.

Where registration is not open to everybody, an initial access token comes from a
file or from ` + envInitialToken + `.`,
		Example: `  oauthdyn register https://auth.example.com
  oauthdyn register https://auth.example.com --client-name 'My app' \
    --redirect-uri https://app.example.com/callback --auth-method client_secret_basic --show-secrets`,
	}, f, func(ctx context.Context, target string) error {
		m.Scopes = f.Scopes
		return a.register(ctx, f, m, target, again)
	})
	flags := cmd.Flags()
	m.Add(flags)
	flags.StringSliceVar(&f.Scopes, "scope", nil, "`scopes` that the client may ask for (default: what the server suggests)")
	flags.StringVar(&m.StatementFile, "software-statement-file", "", "`file` with a JWT in which somebody vouches for the program (RFC 7591 section 2.3)")
	f.addInitialToken(flags)
	flags.BoolVar(&again, "again", false, "register even if there is a registration, and keep the new one in its place")
	f.addSecrets(flags, "the client secret and the registration access token")
	return cmd
}

func (a *app) register(ctx context.Context, f *clientFlags, m *clientcmd.MetadataFlags, target string, again bool) error {
	if f.ClientID != "" {
		return &usageError{text: "--client-id names a client that is registered by hand; leave it out"}
	}
	change, err := m.Change()
	if err != nil {
		return err
	}
	client, err := a.clientOfAny(ctx, f, target)
	if err != nil {
		return err
	}
	stored, err := client.StoredRegistration(ctx)
	switch {
	case errors.Is(err, oauthdyn.ErrNoRegistration), err == nil && again:
		return a.registerNow(ctx, f, client, change)
	case err != nil:
		return err
	case m.Given():
		return &hintedError{
			fmt.Errorf("%s is registered with %s already, as %s", f.clientName, stored.Issuer, stored.Registration.Client.ClientID),
			"oauthdyn client update changes the registration; --again makes another, --client-name one beside it",
		}
	}
	return a.clientOutput(f).Registration("Registered already with "+stored.Issuer+".", stored.Issuer, stored.Registration.Client)
}

func (a *app) registerNow(ctx context.Context, f *clientFlags, client *oauthdyn.Client, change func(*oauthdyn.ClientMetadata)) error {
	info, err := client.RegisterAnew(ctx, change)
	if err != nil {
		return err
	}
	stored, err := client.StoredRegistration(ctx)
	if err != nil {
		return err
	}
	return a.clientOutput(f).Registration("Registered with "+stored.Issuer+".", stored.Issuer, info)
}

// clientOfAny makes a client of an MCP server or of an authorization server,
// whichever the URL is.
func (a *app) clientOfAny(ctx context.Context, f *clientFlags, target string) (*oauthdyn.Client, error) {
	target, err := a.anyTarget(ctx, f, target)
	if err != nil {
		return nil, err
	}
	return a.client(f, target)
}
