// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/tracing"
)

// operationFlags are about running the server for a long time.
type operationFlags struct {
	config      string
	checkConfig bool
	auditLog    string
	trusted     []string
	monitorFlags
	drainDelay   time.Duration
	drainTimeout time.Duration
	certs        certs.Flags
}

// drainTimeout is the default of the flag, and that of commands without it.
const drainTimeout = 10 * time.Second

func (f *operationFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.certs.Program = "oauthdyn"
	f.certs.Add(flags)
	flags.StringVar(&f.config, "config", "", "`FILE` with flags as JSON: their names in camel case, repeatable ones as arrays; flags win over it")
	flags.BoolVar(&f.checkConfig, "check-config", false, "say whether the server could start like that, and end")
	flags.StringArrayVar(&f.trusted, "trusted-proxy", nil, "`NETWORK` like 10.0.0.0/8, or address, of reverse proxies whose X-Forwarded-For and X-Forwarded-Host are believed; repeatable")
	flags.StringVar(&f.auditLog, "audit-log", "", "append who did what to `FILE`, as JSON lines; - means stdout; opened again on SIGHUP")
	f.monitorFlags.add(flags)
	flags.DurationVar(&f.drainDelay, "drain-delay", 0, "`TIME` between a signal, from which on /readyz answers 503, and the end of new requests")
	flags.DurationVar(&f.drainTimeout, "drain-timeout", drainTimeout, "`TIME` after that for requests to end; a second signal ends everything at once")
}

// monitorFlags are about the address for operators and monitors.
type monitorFlags struct {
	adminAddr string
	peers     []string
	otlp      string
}

func (f *monitorFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.adminAddr, "admin-addr", "", "`HOST:PORT` for /healthz, /readyz, /status and /metrics (default none)")
	flags.StringArrayVar(&f.peers, "peer", nil, "`NAME=URL` of the admin address of another program of the gateway, which /status shows as well; repeatable")
	flags.StringVar(&f.otlp, "otlp-endpoint", "", "`URL` of an OpenTelemetry collector for traces, by OTLP over HTTP (default OTEL_EXPORTER_OTLP_ENDPOINT, or none)")
}

// tracer is that of --otlp-endpoint; nil if nothing is traced.
func (f *monitorFlags) tracer(ctx context.Context, lookup func(string) (string, bool), log *slog.Logger) (*tracing.Tracer, error) {
	t, err := tracing.Start(ctx, tracing.Options{Endpoint: f.otlp, Program: "oauthdyn", Version: version(), LookupEnv: lookup, Logger: log})
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return t, nil
}

// others are the programs of --peer.
func (f *monitorFlags) others() (*service.Peers, error) {
	if len(f.peers) > 0 && f.adminAddr == "" {
		return nil, &usageError{text: "--peer is for the page at --admin-addr, which is missing"}
	}
	peers, err := service.ParsePeers(f.peers)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return peers, nil
}

// configure takes what is not given by flags from the configuration file, and
// what is not there from the environment.
func (f *operationFlags) configure(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	if f.config != "" {
		err := configfile.Read(f.config, flags, "config", "check-config", "help")
		switch {
		case errors.Is(err, configfile.ErrFormat):
			return &usageError{text: err.Error(), hint: `it has to look like {"issuer": "https://auth.example.com", "resource": ["https://mcp.example.com/mcp"]}`}
		case err != nil:
			return &usageError{text: "--config: " + err.Error()}
		}
	}
	return fromEnvironment(flags, lookup)
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

// observe tells the journal and the meter of events, if they are there.
func (f *operationFlags) observe(m *meter, journal *audit.Log) func(context.Context, audit.Event) {
	switch {
	case f.adminAddr == "" && journal == nil:
		return nil
	case f.adminAddr == "":
		return journal.Record
	case journal == nil:
		return m.record
	}
	return func(ctx context.Context, e audit.Event) {
		journal.Record(ctx, e)
		m.record(ctx, e)
	}
}

// reread does what a hangup asks for.
func reread(ctx context.Context, journal *audit.Log, source *certs.Source, log *slog.Logger) {
	if err := source.Reload(); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "certificate not usable, keeping the old one", slog.String("error", oneLine(err.Error())))
	} else if source != nil {
		log.LogAttrs(ctx, slog.LevelInfo, "certificate read again")
	}
	if journal == nil {
		return
	}
	if err := journal.Reopen(); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "the audit log could not be opened again; the old file is used on", slog.String("error", err.Error()))
		return
	}
	log.LogAttrs(ctx, slog.LevelInfo, "audit log opened again")
}
