// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// Enterprise is the sign-in of a person whose organization decides what their
// programs may use: [oauthdyn.EnterpriseManaged]. The client at the
// authorization server of the resource is that of [Flags].
type Enterprise struct {
	Issuer           string // of the identity provider; empty means no such sign-in
	ClientID         string // of this program there
	ClientSecretFile string // with its secret; see ReadSecret
	IDTokenFile      string // with the person's ID token from there, read each time
}

func (e *Enterprise) add(flags *pflag.FlagSet) {
	flags.StringVar(&e.Issuer, "idp", "", "`URL` of the identity provider of an organization, which decides what its people use (enterprise-managed authorization)")
	flags.StringVar(&e.ClientID, "idp-client-id", "", "`id` of this program there")
	flags.StringVar(&e.ClientSecretFile, "idp-client-secret-file", "", "`file` with its secret there")
	flags.StringVar(&e.IDTokenFile, "id-token-file", "", "`file` with the person's ID token from there; read each time")
}

func (e *Enterprise) flow(p Process) (oauthdyn.Flow, error) {
	if e.ClientID == "" || e.IDTokenFile == "" {
		return nil, errors.New("--idp needs --idp-client-id and --id-token-file")
	}
	flow := oauthdyn.EnterpriseManaged{
		IdentityProvider: e.Issuer,
		ClientID:         e.ClientID,
		SubjectToken: func(context.Context) (string, error) {
			return ReadSecret(e.IDTokenFile, nil)
		},
	}
	if e.ClientSecretFile != "" {
		var err error
		if flow.ClientSecret, err = ReadSecret(e.ClientSecretFile, p.Stdin); err != nil {
			return nil, fmt.Errorf("--idp-client-secret-file: %w", err)
		}
	}
	return flow, nil
}
