// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// metadataFlags are what to say of a client: RFC 7591 section 2.
type metadataFlags struct {
	scopes, redirectURIs, grantTypes, contacts                              []string
	authMethod, clientURI, logoURI, tosURI, policyURI, softwareID, software string
	statementFile                                                           string

	flags *pflag.FlagSet
}

// add defines the flags. The members that a registration has in common with
// its update come first.
func (m *metadataFlags) add(flags *pflag.FlagSet) {
	m.flags = flags
	flags.StringArrayVar(&m.redirectURIs, "redirect-uri", nil, "`uri` that logins return to; repeatable (default: a loopback one of this program)")
	flags.StringArrayVar(&m.grantTypes, "grant-type", nil, "`type` of grant that the client may use; repeatable (default: authorization_code and refresh_token)")
	flags.StringVar(&m.authMethod, "auth-method", "", "`method` of the client at the token endpoint: none, client_secret_basic, client_secret_post or private_key_jwt")
	flags.StringVar(&m.clientURI, "client-uri", "", "`url` of the home page")
	flags.StringVar(&m.logoURI, "logo-uri", "", "`url` of the logo")
	flags.StringArrayVar(&m.contacts, "contact", nil, "`address` of somebody responsible; repeatable")
	flags.StringVar(&m.tosURI, "tos-uri", "", "`url` of the terms of service")
	flags.StringVar(&m.policyURI, "policy-uri", "", "`url` of the privacy policy")
	flags.StringVar(&m.softwareID, "software-id", "", "`id` of the program, the same for all its installations")
	flags.StringVar(&m.software, "software-version", "", "`version` of the program")
}

// given reports whether one of the flags was set.
func (m *metadataFlags) given() bool {
	given := m.statementFile != ""
	m.flags.Visit(func(f *pflag.Flag) {
		given = given || slices.Contains([]string{
			"redirect-uri", "grant-type", "auth-method", "client-uri", "logo-uri", "contact", "tos-uri", "policy-uri",
			"software-id", "software-version", "scope",
		}, f.Name)
	})
	return given
}

// change returns the edit that the flags ask for.
func (m *metadataFlags) change() (func(*oauthdyn.ClientMetadata), error) {
	methods := []string{
		oauthdyn.AuthMethodNone, oauthdyn.AuthMethodClientSecretBasic, oauthdyn.AuthMethodClientSecretPost, oauthdyn.AuthMethodPrivateKeyJWT,
	}
	if m.authMethod != "" && !slices.Contains(methods, m.authMethod) {
		return nil, &usageError{text: fmt.Sprintf("--auth-method %q is not one of %s", m.authMethod, strings.Join(methods, ", "))}
	}
	statement := ""
	if m.statementFile != "" {
		var err error
		if statement, err = signin.ReadSecret(m.statementFile, nil); err != nil {
			return nil, fmt.Errorf("--software-statement-file: %w", err)
		}
	}
	return func(c *oauthdyn.ClientMetadata) {
		for _, text := range []struct {
			to   *string
			from string
		}{
			{&c.TokenEndpointAuthMethod, m.authMethod}, {&c.ClientURI, m.clientURI}, {&c.LogoURI, m.logoURI}, {&c.TOSURI, m.tosURI},
			{&c.PolicyURI, m.policyURI}, {&c.SoftwareID, m.softwareID}, {&c.SoftwareVersion, m.software}, {&c.SoftwareStatement, statement},
			{&c.Scope, strings.Join(m.scopes, " ")},
		} {
			if text.from != "" {
				*text.to = text.from
			}
		}
		if m.contacts != nil {
			c.Contacts = m.contacts
		}
		if m.grantTypes != nil {
			c.GrantTypes = m.grantTypes
			if !slices.Contains(m.grantTypes, oauthdyn.GrantAuthorizationCode) { // there is no redirect
				c.RedirectURIs, c.ResponseTypes = []string{}, []string{}
			}
		}
		if m.redirectURIs != nil {
			c.RedirectURIs = m.redirectURIs
		}
	}, nil
}

func (a *app) registerCommand() *cobra.Command {
	f, m := &clientFlags{}, &metadataFlags{}
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
		m.scopes = f.Scopes
		return a.register(ctx, f, m, target, again)
	})
	flags := cmd.Flags()
	m.add(flags)
	flags.StringSliceVar(&f.Scopes, "scope", nil, "`scopes` that the client may ask for (default: what the server suggests)")
	flags.StringVar(&m.statementFile, "software-statement-file", "", "`file` with a JWT in which somebody vouches for the program (RFC 7591 section 2.3)")
	f.addInitialToken(flags)
	flags.BoolVar(&again, "again", false, "register even if there is a registration, and keep the new one in its place")
	f.addSecrets(flags, "the client secret and the registration access token")
	return cmd
}

func (a *app) register(ctx context.Context, f *clientFlags, m *metadataFlags, target string, again bool) error {
	if f.ClientID != "" {
		return &usageError{text: "--client-id names a client that is registered by hand; leave it out"}
	}
	change, err := m.change()
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
	case m.given():
		return &hintedError{
			fmt.Errorf("%s is registered with %s already, as %s", f.clientName, stored.Issuer, stored.Registration.Client.ClientID),
			"oauthdyn client update changes the registration; --again makes another, --client-name one beside it",
		}
	}
	return a.showRegistration(f, "Registered already with "+stored.Issuer+".", stored.Issuer, stored.Registration.Client)
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
	return a.showRegistration(f, "Registered with "+stored.Issuer+".", stored.Issuer, info)
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

// showRegistration prints what is registered, in the words of RFC 7591.
func (a *app) showRegistration(f *clientFlags, title, issuer string, info *oauthdyn.ClientInformation) error {
	if f.json {
		return a.writeRegistration(f, issuer, info)
	}
	t := &table{}
	t.add("client_id", info.ClientID)
	t.add("client_name", info.ClientName)
	t.add("application_type", info.ApplicationType)
	t.add("redirect_uris", strings.Join(info.RedirectURIs, " "))
	t.add("grant_types", strings.Join(info.GrantTypes, " "))
	t.add("token_endpoint_auth_method", info.TokenEndpointAuthMethod)
	t.add("scope", info.Scope)
	t.add("client_uri", info.ClientURI)
	t.add("contacts", strings.Join(info.Contacts, " "))
	t.add("software_id", info.SoftwareID)
	t.add("software_version", info.SoftwareVersion)
	t.add("client_secret", f.secret(info.ClientSecret))
	if at := info.ClientSecretExpiresAt; at != nil && *at != 0 {
		t.add("client_secret_expires_at", moment(time.Unix(*at, 0), time.Now()))
	}
	t.add("registration_client_uri", info.RegistrationClientURI)
	t.add("registration_access_token", f.secret(info.RegistrationAccessToken))
	return t.write(a.stdout, title)
}

func (o *output) secret(value string) string {
	if value == "" || o.secrets {
		return value
	}
	return hidden
}

// writeRegistration prints the members as they are named in JSON, and the
// issuer.
func (a *app) writeRegistration(f *clientFlags, issuer string, info *oauthdyn.ClientInformation) error {
	shown := *info
	if !f.secrets {
		shown.ClientSecret, shown.RegistrationAccessToken = "", ""
	}
	data, err := json.Marshal(shown)
	if err != nil {
		return err
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	members["issuer"] = issuer
	return a.writeJSON(members)
}
