// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	if err := f.guessIssuer(&o); err != nil {
		return err
	}
	if f.certs.CertFile != "" {
		if _, err := f.certs.Open(log); err != nil {
			return err
		}
	}
	ways, err := tryOut(ctx, f, log, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "The configuration is fine: %s, where people sign in with %s.\n", o.Issuer, strings.Join(ways, ", "))
	return nil
}

// guessIssuer completes the options without listening.
func (f *serveFlags) guessIssuer(o *authserver.Options) error {
	if o.Issuer != "" {
		return nil
	}
	addr, err := net.ResolveTCPAddr("tcp", f.addr)
	if err != nil {
		return &usageError{text: "--addr: " + err.Error()}
	}
	o.Issuer, err = localIssuer(addr, f.certs.On())
	return err
}

// mistakeBefore is the error of listening, or a mistake in the flags, which
// comes first: whether it is seen must not depend on who has the address.
func mistakeBefore(ctx context.Context, f *serveFlags, o authserver.Options, listening error) error {
	if f.guessIssuer(&o) != nil {
		return listening // the address itself is the mistake
	}
	_, err := tryOut(ctx, f, slog.New(slog.DiscardHandler), o)
	if mistake, ok := errors.AsType[*usageError](err); ok {
		return mistake
	}
	return listening
}

// tryOut makes the server that the options ask for, on a store of its own, and
// returns how people sign in there.
func tryOut(ctx context.Context, f *serveFlags, log *slog.Logger, o authserver.Options) (ways []string, err error) {
	users, err := openUsers(f.data, f.users)
	if err != nil {
		return nil, err
	}
	if o.Login, ways, err = f.login(users, sealingKeys{o.SealingKey, o.OldSealingKeys}, log); err != nil {
		return nil, err
	}
	o.Store, o.Logger = memory.New(nil), nil // what it does there is of no interest
	server, err := authserver.New(ctx, o)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	defer server.Close()
	if f.verify {
		if _, err := f.guarded(&o, server); err != nil {
			return nil, &usageError{text: err.Error()}
		}
	}
	return ways, nil
}
