// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// envInitialToken holds a secret, for those who have no file for it; see also
// those of the sign-in.
const envInitialToken = "OAUTHDYN_INITIAL_ACCESS_TOKEN"

// clientFlags say who signs in to what, for each command that is a client.
type clientFlags struct {
	signin.Flags
	clientName   string
	initialToken string // file
	output
	verbose bool
}

// clientCommand completes a command that takes the URL of a server.
func (a *app) clientCommand(cmd *cobra.Command, f *clientFlags, run func(context.Context, string) error) *cobra.Command {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return &usageError{text: "too many arguments: want one URL"}
		case len(args) == 0 && f.AuthServer == "":
			return &usageError{text: "the URL of the server is missing", hint: cmd.CommandPath() + " https://mcp.example.com/mcp"}
		case len(args) == 1:
			return checkTarget(args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.running = true
		target := ""
		if len(args) == 1 {
			target = args[0]
		}
		err := run(cmd.Context(), target)
		if err == nil || cmd.Context().Err() == nil {
			return blameServer(err, shown(target, f.AuthServer))
		}
		return fmt.Errorf("interrupted: %w", err)
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.output.add(flags)
	f.AddClient(flags)
	flags.StringVar(&f.clientName, "client-name", signin.ClientName, "`name` that the client registers with; logins and registrations are kept under it")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what happens to stderr")
	cmd.MarkFlagsMutuallyExclusive("client-credentials", "assertion-file")
	return cmd
}

func checkTarget(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &usageError{text: fmt.Sprintf("%q is not the URL of a server (http://… or https://…)", withoutQuery(text))}
	}
	return nil
}

// withoutQuery is a URL as it is shown: keys may hide in the query.
func withoutQuery(target string) string {
	target, _, _ = strings.Cut(target, "?")
	return target
}

// shown is how messages name what was signed in to.
func shown(target, authServer string) string {
	if target == "" {
		target = authServer
	}
	return withoutQuery(target)
}

// client makes the client of a command. Without a target it is one of the
// authorization server alone.
func (a *app) client(f *clientFlags, target string) (*oauthdyn.Client, error) {
	cfg, err := a.config(f, target)
	if err != nil {
		return nil, err
	}
	client, err := oauthdyn.New(*cfg)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return client, nil
}

func (a *app) config(f *clientFlags, target string) (*oauthdyn.Config, error) {
	cfg, err := f.Config(target, a.process(f))
	if err != nil {
		return nil, err
	}
	cfg.ClientName = f.clientName
	cfg.InitialAccessToken, _ = a.lookupEnv(envInitialToken)
	if f.initialToken != "" {
		if cfg.InitialAccessToken, err = signin.ReadSecret(f.initialToken, a.stdin); err != nil {
			return nil, fmt.Errorf("--initial-access-token-file: %w", err)
		}
	}
	return cfg, nil
}

// addInitialToken defines the flag of commands that may register.
func (f *clientFlags) addInitialToken(flags *pflag.FlagSet) {
	flags.StringVar(&f.initialToken, "initial-access-token-file", "", "`file` with an initial access token, where registration is not open to everybody; or set "+envInitialToken)
}

// process is what a sign-in may use of this one.
func (a *app) process(f *clientFlags) signin.Process {
	return signin.Process{LookupEnv: a.lookupEnv, Stdin: a.stdin, Stderr: a.stderr, Logger: a.clientLogger(f)}
}

func (a *app) clientLogger(f *clientFlags) *slog.Logger {
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// anyTarget is for commands that take the URL of an MCP server or of an
// authorization server: it finds out which one it is, and moves it where it
// belongs.
func (a *app) anyTarget(ctx context.Context, f *clientFlags, target string) (resource string, err error) {
	if target == "" || f.AuthServer != "" {
		return target, nil
	}
	isIssuer, err := a.isIssuer(ctx, f, target)
	if err != nil || !isIssuer {
		return target, err
	}
	f.AuthServer = target
	return "", nil
}

// isIssuer asks a server what it is. One that has a challenge or resource
// metadata is an MCP server, even if it is its own authorization server.
func (a *app) isIssuer(ctx context.Context, f *clientFlags, target string) (bool, error) {
	resource, issuer := false, false
	look := func(cfg oauthdyn.Config) error {
		cfg.Logger = a.clientLogger(f)
		cfg.Trace = func(s oauthdyn.DiscoveryStep) {
			switch s.Kind {
			case oauthdyn.StepChallenge:
				resource = resource || s.Response != nil && s.Response.StatusCode == http.StatusUnauthorized
			case oauthdyn.StepResourceMetadata:
				resource = resource || s.Response != nil && s.Response.StatusCode == http.StatusOK
			case oauthdyn.StepServerMetadata:
				issuer = issuer || s.Err == nil
			}
		}
		client, err := oauthdyn.New(cfg)
		if err != nil {
			return &usageError{text: err.Error()}
		}
		_, _ = client.Discover(ctx) // the steps tell
		return ctx.Err()
	}
	if err := look(oauthdyn.Config{Resource: target}); err != nil || resource {
		return false, err
	}
	issuer = false
	u, err := url.Parse(target)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return false, nil // no issuer has that
	}
	err = look(oauthdyn.Config{AuthServer: target})
	return issuer, err
}
