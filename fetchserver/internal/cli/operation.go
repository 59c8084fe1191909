// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// operationFlags are about running the server for a long time.
type operationFlags struct {
	adminAddr    string
	peers        []string
	otlp         string
	drainDelay   time.Duration
	drainTimeout time.Duration

	peersOfStatus *service.Peers // of peers; nil: none
}

func (c *config) addOperationFlags(f *pflag.FlagSet) {
	f.BoolVar(&c.checkConfig, "check-config", false, "say whether the server could start like that, and end")
	f.StringVar(&c.adminAddr, "admin-addr", "", "`HOST:PORT` for /healthz, /readyz, /status and /metrics (default none)")
	f.StringArrayVar(&c.peers, "peer", nil, "`NAME=URL` of the admin address of another program of the gateway, which /status shows as well; repeatable")
	f.StringVar(&c.otlp, "otlp-endpoint", "", "`URL` of an OpenTelemetry collector for traces, by OTLP over HTTP (default OTEL_EXPORTER_OTLP_ENDPOINT, or none)")
	f.DurationVar(&c.drainDelay, "drain-delay", 0, "`TIME` between a signal, from which on /readyz answers 503, and the end of new calls")
	f.DurationVar(&c.drainTimeout, "drain-timeout", 10*time.Second, "`TIME` after that for calls to end; a second signal ends everything at once")
}

func (c *config) checkOperationFlags() error {
	if c.drainDelay < 0 || c.drainTimeout < 0 {
		return &usageError{text: "--drain-delay and --drain-timeout must not be negative"}
	}
	if len(c.peers) > 0 && c.adminAddr == "" {
		return &usageError{text: "--peer is for the page at --admin-addr, which is missing"}
	}
	peers, err := service.ParsePeers(c.peers)
	if err != nil {
		return &usageError{text: err.Error()}
	}
	c.peersOfStatus = peers
	return nil
}
