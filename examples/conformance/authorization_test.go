// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// TestAuthorizationServer lets the suite judge "oauthdyn serve", to which it
// signs in as a client that has registered, and a person with a browser.
func TestAuthorizationServer(t *testing.T) {
	requireSuite(t)
	program, err := servetest.Build(t.Context(), t.TempDir(), "oauthdyn")
	if err != nil {
		t.Fatal(err)
	}
	// The second is for clients that name it; else tokens are for the first.
	const resource = "https://mcp.example.com/other"
	resources := []string{"--resource", "https://mcp.example.com/mcp=mcp:read,mcp:write", "--resource", resource + "=other"}
	known := knownFailures(t, "expected-failures-authorization.yml")
	for _, client := range []struct{ name, method, accepted string }{
		{"public", oauthdyn.AuthMethodNone, ""},
		// The suite takes the first that it knows of those that the server lists.
		{"basic", oauthdyn.AuthMethodClientSecretBasic, "client_secret_basic,private_key_jwt"},
		{"post", oauthdyn.AuthMethodClientSecretPost, "client_secret_post,private_key_jwt"},
	} {
		flags := slices.Clone(resources)
		if client.accepted != "" {
			flags = append(flags, "--client-auth", client.accepted)
		}
		issuer := servetest.Start(t, program, flags...)
		for _, named := range []string{"", resource} {
			name := client.name
			if named != "" {
				name += " with a resource"
			}
			t.Run(name, func(t *testing.T) {
				results := judgeAuthorization(t, issuer, client.method, named)
				compare(t, []string{"authorization-code-grant", "authorization-server-metadata-endpoint"}, results, maps.Clone(known))
			})
		}
	}
}

// judgeAuthorization runs the suite, which waits for the person at the address
// that it prints.
func judgeAuthorization(t *testing.T, issuer, method, resource string) map[string][]check {
	t.Helper()
	callback := "http://" + freeAddress(t) + "/callback"
	client := servetest.Register(t, issuer, oauthdyn.ClientMetadata{
		ClientName: "conformance", RedirectURIs: []string{callback}, TokenEndpointAuthMethod: method,
	})
	settings := map[string]string{"url": issuer, "clientId": client.ClientID}
	if client.ClientSecret != "" {
		settings["clientSecret"] = client.ClientSecret
	}
	if resource != "" {
		settings["resource"] = resource
	}
	data, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	cmd := suite(t, "authorization", "--file", file, "--port", port, "-o", out)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	visited := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if address := lines.Text(); strings.HasPrefix(address, issuer+"/authorize?") {
			visited = true
			if err := servetest.Person().Open(t.Context(), address); err != nil {
				t.Error(err)
				break
			}
		}
	}
	if !visited || t.Failed() {
		_ = cmd.Cancel() // it would wait for minutes
	}
	err = cmd.Wait()
	if err != nil {
		t.Errorf("the suite: %v\n%s", err, &said)
	}
	return readResults(t, out)
}
