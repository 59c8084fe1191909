// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// TestOAuthdyn lets the suite judge the OAuth of package oauthdyn, under the
// SDK's client.
func TestOAuthdyn(t *testing.T) {
	requireSuite(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			known := knownFailures(t, "expected-failures-client-"+version+".yml")
			judgeClient(t, version, strconv.Quote(self), isOAuth, known)
		})
	}
}

// judgeClient lets the suite judge the client that a command starts, in the
// scenarios that count. No suite of the suite's own has just these, so all run
// and the others are left out.
func judgeClient(t *testing.T, version, command string, counts func(scenario string) bool, known baseline) {
	t.Helper()
	scenarios := slices.DeleteFunc(listScenarios(t, "--client", version), func(name string) bool { return !counts(name) })
	results := runSuite(t, "client", "--command", command, "--suite", "all", "--spec-version", version)
	maps.DeleteFunc(results, func(name string, _ []check) bool { return !counts(name) })
	compare(t, scenarios, results, known)
}

// metadataURL is the client id that the suite's authorization servers know.
const metadataURL = "https://conformance-test.local/client-metadata.json"

func isOAuth(scenario string) bool { return strings.HasPrefix(scenario, "auth/") }

// TestOAuthdynExtensions lets the suite judge the authorization extensions,
// which belong to no version.
func TestOAuthdynExtensions(t *testing.T) {
	requireSuite(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	known := knownFailures(t, "expected-failures-client-extensions.yml")
	results := runSuite(t, "client", "--command", strconv.Quote(self), "--suite", "extensions")
	maps.DeleteFunc(results, func(name string, _ []check) bool { return !isOAuth(name) })
	compare(t, []string{
		"auth/client-credentials-basic", "auth/client-credentials-jwt", "auth/dpop", "auth/dpop-nonce",
		"auth/enterprise-managed-authorization", "auth/wif-jwt-bearer",
	}, results, known)
}

// oauthClient does what the suite's OAuth scenarios ask of a client: list the
// tools and call one, signing in when that is asked for.
func oauthClient(ctx context.Context, scenario, url string) error {
	config, err := oauthConfig(scenario, url)
	if err != nil {
		return err
	}
	oauth, err := oauthdyn.New(config)
	if err != nil {
		return err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "conformance", Version: "1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: oauth.HTTPClient()}, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	if _, err := session.ListTools(ctx, nil); err != nil {
		return err
	}
	_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "test-tool", Arguments: map[string]any{}})
	return err
}

// oauthConfig is what a person would configure for a scenario, with what the
// suite gives in its context.
func oauthConfig(scenario, url string) (oauthdyn.Config, error) {
	config := oauthdyn.Config{Resource: url, ClientName: "conformance", ClientMetadataURL: metadataURL, OpenURL: follow}
	var given struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		Issuer       string `json:"issuer"`
		PrivateKey   string `json:"private_key_pem"`
		IdPClientID  string `json:"idp_client_id"`
		IdPIDToken   string `json:"idp_id_token"`
		IdPIssuer    string `json:"idp_issuer"`
		JWT          string `json:"valid_jwt"`
	}
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			return config, err
		}
	}
	config.ClientID, config.ClientSecret, config.AuthServer = given.ClientID, given.ClientSecret, given.Issuer
	if block, _ := pem.Decode([]byte(given.PrivateKey)); block != nil {
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return config, err
		}
		config.ClientKey, _ = key.(crypto.Signer)
	}
	switch scenario {
	case "auth/client-credentials-basic", "auth/client-credentials-jwt":
		config.Flow = oauthdyn.ClientCredentials{}
	case "auth/wif-jwt-bearer":
		config.Flow = oauthdyn.JWTBearer{Assertion: func(context.Context, string) (string, error) { return given.JWT, nil }}
	case "auth/enterprise-managed-authorization":
		config.Flow = oauthdyn.EnterpriseManaged{
			IdentityProvider: given.IdPIssuer, ClientID: given.IdPClientID,
			SubjectToken: func(context.Context) (string, error) { return given.IdPIDToken, nil },
		}
	}
	return config, nil
}

// follow is a browser for the suite's authorization server, which asks nothing
// and redirects.
func follow(ctx context.Context, page string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err
}
