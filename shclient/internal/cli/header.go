// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// tokenEnv names the variable that holds a bearer token.
const tokenEnv = "MCP_CLIENT_ACCESS_TOKEN"

// headerName is a field name (RFC 9110 section 5.1).
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// notInField finds the characters that no field value has (RFC 9110 section 5.5).
func notInField(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// header collects the headers of the files and flags, and that of a token.
func (a *app) header() (http.Header, error) {
	header := http.Header{}
	for _, name := range a.connect.headerFiles {
		text, err := signin.ReadSecretFile(name, nil)
		if err != nil {
			return nil, fmt.Errorf("--header-file: %w", err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if err := a.addHeader(header, line); err != nil {
				return nil, fmt.Errorf("--header-file: %s:%d: %w", name, n+1, err)
			}
		}
	}
	for _, text := range a.connect.headers {
		if err := a.addHeader(header, text); err != nil {
			return nil, fmt.Errorf("--header %w", err)
		}
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

// addHeader adds a header like "Name: value". The error does not quote the
// value, which may be a secret.
func (a *app) addHeader(header http.Header, text string) error {
	name, value, ok := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return errors.New("wants 'Name: value'")
	}
	value, err := configfile.Expand(strings.TrimSpace(value), a.lookupEnv)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !headerName.MatchString(name) || strings.ContainsFunc(value, notInField) {
		return fmt.Errorf("%q: the name must be a token, and the value one line", name)
	}
	header.Add(name, value)
	return nil
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
