// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// The issuer is asked about tokens, as the client that the flags name; neither
// its secret nor a token is in the log.
func TestIntrospection(t *testing.T) {
	const secret = "sesame-open-sesame"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "http://127.0.0.1:" + freePort(t) + "/mcp"
	auth := oauthdyntest.New(t, &oauthdyntest.Options{
		Resources: []authserver.Resource{{URI: url, Name: "Web fetch", Scopes: []string{"web"}}},
		Adjust: func(o *authserver.Options) {
			o.ResourceServers = []authserver.ResourceServer{{ID: "fetchserver", Secret: secret, Resources: []string{url}}}
		},
	})
	s := site(t)
	port := strings.TrimSuffix(url[strings.LastIndex(url, ":")+1:], "/mcp")
	p := start(t, "--port", port, "--allow-private", s.Listener.Addr().String(), "--log-level", "debug",
		"--auth-issuer", auth.Issuer, "--introspect-as", "fetchserver", "--secret-file", file)
	client, err := oauthdyn.New(oauthdyn.Config{Resource: url, OpenURL: auth.Browser().Open})
	if err != nil {
		t.Fatal(err)
	}
	http := client.HTTPClient()
	if got := callThrough(t, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: http}, s.URL+"/"); !strings.Contains(got, "\n# Hello\n") {
		t.Errorf("text %q", got)
	}
	token, err := client.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	if log := p.log(); strings.Contains(log, secret) || strings.Contains(log, token.AccessToken) {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}
