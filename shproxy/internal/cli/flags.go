// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// config holds the flags and the command.
type config struct {
	settings // of all servers, unless the file says otherwise

	file    string
	env     []string
	passEnv []string
	dir     string

	host         string
	port         uint16
	path         string
	publicURL    string
	adminAddr    string
	peers        []string
	otlp         string
	drainTimeout time.Duration
	legacySSE    bool

	certs certs.Flags

	replicas replicaFlags

	allowHosts     []string
	allowOrigins   []string
	corsOrigins    []string
	insecureNoAuth bool

	identityHeader string
	tokenFile      string
	authIssuers    []string
	resource       string
	requiredScopes []string
	authEmbedded   bool
	authData       string
	authUsers      string

	logLevel  string
	logFormat string

	command string
	args    []string

	peersOfStatus *service.Peers // of peers; nil: none

	foreign     foreignFlags // those of other bridges
	environment environment
}

// flagGroup is a part of the help.
type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// register adds all flags to the command and returns them by topic.
func (c *config) register(cmd *cobra.Command) []flagGroup {
	c.settings = defaultSettings()
	var groups []flagGroup
	group := func(title string, add func(*pflag.FlagSet)) {
		f := pflag.NewFlagSet(title, pflag.ContinueOnError)
		f.SortFlags = false
		add(f)
		groups = append(groups, flagGroup{title, f})
		cmd.Flags().AddFlagSet(f)
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().SetInterspersed(false) // what follows the command belongs to it
	group("What is served", c.serverFlags)
	group("Where", c.addressFlags)
	group("Who may call", c.accessFlags)
	group("Processes and sessions", func(f *pflag.FlagSet) { c.settings.register(f, processSettings) })
	group("Calls and streams", func(f *pflag.FlagSet) {
		c.settings.register(f, messageSettings)
		f.BoolVar(&c.legacySSE, "legacy-sse", false, "offer the HTTP+SSE transport of 2024-11-05 as well, at /sse and /messages beside each endpoint")
	})
	c.certs.Program = "shproxy"
	group("Encryption", c.certs.Add)
	group("Several replicas", c.replicas.register)
	group("Operation", c.operationFlags)
	c.foreign.register(cmd.Flags(), c)
	return groups
}

func (c *config) serverFlags(f *pflag.FlagSet) {
	f.StringVar(&c.file, "config", "", "`FILE` with mcpServers, each served at /NAME/mcp; read again on SIGHUP")
	f.StringArrayVarP(&c.env, "env", "e", nil, "set a variable of the command: `KEY=VALUE`, KEY=env:NAME or KEY=file:PATH; repeatable")
	f.StringArrayVar(&c.passEnv, "pass-env", nil, "pass on the variable `NAME`, or those that match, like AWS_*; repeatable")
	c.settings.register(f, environmentSettings)
	f.StringVar(&c.dir, "dir", "", "working `DIR` of the command")
}

func (c *config) addressFlags(f *pflag.FlagSet) {
	f.StringVar(&c.host, "host", "127.0.0.1", "`ADDRESS` to listen on")
	f.Uint16Var(&c.port, "port", 8080, "`PORT` to listen on; 0 means any free one")
	f.StringVar(&c.path, "path", "/mcp", "`PATH` of the command's endpoint")
	f.StringVar(&c.publicURL, "public-url", "", "`URL` under which clients know this program, without a path (default the address listened on)")
	f.StringArrayVar(&c.allowHosts, "allow-host", nil, "host `NAME` under which clients reach it; repeatable")
	f.StringArrayVar(&c.allowOrigins, "allow-origin", nil, "`ORIGIN` whose web pages may call; repeatable")
	f.StringArrayVar(&c.corsOrigins, "cors-origin", nil, "`ORIGIN` whose web pages may call and read the answers (CORS), or * for all; repeatable")
}

func (c *config) accessFlags(f *pflag.FlagSet) {
	f.StringVar(&c.tokenFile, "token-file", "", "demand a bearer token of `FILE`: lines of NAME=TOKEN or NAME=sha256:HEX; read again on SIGHUP")
	f.StringArrayVar(&c.authIssuers, "auth-issuer", nil, "demand access tokens of the authorization server at `URL`; repeatable")
	f.BoolVar(&c.authEmbedded, "auth-embedded", false, "be the authorization server as well, with people who sign in by password")
	f.StringVar(&c.authData, "auth-data", "", "`DIR` of the embedded authorization server (default shproxy-data)")
	f.StringVar(&c.authUsers, "auth-users", "", "`FILE` of its people (default users in that directory)")
	f.StringVar(&c.resource, "resource", "", "`URL` of the endpoint as clients see it, the audience of their tokens (default the public URL with the path)")
	f.StringArrayVar(&c.requiredScopes, "required-scope", nil, "`SCOPE` that tokens must have; repeatable")
	f.StringVar(&c.identityHeader, "identity-header", "", "take the word of a reverse proxy, which alone reaches this program, for who calls: the header `NAME`")
	f.BoolVar(&c.insecureNoAuth, "insecure-no-auth", false, "let everybody who can reach an address that is not loopback use the servers")
}

func (c *config) operationFlags(f *pflag.FlagSet) {
	f.StringVar(&c.adminAddr, "admin-addr", "", "`HOST:PORT` for /healthz, /readyz, /status and /metrics (default none)")
	f.StringArrayVar(&c.peers, "peer", nil, "`NAME=URL` of the admin address of another program of the gateway, which /status shows as well; repeatable")
	f.StringVar(&c.otlp, "otlp-endpoint", "", "`URL` of an OpenTelemetry collector for traces, by OTLP over HTTP (default OTEL_EXPORTER_OTLP_ENDPOINT, or none)")
	f.DurationVar(&c.drainTimeout, "drain-timeout", 10*time.Second, "`TIME` for calls to end after a signal; a second signal ends everything at once")
	f.StringVar(&c.logLevel, "log-level", "info", "log from `LEVEL` on: debug, info, warn or error")
	f.StringVar(&c.logFormat, "log-format", "text", "log in this `FORMAT`: text or json")
}

// usage is the help on the flags, by topic. Those of other bridges are not
// shown.
func usage(groups []flagGroup) string {
	var b strings.Builder
	for _, g := range groups {
		b.WriteString(g.title + ":\n" + g.flags.FlagUsages() + "\n")
	}
	return b.String()
}
