// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// foreignFlag is a flag of another bridge: supergateway, mcp-proxy (the one in
// TypeScript and the one in Python) or mcp-streamablehttp-proxy. Those who move
// from there need not rewrite their command line at once; the log tells them
// what it would be here.
type foreignFlag struct {
	name    string
	word    bool // it takes a value
	instead string
	use     func(c *config, value string) error // nil: it is refused, because of instead
}

var foreignFlagTable = []foreignFlag{
	// supergateway
	{"stdio", true, "the command goes after --, without quotes", useStdio},
	{"outputTransport", true, "Streamable HTTP is always served; --legacy-sse adds HTTP+SSE", useOutput},
	{"streamableHttpPath", true, "--path", func(c *config, v string) error { c.path = withSlash(v); return nil }},
	{"ssePath", true, "--legacy-sse", useSSEPath},
	{"messagePath", true, "--legacy-sse", func(c *config, v string) error { c.foreign.messagePath = withSlash(v); return nil }},
	{"stateful", false, "sessions are always kept", nothing},
	{"stateless", false, "it is not needed: clients that keep no session end it, or --idle-timeout does", nothing},
	{"sessionTimeout", true, "--idle-timeout 60s", milliseconds(func(c *config) *time.Duration { return &c.idleTimeout })},
	{"healthEndpoint", true, "/healthz is always there, and --admin-addr has /readyz", useHealth},
	{"cors", false, "--cors-origin", func(c *config, v string) error { c.corsOrigins = append(c.corsOrigins, v); return nil }},
	{"baseUrl", true, "--public-url", func(c *config, v string) error { c.publicURL = strings.TrimSuffix(v, "/"); return nil }},
	{"logLevel", true, "--log-level", func(c *config, v string) error { c.logLevel = v; return nil }},
	{"logFormat", true, "--log-format", func(c *config, v string) error { c.logFormat = v; return nil }},
	{"protocolVersion", true, "it is not needed: client and server agree on a version", nothing},
	{"apiKeyFile", true, "--token-file", func(c *config, v string) error { c.tokenFile = v; return nil }},
	{"header", true, "responses get no headers of their own; headers for a server with a url go into the file of --config", nil},
	{"oauth2Bearer", true, "it has never protected the server, and a token on the command line is for everybody to see; --token-file does and is not", nil},
	{"sse", true, "this program does not bring remote servers to stdio; shclient URL does", nil},
	{"streamableHttp", true, "this program does not bring remote servers to stdio; shclient URL does, and --config takes servers with a url", nil},

	// mcp-proxy, TypeScript
	{"server", true, "Streamable HTTP is always served; --legacy-sse adds HTTP+SSE", useServer},
	{"streamEndpoint", true, "--path", func(c *config, v string) error { c.path = withSlash(v); return nil }},
	{"endpoint", true, "--path", func(c *config, v string) error { c.path = withSlash(v); return nil }},
	{"sseEndpoint", true, "--legacy-sse", useSSEPath},
	{"requestTimeout", true, "--request-timeout 60s", milliseconds(func(c *config) *time.Duration { return &c.requestTimeout })},
	{"connectionTimeout", true, "--start-timeout 60s", milliseconds(func(c *config) *time.Duration { return &c.startTimeout })},
	{"sessionIdleTimeout", true, "--idle-timeout 30m", milliseconds(func(c *config) *time.Duration { return &c.idleTimeout })},
	{"gracefulShutdownTimeout", true, "--drain-timeout 5s", milliseconds(func(c *config) *time.Duration { return &c.drainTimeout })},
	{"keepAliveTimeout", true, "streams never end by themselves; --keep-alive keeps them open", nothing},
	{"maxBodySize", true, "--max-message-bytes", func(c *config, v string) error { return c.maxMessageBytes.Set(v) }},
	{"eventStoreMaxEvents", true, "--replay-bytes and --replay-time bound what is kept", nothing},
	{"no-eventStore", false, "--replay-bytes 0", noReplay},
	{"eventStore", false, "--replay-bytes and --replay-time bound what is kept", nothing},
	{"upstreamProtocol", true, "--server-protocol", func(c *config, v string) error { return c.serverProtocol.Set(v) }},
	{"corsAddAllowedHeader", true, "the headers of MCP are allowed with --cors-origin", nothing},
	{"sslCert", true, "--tls-cert", func(c *config, v string) error { c.certs.CertFile = v; return nil }},
	{"sslKey", true, "--tls-key", func(c *config, v string) error { c.certs.KeyFile = v; return nil }},
	{"debug", false, "--log-level debug", func(c *config, _ string) error { c.logLevel = "debug"; return nil }},
	{"apiKey", true, "a key on the command line is for everybody to see; put it into a file for --token-file", nil},
	{"shell", false, "commands run without a shell; write -- sh -c '…' to have one", nil},
	{"sslCa", true, "client certificates are not asked for; a proxy in front can do that", nil},
	{"tunnel", false, "this program opens no tunnels; run the program of one beside it, and name its host with --allow-host", nil},
	{"tunnelSubdomain", true, "this program opens no tunnels", nil},
	{"modern", false, "it is served unless --protocol legacy says otherwise", nothing},
	{"no-modern", false, "--protocol legacy", onlyLegacy},

	// mcp-proxy, Python
	{"pass-environment", false, "--pass-env '*'", func(c *config, _ string) error { c.passEnv = append(c.passEnv, "*"); return nil }},
	{"named-server", true, "--config", useNamed},
	{"named-server-config", true, "--config, which has the servers at /NAME/mcp", useNamedConfig},
	{"sse-port", true, "--port", usePort},
	{"sse-host", true, "--host", func(c *config, v string) error { c.host = v; return nil }},
	{"cwd", true, "--dir", func(c *config, v string) error { c.dir = v; return nil }},
	{"no-pass-environment", false, "it is so without --pass-env", nothing},
	{"no-debug", false, "it is so without --log-level debug", nothing},
	{"no-stateless", false, "sessions are always kept", nothing},
	{"expose-header", true, "those of MCP are exposed with --cors-origin", nothing},
	{"transport", true, "this program does not bring remote servers to stdio; shclient URL does", nil},
	{"headers", true, "this program does not bring remote servers to stdio; shclient URL does", nil},
	{"client-id", true, "it is for remote servers; shclient --client-credentials is the program for them", nil},
	{"client-secret", true, "it is for remote servers; shclient --client-credentials --client-secret-file is the program for them", nil},
	{"token-url", true, "it is for remote servers; shclient --client-credentials finds it", nil},
	{"username", true, "it is for remote servers; shclient --header-file takes a line with it", nil},
	{"password", true, "it is for remote servers; shclient --header-file takes a line with it", nil},
	{"digest", false, "it is for remote servers, and shclient has no digest authentication", nil},
	{"verify-ssl", true, "it is for remote servers; shclient --ca-file trusts a certificate", nil},
	{"no-verify-ssl", false, "it is for remote servers; shclient --ca-file trusts a certificate", nil},

	// mcp-streamablehttp-proxy
	{"timeout", true, "--idle-timeout 300s", seconds(func(c *config) *time.Duration { return &c.idleTimeout })},
}

