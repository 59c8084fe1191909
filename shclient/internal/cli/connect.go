// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/tls"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// connectFlags say how to get to a server, the same for every command.
type connectFlags struct {
	headers     []string
	headerFiles []string
	tokenFile   string
	config      string // file with servers by name
	allowHTTP   bool

	staticSecret string // of the client, as mcp-remote has it

	networkFlags
	signin.Flags
}

func (f *connectFlags) register(flags *pflag.FlagSet) {
	add(flags, groupConnection, func(flags *pflag.FlagSet) {
		flags.StringArrayVarP(&f.headers, "header", "H", nil, "`header` for each request, such as 'X-Key: ${KEY}' with KEY from the environment")
		flags.StringArrayVar(&f.headerFiles, "header-file", nil, "`file` with such headers, one a line, so that they stay out of the list of processes")
		flags.StringVar(&f.tokenFile, "token-file", "", "`file` with a bearer token, instead of a login; or set "+tokenEnv)
		flags.StringVar(&f.config, "config", "", "`file` with servers by name, instead of those of known clients")
		f.networkFlags.register(flags)
		flags.BoolVar(&f.allowHTTP, "allow-http", false, "take an http URL of another machine; there is no login then, and everybody on the way can read and change all")
	})
	add(flags, groupLogin, f.AddLogin)
	add(flags, groupClient, f.AddClient)
}

func checkURL(cmd *cobra.Command, text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return usage(cmd, "%q is not the URL of an MCP server (http://… or https://…)", withoutQuery(text))
	}
	return nil
}

// isExposed reports whether requests to a URL go over a network as they are.
func isExposed(server string) bool {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return !strings.EqualFold(u.Hostname(), "localhost") && (ip == nil || !ip.IsLoopback())
}

// process is what a sign-in may use of this one.
func (a *app) process(server string, trust *tls.Config) signin.Process {
	return signin.Process{
		LookupEnv:    a.lookupEnv,
		Stdin:        a.secretsFrom,
		Stderr:       a.stderr,
		Terminal:     a.keyboard(),
		LoginCommand: "shclient login " + withoutQuery(server),
		TLSConfig:    trust,
		Network:      a.connect.network(),
		Logger:       a.logger(),
	}
}

// oauth is the configuration of the login.
func (a *app) oauth(cmd *cobra.Command, server string) (*oauthdyn.Config, error) {
	trust, err := a.trust()
	if err != nil {
		return nil, usage(cmd, "%v", err)
	}
	flags := a.connect.Flags
	a.seedClient(&flags)
	config, err := flags.Config(server, a.process(server, trust))
	if err != nil {
		return nil, usage(cmd, "%s", plain(err))
	}
	a.seedSecret(config)
	if _, err := oauthdyn.New(*config); err != nil {
		return nil, usage(cmd, "%s", plain(err))
	}
	return config, nil
}
