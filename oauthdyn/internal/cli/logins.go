// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/choose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/github"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/oidc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// Environment variables. Those of GitHub have the names that
// mcp-oauth-dynamicclient gave them.
const (
	envGitHubID     = "GITHUB_CLIENT_ID"
	envGitHubSecret = "GITHUB_CLIENT_SECRET"
	envGitHubUsers  = "ALLOWED_GITHUB_USERS"
	envOIDCSecret   = "OIDC_CLIENT_SECRET"
)

// loginFlags say how people sign in, and who may.
type loginFlags struct {
	githubID, githubSecretFile, githubURL, githubAPIURL string
	githubAllow                                         allowFlags

	oidcIssuer, oidcID, oidcSecretFile, oidcName, oidcGroupsClaim string
	oidcScopes, oidcParams                                        []string
	oidcAllow                                                     allowFlags

	maxAge time.Duration
}

type allowFlags struct{ users, groups, domains []string }

func (f *loginFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.githubID, "github-client-id", "", "`ID` of an OAuth app at GitHub, with which people sign in (default $"+envGitHubID+")")
	flags.StringVar(&f.githubSecretFile, "github-client-secret-file", "", "`FILE` with its secret (default the value of $"+envGitHubSecret+")")
	flags.StringArrayVar(&f.githubAllow.users, "github-user", nil, "`NAME,…` of GitHub accounts that may sign in, or id:NUMBER, or a verified e-mail address; * means everybody; repeatable (default $"+envGitHubUsers+")")
	flags.StringArrayVar(&f.githubAllow.groups, "github-org", nil, "`NAME,…` of GitHub organisations whose members may sign in, or id:NUMBER; repeatable")
	flags.StringArrayVar(&f.githubAllow.domains, "github-domain", nil, "`DOMAIN,…` of verified e-mail addresses that may sign in; repeatable")
	flags.StringVar(&f.githubURL, "github-url", "", "`URL` of a GitHub Enterprise Server or GHE.com (default https://github.com)")
	flags.StringVar(&f.githubAPIURL, "github-api-url", "", "`URL` of its REST API (default what follows from --github-url)")

	flags.StringVar(&f.oidcIssuer, "oidc-issuer", "", "`URL` of an OpenID provider at which people sign in")
	flags.StringVar(&f.oidcID, "oidc-client-id", "", "`ID` that the provider has given this server")
	flags.StringVar(&f.oidcSecretFile, "oidc-client-secret-file", "", "`FILE` with its secret (default the value of $"+envOIDCSecret+")")
	flags.StringVar(&f.oidcName, "oidc-name", "", "`NAME` of the provider, for people (default its host)")
	flags.StringArrayVar(&f.oidcAllow.users, "oidc-user", nil, "verified `EMAIL,…` that may sign in, or id:SUB; * means everybody; repeatable")
	flags.StringArrayVar(&f.oidcAllow.groups, "oidc-group", nil, "`GROUP` whose members may sign in; repeatable")
	flags.StringArrayVar(&f.oidcAllow.domains, "oidc-domain", nil, "`DOMAIN,…` of verified e-mail addresses that may sign in; repeatable")
	flags.StringVar(&f.oidcGroupsClaim, "oidc-groups-claim", "groups", "`CLAIM` that holds the groups")
	flags.StringArrayVar(&f.oidcScopes, "oidc-scope", nil, "`SCOPE` to ask for besides openid, profile and email; repeatable")
	flags.StringArrayVar(&f.oidcParams, "oidc-param", nil, "`NAME=VALUE` to add to the request for a sign-in; repeatable")

	flags.DurationVar(&f.maxAge, "recheck", 24*time.Hour, "how long the word of GitHub or the provider counts while it cannot be asked again")
}

// login composes the ways to sign in, and names them: with a password if there
// are users or there is no other way. The keys seal the tokens of providers.
func (f *loginFlags) login(users *local.Users, keys sealingKeys, log *slog.Logger) (login authserver.Login, labels []string, err error) {
	var ways []choose.Way
	if id := cmp.Or(f.githubID, os.Getenv(envGitHubID)); id != "" {
		login, err := f.github(id, keys, log)
		if err != nil {
			return nil, nil, err
		}
		ways = append(ways, choose.Way{Name: "github", Label: "GitHub", Login: login})
	}
	if f.oidcIssuer != "" || f.oidcID != "" {
		login, err := f.oidc(keys, log)
		if err != nil {
			return nil, nil, err
		}
		ways = append(ways, choose.Way{Name: "oidc", Label: login.Name(), Login: login})
	}
	names, err := users.Names()
	if err != nil {
		return nil, nil, err
	}
	if len(ways) == 0 || len(names) > 0 {
		ways = append(ways, choose.Way{Name: "password", Label: "a password", Login: users})
	}
	for _, way := range ways {
		labels = append(labels, way.Label)
	}
	login, err = choose.New(ways...)
	return login, labels, err
}

