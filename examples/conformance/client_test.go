// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// TestClient lets the suite judge the library: shclient.Client with the login
// of package oauthdyn.
func TestClient(t *testing.T) {
	requireSuite(t)
	for _, version := range clientVersions {
		t.Run(version, func(t *testing.T) {
			judgeClient(t, version, self(t), knownFailures(t, "expected-failures-client-"+version+".yml"))
		})
	}
}

// self is this binary in a command line of the suite.
func self(t *testing.T) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Quote(name)
}

// judgeClient lets the suite judge the client that a command starts, in all
// scenarios of a version.
func judgeClient(t *testing.T, version, command string, known baseline) {
	t.Helper()
	args := []string{"client", "--command", command, "--suite", "all", "--timeout", "60000"}
	results := runSuite(t, append(args, atVersion(version)...)...)
	for name, checks := range results {
		// A client that does nothing passes what the suite skips then.
		if !slices.ContainsFunc(checks, func(c check) bool { return c.Status != "SKIPPED" && c.Status != "INFO" }) {
			t.Errorf("%s: the suite had nothing to judge", name)
		}
	}
	compare(t, listScenarios(t, "--client", version), results, known)
}

// libraryClient does what the suite's scenarios ask of a client, with the
// library.
func libraryClient(ctx context.Context, scenario, url string) error {
	oauth, err := oauthConfig(scenario)
	if err != nil {
		return err
	}
	client, err := shclient.New(shclient.Options{URL: url, OAuth: oauth}, newClient(scenario))
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.Session(ctx)
	if err != nil {
		return err
	}
	return perform(ctx, scenario, session, client.ListTools)
}

// oauthConfig is what a program would configure for a scenario, with what the
// suite gives in its context.
func oauthConfig(scenario string) (*oauthdyn.Config, error) {
	given, err := readGiven()
	if err != nil {
		return nil, err
	}
	config := &oauthdyn.Config{
		ClientName: "conformance", ClientMetadataURL: metadataURL, OpenURL: follow,
		ClientID: given.ClientID, ClientSecret: given.ClientSecret, AuthServer: given.Issuer,
	}
	if block, _ := pem.Decode([]byte(given.PrivateKey)); block != nil {
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
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
