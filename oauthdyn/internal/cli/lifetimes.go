// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

// lifetimeFlags say how long things live. The defaults are those of the library.
type lifetimeFlags struct {
	accessToken, refreshToken, grant, session, code, client time.Duration
}

const (
	defaultClientTTL = 90 * 24 * time.Hour
	never            = 100 * 365 * 24 * time.Hour
)

func (f *lifetimeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.DurationVar(&f.accessToken, "access-token-ttl", 15*time.Minute, "`TIME` that access tokens live, up to 24h (default also $"+envAccessTTL+" in seconds)")
	flags.DurationVar(&f.refreshToken, "refresh-token-ttl", 30*24*time.Hour, "`TIME` that a refresh token can wait to be used (default also $"+envRefreshTTL+" in seconds)")
	flags.DurationVar(&f.grant, "grant-ttl", 180*24*time.Hour, "`TIME` after which people have to consent again")
	flags.DurationVar(&f.session, "session-ttl", 12*time.Hour, "`TIME` that people stay signed in at the browser")
	flags.DurationVar(&f.code, "code-ttl", time.Minute, "`TIME` that an authorization code lives, up to 10m")
	flags.DurationVar(&f.client, "client-ttl", defaultClientTTL, "`TIME` without a grant and without a new token after which a client is forgotten; 0 means never (default also $"+envClientTTL+" in seconds)")
}

// apply sets the options.
func (f *lifetimeFlags) apply(o *authserver.Options) error {
	for _, ttl := range []struct {
		flag  string
		value time.Duration
		to    *time.Duration
	}{
		{"--access-token-ttl", f.accessToken, &o.AccessTokenTTL},
		{"--refresh-token-ttl", f.refreshToken, &o.RefreshTokenTTL},
		{"--grant-ttl", f.grant, &o.GrantTTL},
		{"--session-ttl", f.session, &o.SessionTTL},
		{"--code-ttl", f.code, &o.CodeTTL},
	} {
		if ttl.value <= 0 {
			return &usageError{text: fmt.Sprintf("%s must be positive", ttl.flag)}
		}
		*ttl.to = ttl.value
	}
	return nil
}

// clientTTL is how long the store keeps clients.
func (f *lifetimeFlags) clientTTL() (time.Duration, error) {
	switch {
	case f.client < 0:
		return 0, &usageError{text: "--client-ttl must not be negative"}
	case f.client == 0 || f.client > never:
		return never, nil
	}
	return f.client, nil
}