func (f *loginFlags) github(id string, keys sealingKeys, log *slog.Logger) (*github.Login, error) {
	if f.githubAllow.users == nil {
		f.githubAllow.users = []string{os.Getenv(envGitHubUsers)}
	}
	list, err := f.githubAllow.list("with GitHub", "--github-user, --github-org, --github-domain or $"+envGitHubUsers)
	if err != nil {
		return nil, err
	}
	warnOfEverybody(list, "GitHub", log)
	secret, err := secretOf(f.githubSecretFile, "--github-client-secret-file", envGitHubSecret)
	if err != nil {
		return nil, err
	}
	login, err := github.New(github.Options{
		ClientID: id, ClientSecret: secret, Allow: list, URL: f.githubURL, APIURL: f.githubAPIURL,
		TokenKey: keys.key, OldTokenKeys: keys.old, MaxAge: f.maxAge, Logger: log,
	})
	return login, asUsage(err)
}

func (f *loginFlags) oidc(keys sealingKeys, log *slog.Logger) (*oidc.Login, error) {
	if f.oidcIssuer == "" || f.oidcID == "" {
		return nil, &usageError{text: "--oidc-issuer and --oidc-client-id belong together"}
	}
	groups := f.oidcAllow.groups // which may hold commas, as in LDAP
	f.oidcAllow.groups = nil
	list, err := f.oidcAllow.list("at "+f.oidcIssuer, "--oidc-user, --oidc-group or --oidc-domain")
	if len(groups) > 0 {
		list.Groups, err = groups, nil
	}
	if err != nil {
		return nil, err
	}
	warnOfEverybody(list, f.oidcIssuer, log)
	params := map[string]string{}
	for _, p := range f.oidcParams {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, &usageError{text: fmt.Sprintf("--oidc-param %q is not NAME=VALUE", p)}
		}
		params[name] = value
	}
	secret := ""
	if f.oidcSecretFile != "" || os.Getenv(envOIDCSecret) != "" { // public clients have none
		if secret, err = secretOf(f.oidcSecretFile, "--oidc-client-secret-file", envOIDCSecret); err != nil {
			return nil, err
		}
	}
	login, err := oidc.New(oidc.Options{
		Issuer: f.oidcIssuer, ClientID: f.oidcID, ClientSecret: secret, Name: f.oidcName, Allow: list,
		Scopes: f.oidcScopes, AuthParams: params, GroupsClaim: f.oidcGroupsClaim,
		TokenKey: keys.key, OldTokenKeys: keys.old, MaxAge: f.maxAge, Logger: log,
	})
	return login, asUsage(err)
}

// list reads the entries. That nobody may sign in is not what anybody wants.
func (f allowFlags) list(where, flags string) (allow.List, error) {
	l := allow.List{Users: split(f.users), Groups: split(f.groups), Domains: split(f.domains)}
	if len(l.Users)+len(l.Groups)+len(l.Domains) == 0 {
		return l, &usageError{
			text: "nobody may sign in " + where + ": say who",
			hint: flags + "; * means everybody who has an account there",
		}
	}
	return l, nil
}

// warnOfEverybody says what an asterisk means, in case that it came from an old
// environment.
func warnOfEverybody(l allow.List, where string, log *slog.Logger) {
	if slices.Contains(l.Users, "*") {
		log.LogAttrs(context.Background(), slog.LevelWarn, "EVERYBODY who has an account there may sign in", slog.String("at", where))
	}
}

// split takes lists with commas apart.
func split(lists []string) (entries []string) {
	for _, list := range lists {
		for entry := range strings.SplitSeq(list, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				entries = append(entries, entry)
			}
		}
	}
	return entries
}

// secretOf reads a secret from a file or an environment variable, but not from
// a flag, which other users of the machine can see.
func secretOf(file, flag, variable string) (string, error) {
	value := strings.TrimSpace(os.Getenv(variable))
	switch {
	case file != "" && value != "":
		return "", &usageError{text: "the secret is given twice, by " + flag + " and by $" + variable}
	case file != "":
		return signin.ReadSecret(file, nil)
	case value != "":
		return value, nil
	}
	return "", &usageError{text: "the secret is missing: set " + flag + " or $" + variable}
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{text: err.Error()}
}
