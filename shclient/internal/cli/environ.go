// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// Variables with the names that mcp-streamablehttp-client gave them; see also
// tokenEnv. That of the issuer has a name that other programs use, too: it
// counts for the server of serverEnv only.
const (
	serverEnv       = "MCP_SERVER_URL"
	clientIDEnv     = "MCP_CLIENT_ID"
	clientSecretEnv = "MCP_CLIENT_SECRET"
	issuerEnv       = "OAUTH_ISSUER"
)

// withoutEffect are variables of the original that mean nothing here, and why.
var withoutEffect = []struct{ name, reason string }{
	{"MCP_CLIENT_REFRESH_TOKEN", "logins are renewed from the file that keeps them: log in once with shclient login"},
	{"MCP_CLIENT_REGISTRATION_TOKEN", "a registration is kept together with its login"},
	{"VERIFY_SSL", "certificates are always checked; --ca-file names one to trust"},
}

// seedServer is the URL of the environment, for a command without one.
func (a *app) seedServer() string {
	server, _ := a.lookupEnv(serverEnv)
	return server
}

// usesSeed reports whether a command is about the server of the environment.
func (a *app) usesSeed(server string) bool { return server != "" && server == a.seedServer() }

// seedClient takes a client of the environment for flags that are not set.
func (a *app) seedClient(f *signin.Flags) {
	if f.ClientID == "" {
		f.ClientID, _ = a.lookupEnv(clientIDEnv)
	}
}

// seedSecret takes the secret of the environment for a client without one, and
// the issuer for the server of the environment.
func (a *app) seedSecret(config *oauthdyn.Config) {
	if config.ClientID != "" && config.ClientSecret == "" && config.ClientKey == nil {
		config.ClientSecret = a.connect.staticSecret
		if config.ClientSecret == "" {
			config.ClientSecret, _ = a.lookupEnv(clientSecretEnv)
		}
	}
	if config.AuthServer == "" && a.usesSeed(config.Resource) {
		config.AuthServer, _ = a.lookupEnv(issuerEnv)
	}
}

// tellWithoutEffect says which variables of the original have none, to those who
// have its configuration.
func (a *app) tellWithoutEffect(server string) {
	if !a.usesSeed(server) {
		return
	}
	for _, v := range withoutEffect {
		if value, _ := a.lookupEnv(v.name); value != "" {
			fmt.Fprintf(a.stderr, "note: %s has no effect: %s\n", v.name, v.reason)
		}
	}
}
