// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"context"
	"errors"
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// flow is the way to a grant that the flags choose; nil for a browser.
func (f *Flags) flow(p Process) (oauthdyn.Flow, error) {
	if ways := f.ways(); len(ways) > 1 {
		return nil, fmt.Errorf("%s and %s are two ways to sign in: want one", ways[0], ways[1])
	}
	switch {
	case f.Device:
		return oauthdyn.DeviceCode{Prompt: p.promptDevice}, nil
	case f.ClientCredentials:
		return oauthdyn.ClientCredentials{}, nil
	case f.AssertionFile != "":
		return oauthdyn.JWTBearer{Assertion: func(context.Context, string) (string, error) {
			return ReadSecret(f.AssertionFile, nil)
		}}, nil
	case f.Enterprise.Issuer != "":
		return f.Enterprise.flow(p)
	case f.Enterprise != Enterprise{}:
		return nil, errors.New("--idp-client-id, --idp-client-secret-file and --id-token-file go with --idp")
	}
	return nil, nil
}

// ways are the flags that each choose a way.
func (f *Flags) ways() (chosen []string) {
	for _, way := range []struct {
		flag   string
		chosen bool
	}{
		{"--device", f.Device},
		{"--client-credentials", f.ClientCredentials},
		{"--assertion-file", f.AssertionFile != ""},
		{"--idp", f.Enterprise.Issuer != ""},
	} {
		if way.chosen {
			chosen = append(chosen, way.flag)
		}
	}
	return chosen
}

// promptDevice tells a person what to do on another machine.
func (p Process) promptDevice(_ context.Context, d oauthdyn.DeviceAuthorization) error {
	page := d.VerificationURIComplete
	if page == "" {
		page = d.VerificationURI
	}
	_, err := fmt.Fprintf(p.Stderr, "Open this page on any device:\n\n  %s\n\nand enter or compare the code:\n\n  %s\n\n", page, d.UserCode)
	return err
}
