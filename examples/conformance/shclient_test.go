// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// clientVersions are those that the suite has scenarios of clients for. At
// everyVersion it runs all that it has, also the extensions, which belong to
// none: each once, at the first version that knows it.
var clientVersions = []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", everyVersion}

// TestShclient lets the suite judge the bridge of clients that only speak
// stdio, of which the SDK's is one. The login is the bridge's business.
func TestShclient(t *testing.T) {
	requireSuite(t)
	shclient := buildShclient(t)
	for _, version := range clientVersions {
		t.Run(version, func(t *testing.T) {
			judgeShclient(t, shclient, version, version, knownFailures(t, "expected-failures-shclient-"+version+".yml"))
		})
	}
}

// judgeShclient lets the suite judge shclient at a version, under a client that
// speaks the same or another.
func judgeShclient(t *testing.T, shclient, version, client string, known baseline) {
	t.Helper()
	judgeClient(t, version, self(t)+" "+client+" "+strconv.Quote(shclient), known)
}

// stdioClient does what the suite's scenarios ask of a client, through shclient.
func stdioClient(ctx context.Context, scenario, version, shclient, url string) error {
	home, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	flags, err := bridgeFlags(scenario, home)
	if err != nil {
		return err
	}
	spoken := os.Getenv("MCP_CONFORMANCE_PROTOCOL_VERSION")
	if version == everyVersion {
		version = spoken
	}
	if version < "2026-07-28" && spoken >= "2026-07-28" {
		// Else shclient would try initialize first, which is what its client
		// sends, and the suite wants to see nothing but its version.
		flags = append(flags, "--server-protocol", "modern")
	}
	browser, err := os.Executable()
	if err != nil {
		return err
	}
	bridge := exec.CommandContext(ctx, shclient, append(flags, url)...)
	bridge.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "BROWSER="+browser+" "+browserArgument)
	bridge.Stderr = os.Stderr
	var tools []*mcp.Tool
	client := newClient(scenario)
	client.AddSendingMiddleware(keepTools(&tools), oneEra(version))
	session, err := client.Connect(ctx, &mcp.CommandTransport{Command: bridge}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		return err
	}
	err = perform(ctx, scenario, session, func(ctx context.Context) ([]*mcp.Tool, error) {
		_, err := session.ListTools(ctx, nil)
		return tools, err
	})
	return errors.Join(err, session.Close())
}

// keepTools keeps the tools as they came through the bridge. The SDK leaves out
// those that clients over HTTP must not call, which is the bridge's business.
func keepTools(tools *[]*mcp.Tool) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			result, err := next(ctx, method, req)
			if list, ok := result.(*mcp.ListToolsResult); ok && err == nil {
				*tools = slices.Clone(list.Tools)
			}
			return result, err
		}
	}
}

// oneEra keeps a modern client from falling back to initialize. A legacy one
// tries nothing else.
func oneEra(version string) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "initialize" && version >= "2026-07-28" {
				return nil, errors.New("the server does not speak " + version)
			}
			return next(ctx, method, req)
		}
	}
}

// bridgeFlags are what a person would give shclient in a scenario, with the
// secrets of the suite's context in files of a directory.
func bridgeFlags(scenario, dir string) ([]string, error) {
	given, err := readGiven()
	if err != nil {
		return nil, err
	}
	flags := []string{"--credentials", filepath.Join(dir, "credentials.json")}
	add := func(flag, value string) {
		if value != "" {
			flags = append(flags, flag, value)
		}
	}
	secret := func(flag, value string) {
		if value == "" {
			return
		}
		name := filepath.Join(dir, strings.TrimPrefix(flag, "--"))
		err = errors.Join(err, os.WriteFile(name, []byte(value), 0o600))
		add(flag, name)
	}
	if isOAuth(scenario) {
		add("--client-metadata-url", metadataURL)
	}
	add("--client-id", given.ClientID)
	add("--auth-server", given.Issuer)
	secret("--client-secret-file", given.ClientSecret)
	secret("--client-key-file", given.PrivateKey)
	switch scenario {
	case "auth/client-credentials-basic", "auth/client-credentials-jwt":
		flags = append(flags, "--client-credentials")
	case "auth/wif-jwt-bearer":
		secret("--assertion-file", given.JWT)
	case "auth/enterprise-managed-authorization":
		add("--idp", given.IdPIssuer)
		add("--idp-client-id", given.IdPClientID)
		secret("--id-token-file", given.IdPIDToken)
	}
	return flags, err
}
