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
	switch {
	case f.Device && (f.ClientCredentials || f.AssertionFile != ""):
		return nil, errors.New("--device is for people; --client-credentials and --assertion-file are for programs")
	case f.ClientCredentials && f.AssertionFile != "":
		return nil, errors.New("--client-credentials and --assertion-file exclude each other")
	case f.Device:
		return oauthdyn.DeviceCode{Prompt: p.promptDevice}, nil
	case f.ClientCredentials:
		return oauthdyn.ClientCredentials{}, nil
	case f.AssertionFile != "":
		return oauthdyn.JWTBearer{Assertion: func(context.Context, string) (string, error) {
			return ReadSecret(f.AssertionFile, nil)
		}}, nil
	}
	return nil, nil
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
