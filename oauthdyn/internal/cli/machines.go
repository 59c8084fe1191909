// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// machineFlags say who gets tokens without a browser, and without a person.
type machineFlags struct {
	clients []string
	idps    []string
	device  bool
}

func (f *machineFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.device, "device", false, "let people sign in with a code for programs on machines without a browser (RFC 8628), at ISSUER/device")
	flags.StringArrayVar(&f.clients, "client", nil, "`CLIENT` like 'id=ID secret-file=FILE resource=URI scope=SCOPE,SCOPE', a program that gets tokens for itself (client credentials), for all resources and scopes if none are named; jwks-file=FILE or jwks-uri=URL instead of a secret (private_key_jwt), or issuer=URL subject=SUB*, of a platform that vouches for it (workload identity); grant=jwt-bearer for assertions of --trusted-idp; repeatable")
	flags.StringArrayVar(&f.idps, "trusted-idp", nil, "`ISSUER[=JWKS]`, an identity provider that lets its people use programs without asking them (enterprise-managed authorization), and the URL of its keys (default what its metadata says); repeatable")
}

// apply takes the flags over into the options.
func (f *machineFlags) apply(o *authserver.Options) error {
	o.DeviceFlow = f.device
	for _, text := range f.idps {
		id, keys, _ := strings.Cut(text, "=")
		o.IdentityProviders = append(o.IdentityProviders, authserver.Issuer{ID: id, JWKSURI: keys})
	}
	for _, text := range f.clients {
		c, err := parseClient(text)
		if err != nil {
			return err
		}
		o.Clients = append(o.Clients, c)
	}
	return nil
}

// parseClient reads a client such as "id=robot secret-file=FILE scope=mcp".
func parseClient(text string) (c authserver.Client, err error) {
	var w authserver.Workload
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "id":
			c.ID = value
		case "name":
			c.Name = value
		case "secret-file":
			c.Secret, err = signin.ReadSecret(value, nil)
		case "jwks-file":
			c.JWKS, err = os.ReadFile(value)
		case "jwks-uri":
			c.JWKSURI = value
		case "issuer":
			w.Issuer.ID = value
		case "subject":
			w.Subject = value
		case "audience":
			w.Audience = value
		case "grant":
			c.GrantTypes = append(c.GrantTypes, grantType(value))
		case "resource":
			c.Resources = append(c.Resources, value)
		case "scope":
			c.Scopes = append(c.Scopes, strings.FieldsFunc(value, func(r rune) bool { return r == ',' })...)
		default:
			return c, &usageError{text: fmt.Sprintf("--client %q: there is no %s=; there are id, name, secret-file, jwks-file, jwks-uri, issuer, subject, audience, grant, resource, scope", text, name)}
		}
		if err != nil {
			return c, fmt.Errorf("--client: %w", err)
		}
	}
	if w != (authserver.Workload{}) {
		w.Issuer.JWKSURI, c.JWKSURI = c.JWKSURI, "" // the keys are those of the issuer
		c.Workload = &w
	}
	return c, nil
}

// grantType lets the long name be left out.
func grantType(name string) string {
	if name == "jwt-bearer" {
		return oauthdyn.GrantJWTBearer
	}
	return name
}