// foreignFlags is what the flags of other bridges ask for that has no flag
// here.
type foreignFlags struct {
	used        []foreignFlag
	problem     *usageError
	named       []namedServer
	serversPath bool // servers of the file are below /servers
	health      []string
	ssePath     string
	messagePath string
}

type namedServer struct {
	name    string
	command []string
}

// register adds the flags, hidden, also with hyphens.
func (f *foreignFlags) register(flags *pflag.FlagSet, c *config) {
	for _, flag := range foreignFlagTable {
		for _, name := range []string{flag.name, kebab(flag.name)} {
			if flags.Lookup(name) != nil {
				continue
			}
			added := flags.VarPF(&foreignValue{flag, name, c}, name, "", "")
			added.Hidden = true
			if !flag.word {
				added.NoOptDefVal = "*"
			}
		}
	}
}

// foreignValue hands the value of a flag on. It keeps errors to itself, since
// pflag would repeat the value, which may be a secret.
type foreignValue struct {
	foreignFlag
	as string
	c  *config
}

func (v *foreignValue) String() string { return "" }
func (v *foreignValue) Type() string   { return "" }

func (v *foreignValue) Set(value string) error {
	f := &v.c.foreign
	switch {
	case f.problem != nil:
		return nil
	case !v.word && value == "false":
		if off := foreignOff[v.name]; off != nil {
			return off(v.c, value)
		}
		return nil
	case v.use == nil:
		f.problem = &usageError{text: fmt.Sprintf("--%s is not taken over: %s", v.as, v.instead)}
		return nil
	}
	if err := v.use(v.c, value); err != nil {
		f.problem = &usageError{text: fmt.Sprintf("--%s: %v", v.as, err), hint: v.hint()}
	}
	f.used = append(f.used, v.foreignFlag)
	return nil
}

// hint says what the flag is here. It is the name of a flag, or a sentence.
func (f foreignFlag) hint() string {
	if strings.HasPrefix(f.instead, "--") {
		return "here it is " + f.instead
	}
	return f.instead
}

// tell notes in the log what the flags are here.
func (f *foreignFlags) tell(log *slog.Logger) {
	for _, flag := range f.used {
		log.LogAttrs(context.Background(), slog.LevelInfo, "flag of another bridge",
			slog.String("flag", "--"+flag.name), slog.String("here", flag.instead))
	}
}

// foreignOff is what flags that are on there mean when they are turned off.
var foreignOff = map[string]func(*config, string) error{"eventStore": noReplay, "modern": onlyLegacy}

func nothing(*config, string) error { return nil }

func noReplay(c *config, _ string) error { c.replayBytes = 0; return nil }

func onlyLegacy(c *config, _ string) error { return c.protocol.Set(protocolLegacy) }

func milliseconds(field func(*config) *time.Duration) func(*config, string) error {
	return duration(field, time.Millisecond, "milliseconds")
}

func seconds(field func(*config) *time.Duration) func(*config, string) error {
	return duration(field, time.Second, "seconds")
}

// duration reads a bare number, in the unit of the other bridge, or a duration
// as it is written here.
func duration(field func(*config) *time.Duration, unit time.Duration, units string) func(*config, string) error {
	return func(c *config, value string) error {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || n < 0 || n > float64(1<<53)/float64(unit) {
			d, err := time.ParseDuration(value)
			if err != nil {
				return fmt.Errorf("want a number of %s", units)
			}
			*field(c) = d
			return nil
		}
		*field(c) = time.Duration(n * float64(unit))
		return nil
	}
}

func withSlash(path string) string { return "/" + strings.TrimPrefix(path, "/") }

// kebab is the spelling with hyphens, which the others take as well.
func kebab(camel string) string {
	var b strings.Builder
	for i, r := range camel {
		if 'A' <= r && r <= 'Z' {
			if i > 0 && !strings.HasSuffix(b.String(), "-") {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
