// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// tokenEnv names the variable that holds a bearer token.
const tokenEnv = "MCP_CLIENT_ACCESS_TOKEN"

// connectFlags say how to get to a server, the same for every command.
type connectFlags struct {
	headers   []string
	tokenFile string
	config    string // file with servers by name
	signin.Flags
}

func (f *connectFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "`header` for each request, such as 'X-Key: ${KEY}' with KEY from the environment")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with a bearer token, instead of a login; or set "+tokenEnv)
	flags.StringVar(&f.config, "config", "", "`file` with servers by name, instead of those of known clients")
	f.Flags.Add(flags)
}

func checkURL(cmd *cobra.Command, text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return usage(cmd, "%q is not the URL of an MCP server (http://… or https://…)", withoutQuery(text))
	}
	return nil
}

// headerName is a field name (RFC 9110 section 5.1).
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// notInField finds the characters that no field value has (RFC 9110 section 5.5).
func notInField(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// header collects the headers of the flags, and that of a token.
func (a *app) header() (http.Header, error) {
	header := http.Header{}
	for _, text := range a.connect.headers {
		name, value, ok := strings.Cut(text, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, errors.New("--header wants 'Name: value'")
		}
		value, err := a.expand(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("--header %s: %w", name, err)
		}
		if !headerName.MatchString(name) || strings.ContainsFunc(value, notInField) {
			return nil, fmt.Errorf("--header %q: the name must be a token, and the value one line", name)
		}
		header.Add(name, value)
	}
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	if token != "" && header.Get("Authorization") == "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header, nil
}

// expand replaces each ${NAME} by the variable of that name, which must exist.
func (a *app) expand(text string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		value, set := a.lookupEnv(name)
		switch {
		case !closed:
			return "", errors.New("${ without }")
		case !set:
			return "", fmt.Errorf("the environment has no variable %s", name)
		}
		b.WriteString(value)
		text = after
	}
}

func (a *app) token() (string, error) {
	if a.connect.tokenFile == "" {
		token, _ := a.lookupEnv(tokenEnv)
		if token = strings.TrimSpace(token); strings.ContainsFunc(token, notInField) {
			return "", errors.New(tokenEnv + " must hold one line")
		}
		return token, nil
	}
	token, err := signin.ReadSecret(a.connect.tokenFile, nil)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return token, nil
}

// oauth is the configuration of the login.
func (a *app) oauth(cmd *cobra.Command, server string) (*oauthdyn.Config, error) {
	config, err := a.connect.Config(server, signin.Process{LookupEnv: a.lookupEnv, Stderr: a.stderr, Logger: a.logger()})
	if err != nil {
		return nil, usage(cmd, "%s", plain(err))
	}
	if _, err := oauthdyn.New(*config); err != nil {
		return nil, usage(cmd, "%s", plain(err))
	}
	return config, nil
}
