// SPDX-License-Identifier: Apache-2.0

package clientcmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// A FlagError is a value that a flag cannot have.
type FlagError struct{ text string }

// Error names the flag.
func (e *FlagError) Error() string { return e.text }

// MetadataFlags are what to say of a client: RFC 7591 section 2.
type MetadataFlags struct {
	Scopes        []string // to register for
	StatementFile string   // with a JWT in which somebody vouches for the program

	redirectURIs, grantTypes, contacts                                      []string
	authMethod, clientURI, logoURI, tosURI, policyURI, softwareID, software string

	flags *pflag.FlagSet
}

// Add defines the flags that a registration has in common with its update. One
// for Scopes is the command's own affair.
func (m *MetadataFlags) Add(flags *pflag.FlagSet) {
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

// Given reports whether something was said: one of the flags, or --scope.
func (m *MetadataFlags) Given() bool {
	given := m.StatementFile != ""
	m.flags.Visit(func(f *pflag.Flag) {
		given = given || slices.Contains([]string{
			"redirect-uri", "grant-type", "auth-method", "client-uri", "logo-uri", "contact", "tos-uri", "policy-uri",
			"software-id", "software-version", "scope",
		}, f.Name)
	})
	return given
}

// Change returns the edit that the flags ask for. The error is a *FlagError, or
// that of a file.
func (m *MetadataFlags) Change() (func(*oauthdyn.ClientMetadata), error) {
	methods := []string{
		oauthdyn.AuthMethodNone, oauthdyn.AuthMethodClientSecretBasic, oauthdyn.AuthMethodClientSecretPost, oauthdyn.AuthMethodPrivateKeyJWT,
	}
	if m.authMethod != "" && !slices.Contains(methods, m.authMethod) {
		return nil, &FlagError{fmt.Sprintf("--auth-method %q is not one of %s", m.authMethod, strings.Join(methods, ", "))}
	}
	statement := ""
	if m.StatementFile != "" {
		var err error
		if statement, err = signin.ReadSecret(m.StatementFile, nil); err != nil {
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
			{&c.Scope, strings.Join(m.Scopes, " ")},
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
