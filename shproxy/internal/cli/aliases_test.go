// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// parse reads a command line without running anything.
func parse(t *testing.T, args ...string) (*config, error) {
	t.Helper()
	var got *config
	cmd := newCommand(fakeEnvironment("PATH=/bin"), func(c *config) error {
		got = c
		return c.check()
	})
	cmd.SetArgs(normalize(cmd.Flags(), args))
	err := cmd.Execute()
	return got, err
}

// Command lines of other bridges mean here what they mean there.
func TestForeignFlags(t *testing.T) {
	is := func(what string, ok func(*config) bool) func(*config) string {
		return func(c *config) string {
			if ok(c) {
				return ""
			}
			return what
		}
	}
	command := func(want ...string) func(*config) string {
		return func(c *config) string {
			if got := append([]string{c.command}, c.args...); !slices.Equal(got, want) {
				return fmt.Sprintf("command %q", got)
			}
			return ""
		}
	}
	for _, test := range []struct {
		line  []string
		check func(*config) string
	}{
		// supergateway
		{[]string{"--stdio", `npx -y "my server"`, "--port", "8000"}, command("npx", "-y", "my server")},
		{[]string{"--stdio=a b", "--outputTransport", "streamableHttp"}, is("no HTTP+SSE is wanted", func(c *config) bool { return !c.legacySSE })},
		{[]string{"--stdio", "a", "--streamableHttpPath", "x/mcp"}, is("path", func(c *config) bool { return c.path == "/x/mcp" })},
		{[]string{"--stdio", "a", "--streamable-http-path", "/x"}, is("with hyphens", func(c *config) bool { return c.path == "/x" })},
		{[]string{"--stateful", "--sessionTimeout", "60000", "--stdio", "a"}, is("session timeout", func(c *config) bool { return c.idleTimeout == time.Minute })},
		{[]string{"--stateless", "--protocolVersion", "2024-11-05", "--stdio", "a"}, command("a")},
		{[]string{"--healthEndpoint", "/ok", "--healthEndpoint", "healthz", "--stdio", "a"}, is("health", func(c *config) bool { return slices.Equal(c.foreign.health, []string{"/ok"}) })},
		{[]string{"--cors", "--stdio", "a"}, is("all origins", func(c *config) bool { return slices.Equal(c.corsOrigins, []string{"*"}) })},
		{[]string{"--cors", "https://x.example", "https://y.example", "--stdio", "a"}, is("origins", func(c *config) bool {
			return slices.Equal(c.corsOrigins, []string{"https://x.example", "https://y.example"})
		})},
		{[]string{"--cors", "--", "a"}, command("a")},
		{[]string{"--logLevel", "none", "--stdio", "a"}, is("log level", func(c *config) bool { return c.logLevel == "none" })},
		{[]string{"--baseUrl", "https://mcp.example/", "--stdio", "a"}, is("base URL", func(c *config) bool { return c.publicURL == "https://mcp.example" })},
		{[]string{"--apiKeyFile", "keys", "--stdio", "a"}, is("key file", func(c *config) bool { return c.tokenFile == "keys" })},
		// mcp-proxy, TypeScript
		{[]string{"--server", "stream", "--streamEndpoint", "/s", "a", "--b"}, is("path", func(c *config) bool { return c.path == "/s" })},
		{[]string{"--connectionTimeout", "5000", "--gracefulShutdownTimeout", "100", "a"}, is("timeouts", func(c *config) bool {
			return c.startTimeout == 5*time.Second && c.drainTimeout == 100*time.Millisecond
		})},
		{[]string{"--sessionIdleTimeout", "1800000", "--maxBodySize", "1048576", "a"}, is("limits", func(c *config) bool {
			return c.idleTimeout == 30*time.Minute && c.maxMessageBytes == 1<<20
		})},
		{[]string{"--sslCert", "c", "--sslKey", "k", "a"}, is("certificate", func(c *config) bool { return c.certs.CertFile == "c" && c.certs.KeyFile == "k" })},
		{[]string{"--debug", "a"}, is("log level", func(c *config) bool { return c.logLevel == "debug" })},
		{[]string{"--debug=false", "a"}, is("log level", func(c *config) bool { return c.logLevel == "info" })},
		{[]string{"--eventStoreMaxEvents", "10", "--keepAliveTimeout", "1", "--upstreamProtocol", "auto", "a", "b"}, command("a", "b")},
		{[]string{"--upstreamProtocol", "legacy", "--no-modern", "a"}, is("eras", func(c *config) bool { return c.serverProtocol.Value == "legacy" && c.protocol.Value == "legacy" })},
		{[]string{"--eventStore", "--modern", "a"}, is("defaults", func(c *config) bool { return c.replayBytes > 0 && c.protocol.Value == "auto" })},
		{[]string{"--eventStore=false", "--modern=false", "a"}, is("turned off", func(c *config) bool { return c.replayBytes == 0 && c.protocol.Value == "legacy" })},
		// mcp-proxy, Python
		{[]string{"-e", "A", "b", "--env", "C", "d=e", "-e", "F=g", "run"}, is("variables in two words", func(c *config) bool {
			return fmt.Sprint(c.env) == "[A=b C=d=e F=g]" && c.command == "run"
		})},
		{[]string{"--no-pass-environment", "--no-debug", "--no-stateless", "--expose-header", "X", "a"}, command("a")},
		{[]string{"--pass-environment", "--cwd", "/srv", "--sse-port", "99", "--sse-host", "::1", "a"}, is("environment, directory, address", func(c *config) bool {
			return slices.Equal(c.passEnv, []string{"*"}) && c.dir == "/srv" && c.port == 99 && c.host == "::1"
		})},
		{[]string{"--named-server", "fetch", "uvx mcp-server-fetch", "--named-server", "t", "uvx 'a b'", "--port", "1", "main"}, is("named servers", func(c *config) bool {
			return len(c.foreign.named) == 2 && c.foreign.named[0].name == "fetch" && slices.Equal(c.foreign.named[1].command, []string{"uvx", "a b"}) && c.command == "main"
		})},
		{[]string{"--named-server-config", "servers.json"}, is("file", func(c *config) bool { return c.file == "servers.json" && c.foreign.serversPath })},
		{[]string{"--log-level", "WARNING", "a"}, command("a")},
		// mcp-streamablehttp-proxy
		{[]string{"--timeout", "300", "a"}, is("timeout", func(c *config) bool { return c.idleTimeout == 5*time.Minute })},
		{[]string{"--timeout", "5m", "a"}, is("timeout", func(c *config) bool { return c.idleTimeout == 5*time.Minute })},
		// What follows the command is its own.
		{[]string{"a", "--stdio", "b", "--cors", "c"}, command("a", "--stdio", "b", "--cors", "c")},
		{[]string{"-e", "A=b", "--", "--stdio"}, command("--stdio")},
	} {
		t.Run(strings.Join(test.line, " "), func(t *testing.T) {
			c, err := parse(t, test.line...)
			if err != nil {
				t.Fatal(err)
			}
			if problem := test.check(c); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// What cannot be taken over is refused, with the reason and without the value,
// which may be a secret.
func TestForeignFlagErrors(t *testing.T) {
	for _, test := range []struct {
		line []string
		want string
	}{
		{[]string{"--apiKey", "secret", "a"}, "--apiKey is not taken over: a key on the command line is for everybody to see"},
		{[]string{"--api-key=secret", "a"}, "--api-key is not taken over"},
		{[]string{"--oauth2Bearer", "secret", "--stdio", "a"}, "--token-file does and is not"},
		{[]string{"--header", "A: secret", "--stdio", "a"}, "responses get no headers"},
		{[]string{"--shell", "--", "a"}, "commands run without a shell"},
		{[]string{"--tunnel", "a"}, "opens no tunnels"},
		{[]string{"--sse", "https://secret.example/sse"}, "shclient URL does"},
		{[]string{"--streamableHttp", "https://secret.example/mcp"}, "--config takes servers with a url"},
		{[]string{"--client-id", "secret", "a"}, "shclient --client-credentials"},
		{[]string{"--password", "secret", "a"}, "shclient --header-file"},
		{[]string{"--no-verify-ssl", "a"}, "shclient --ca-file"},
		{[]string{"--outputTransport", "ws", "--stdio", "a"}, "WebSocket is no transport of MCP"},
		{[]string{"--outputTransport", "stdio", "--stdio", "a"}, "shclient URL does"},
		{[]string{"--server", "both", "a"}, "want stream or sse"},
		{[]string{"--stdio", "a | b"}, `"|" needs a shell`},
		{[]string{"--stdio", "a", "--stdio", "b"}, "one command is enough"},
		{[]string{"--stdio", "a", "--", "b"}, `--stdio and the command "b" exclude each other`},
		{[]string{"--sessionTimeout", "secret", "a"}, "want a number of milliseconds"},
		{[]string{"--sessionTimeout", "-1", "a"}, "want a number of milliseconds"},
		{[]string{"--sessionTimeout", "1e300", "a"}, "want a number of milliseconds"},
		{[]string{"--timeout", "secret", "a"}, "want a number of seconds"},
		{[]string{"--sse-port", "70000", "a"}, "want a number up to 65535"},
		{[]string{"--named-server", "fetch"}, "want a name and a command"},
		{[]string{"--named-server", "a/b", "run"}, "becomes part of a URL"},
		{[]string{"--config", "x", "--named-server-config", "y"}, "one file is enough"},
		{[]string{"--healthEndpoint", "{x}", "a"}, "a path must start with /"},
		{[]string{"--ssePath", "/.well-known/x", "a"}, "a path must start with /"},
	} {
		_, err := parse(t, test.line...)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", test.line, err, test.want)
		}
	}
}

// No flag of another bridge hides one of ours, and each says what to write.
func TestForeignFlagTable(t *testing.T) {
	cmd := newCommand(fakeEnvironment(), func(*config) error { return nil })
	for _, flag := range foreignFlagTable {
		found := cmd.Flags().Lookup(flag.name)
		if found == nil || !found.Hidden || flag.instead == "" {
			t.Errorf("%s: %+v", flag.name, found)
		}
	}
	if strings.Contains(cmd.UsageString(), "outputTransport") {
		t.Error("the help shows flags of other bridges")
	}
}

func TestKebab(t *testing.T) {
	for camel, want := range map[string]string{"ssePath": "sse-path", "oauth2Bearer": "oauth2-bearer", "no-eventStore": "no-event-store", "debug": "debug"} {
		if got := kebab(camel); got != want {
			t.Errorf("%s: %s", camel, got)
		}
	}
}
