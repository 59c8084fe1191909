// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
)

// operationFlags are about running the server for a long time.
type operationFlags struct {
	auditLog string
	trusted  []string
}

func (f *operationFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.trusted, "trusted-proxy", nil, "`NETWORK` like 10.0.0.0/8, or address, of reverse proxies whose X-Forwarded-For and X-Forwarded-Host are believed; repeatable")
	flags.StringVar(&f.auditLog, "audit-log", "", "append who did what to `FILE`, as JSON lines; - means stdout; opened again on SIGHUP")
}

// networks reads the networks of --trusted-proxy.
func (f *operationFlags) networks() (networks []netip.Prefix, err error) {
	for _, text := range f.trusted {
		network, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil || network.Addr().Zone() != "" {
			return nil, &usageError{text: fmt.Sprintf("--trusted-proxy %q is not a network like 10.0.0.0/8 or an address", text)}
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// reread does what a hangup asks for.
func reread(ctx context.Context, journal *audit.Log, log *slog.Logger) {
	if journal == nil {
		return
	}
	if err := journal.Reopen(); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "the audit log could not be opened again; the old file is used on", slog.String("error", err.Error()))
		return
	}
	log.LogAttrs(ctx, slog.LevelInfo, "audit log opened again")
}
