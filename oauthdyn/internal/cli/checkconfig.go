// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// checkConfig reads all that serve reads, but neither listens, nor opens the
// store or the audit log.
func (a *app) checkConfig(ctx context.Context, f *serveFlags) error {
	log, o, err := a.readFlags(ctx, f)
	if err != nil {
		return err
	}
	if o.Issuer == "" {
		addr, err := net.ResolveTCPAddr("tcp", f.addr)
		if err != nil {
			return &usageError{text: "--addr: " + err.Error()}
		}
		if o.Issuer, err = localIssuer(addr, f.certs.On()); err != nil {
			return err
		}
	}
	if f.certs.CertFile != "" {
		if _, err := f.certs.Open(log); err != nil {
			return err
		}
	}
	users, err := openUsers(f.data, f.users)
	if err != nil {
		return err
	}
	var ways []string
	if o.Login, ways, err = f.login(users, sealingKeys{o.SealingKey, o.OldSealingKeys}, log); err != nil {
		return err
	}
	o.Store, o.Logger = memory.New(nil), nil // what it does there is of no interest
	server, err := authserver.New(ctx, o)
	if err != nil {
		return &usageError{text: err.Error()}
	}
	defer server.Close()
	if f.verify {
		if _, err := f.guarded(&o, server); err != nil {
			return &usageError{text: err.Error()}
		}
	}
	fmt.Fprintf(a.stdout, "The configuration is fine: %s, where people sign in with %s.\n", o.Issuer, strings.Join(ways, ", "))
	return nil
}
